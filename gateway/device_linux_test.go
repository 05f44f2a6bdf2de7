package gateway

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// board is a gateway as its kernel shows it.
func board() map[string]string {
	return map[string]string{
		"proc/meminfo":                        "MemTotal:        1000000 kB\nMemFree:          100000 kB\nMemAvailable:     500000 kB\n",
		"sys/class/dmi/id/sys_vendor":         "Seeed\n",
		"sys/class/dmi/id/product_name":       "reComputer\n",
		"sys/class/dmi/id/product_serial":     "S-1\n",
		"sys/class/dmi/id/product_version":    "To Be Filled By O.E.M.\n",
		"etc/os-release":                      "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n",
		"etc/timezone":                        "Europe/Berlin\n",
		"sys/class/power_supply/AC/type":      "Mains\n",
		"sys/class/power_supply/AC/online":    "1\n",
		"sys/class/power_supply/BAT0/type":    "Battery\n",
		"sys/class/power_supply/BAT0/present": "1\n", "sys/class/power_supply/BAT0/status": "Discharging\n",
		"sys/class/power_supply/BAT0/capacity": "83\n", "sys/class/power_supply/BAT0/capacity_level": "Normal\n",
		"sys/class/power_supply/BAT0/voltage_now": "12345678\n", "sys/class/power_supply/BAT0/current_now": "-1500000\n",
		"sys/class/power_supply/hid-mouse/type": "Battery\n", "sys/class/power_supply/hid-mouse/scope": "Device\n",
		"sys/class/power_supply/usb/type": "USB_PD\n", "sys/class/power_supply/usb/online": "0\n",
		"sys/class/power_supply/wireless/type": "Wireless\n",
	}
}

func TestDeviceOfAMachine(t *testing.T) {
	machine := files(t, board())
	machine.Now = func() time.Time { return noon.Local() }
	d := NewDevice(DeviceConfig{Power: []PowerSource{PowerOverEthernet}, Machine: machine})
	has(t, values(t, d), map[string]string{
		"/3/0/0": "Seeed", "/3/0/1": "reComputer", "/3/0/2": "S-1", "/3/0/18": "", "/3/0/19": "Debian GNU/Linux 13 (trixie)",
		"/3/0/10": "512000", "/3/0/21": "1024000", "/3/0/15": "Europe/Berlin",
		"/3/0/6/0": "6", "/3/0/6/1": "1", "/3/0/6/2": "4", "/3/0/6/3": "",
		"/3/0/7/1": "12345", "/3/0/7/0": "", "/3/0/8/1": "-1500", "/3/0/9": "83", "/3/0/20": "0",
	})
}

// The board of a small computer has a device tree instead.
func TestDeviceTree(t *testing.T) {
	got := values(t, NewDevice(DeviceConfig{Machine: files(t, map[string]string{
		"sys/firmware/devicetree/base/model":         "Raspberry Pi Compute Module 4\x00",
		"sys/firmware/devicetree/base/serial-number": "10000000abc\x00",
	})}))
	has(t, got, map[string]string{"/3/0/1": "Raspberry Pi Compute Module 4", "/3/0/2": "10000000abc", "/3/0/0": ""})
}

// The zone is that of /etc/localtime where nothing else names it.
func TestZoneByALink(t *testing.T) {
	machine := files(t, nil)
	machine.Now = func() time.Time { return noon.Local() }
	if err := os.Symlink("/usr/share/zoneinfo/America/Lima", filepath.Join(machine.Etc, "localtime")); err != nil {
		t.Fatal(err)
	}
	has(t, values(t, NewDevice(DeviceConfig{Machine: machine})), map[string]string{"/3/0/15": "America/Lima"})
}

// /3/0/20 by what the kernel says.
func TestBatteryStatus(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"discharging":         {map[string]string{"status": "Discharging"}, "0"},
		"charging":            {map[string]string{"status": "Charging", "capacity_level": "Low"}, "1"},
		"full":                {map[string]string{"status": "Full"}, "2"},
		"idle at the charger": {map[string]string{"status": "Not charging"}, "0"},
		"dead":                {map[string]string{"status": "Charging", "health": "Dead"}, "3"},
		"low":                 {map[string]string{"status": "Discharging", "capacity_level": "Critical"}, "4"},
		"taken out":           {map[string]string{"status": "Unknown", "present": "0"}, "5"},
		"unknown":             {map[string]string{"status": "Unknown"}, "6"},
		"nothing said":        {nil, "6"},
	} {
		machine := files(t, map[string]string{"sys/class/power_supply/b/type": "Battery"})
		for file, content := range c.files {
			put(t, machine, "sys/class/power_supply/b/"+file, content+"\n")
		}
		if got := values(t, NewDevice(DeviceConfig{Machine: machine}))["/3/0/20"]; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A battery that is taken out while the client runs is not installed, and its level
// gone.
func TestBatteryThatIsTakenOut(t *testing.T) {
	machine := files(t, board())
	d := NewDevice(DeviceConfig{Machine: machine})
	if err := os.RemoveAll(filepath.Join(machine.Sys, "class/power_supply/BAT0")); err != nil {
		t.Fatal(err)
	}
	has(t, values(t, d), map[string]string{"/3/0/9": "", "/3/0/20": "5", "/3/0/6/0": "6", "/3/0/6/1": ""})
}

// What cannot be parsed is left out, and the rest is there.
func TestDamagedFiles(t *testing.T) {
	broken := board()
	broken["proc/meminfo"] = "MemTotal: many kB\n"
	broken["sys/class/power_supply/BAT0/capacity"] = "x"
	broken["sys/class/power_supply/BAT0/voltage_now"] = "99999999999999999999"
	got := values(t, NewDevice(DeviceConfig{Machine: files(t, broken)}))
	has(t, got, map[string]string{"/3/0/10": "", "/3/0/21": "", "/3/0/9": "", "/3/0/7/1": "", "/3/0/8/1": "-1500", "/3/0/20": "0"})
}

func TestStorage(t *testing.T) {
	d := NewDevice(DeviceConfig{Storage: t.TempDir(), Machine: files(t, board())})
	got := values(t, d)
	total, _ := strconv.Atoi(got["/3/0/21"])
	free, _ := strconv.Atoi(got["/3/0/10"])
	if total <= 0 || free < 0 || free > total || total == 1024000 {
		t.Errorf("%d of %d kB", free, total)
	}
	has(t, values(t, NewDevice(DeviceConfig{Storage: "/no/such/folder", Machine: files(t, board())})), map[string]string{"/3/0/21": ""})
}

// This machine, whatever it is.
func TestRealMachine(t *testing.T) {
	got := values(t, NewDevice(DeviceConfig{}))
	total, _ := strconv.Atoi(got["/3/0/21"])
	if free, err := strconv.Atoi(got["/3/0/10"]); err != nil || free <= 0 || free > total {
		t.Errorf("%s of %s kB are free", got["/3/0/10"], got["/3/0/21"])
	}
	at, err := time.Parse(time.RFC3339, got["/3/0/13"])
	if err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("it is %s", got["/3/0/13"])
	}
	connectivity := values(t, NewConnectivity(ConnectivityConfig{}))
	t.Log(got, connectivity)
	s := NewStatistics(StatisticsConfig{})
	_ = execute(t, s, "/7/0/6")
	if got := values(t, s); got["/7/0/2"] == "" || got["/7/0/3"] == "" {
		t.Errorf("%v", got)
	}
}
