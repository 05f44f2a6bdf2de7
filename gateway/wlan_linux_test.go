package gateway

import (
	"errors"
	"testing"

	"github.com/mdlayher/wifi"
)

// wlan is a kernel with one wireless interface.
type wlan struct {
	kind     wifi.InterfaceType
	stations []*wifi.StationInfo
	surveys  []*wifi.SurveyInfo
	broken   string // what it refuses
}

var errBroken = errors.New("no such device")

func (k wlan) fails(what string) error {
	if k.broken == what {
		return errBroken
	}
	return nil
}

func (k wlan) Interfaces() ([]*wifi.Interface, error) {
	return []*wifi.Interface{{Name: "mon0", Type: wifi.InterfaceTypeMonitor}, {Name: "wlan0", Type: k.kind}}, k.fails("interfaces")
}

func (k wlan) StationInfo(i *wifi.Interface) ([]*wifi.StationInfo, error) {
	if i.Name != "wlan0" {
		return nil, errBroken
	}
	return k.stations, k.fails("stations")
}

func (k wlan) SurveyInfo(*wifi.Interface) ([]*wifi.SurveyInfo, error) {
	return k.surveys, k.fails("surveys")
}

func TestSignalOfAStation(t *testing.T) {
	ap := []*wifi.StationInfo{{Signal: -50, SignalAverage: -56}}
	surveys := []*wifi.SurveyInfo{{Noise: -80}, {Noise: -93, InUse: true}}
	for name, c := range map[string]struct {
		kernel wlan
		want   string
	}{
		"the average":             {wlan{stations: ap, surveys: surveys}, "-56 54 37"},
		"no average":              {wlan{stations: []*wifi.StationInfo{{Signal: -71}}}, "-71 39 -"},
		"beyond the scale":        {wlan{stations: []*wifi.StationInfo{{Signal: -20}}}, "-20 70 -"},
		"below the scale":         {wlan{stations: []*wifi.StationInfo{{Signal: -115}}}, "-115 0 -"},
		"no signal":               {wlan{stations: []*wifi.StationInfo{{}}}, "- - -"},
		"no access point":         {wlan{}, "- - -"},
		"an access point":         {wlan{kind: wifi.InterfaceTypeAP, stations: ap}, "- - -"},
		"no interfaces":           {wlan{stations: ap, broken: "interfaces"}, "- - -"},
		"no stations":             {wlan{stations: ap, broken: "stations"}, "- - -"},
		"several, as in a mesh":   {wlan{stations: append(ap, ap...)}, "- - -"},
		"no survey":               {wlan{stations: ap, surveys: surveys, broken: "surveys"}, "-56 54 -"},
		"no noise of the channel": {wlan{stations: ap, surveys: surveys[:1]}, "-56 54 -"},
	} {
		if c.kernel.kind == 0 {
			c.kernel.kind = wifi.InterfaceTypeStation
		}
		r, ok := stationOf(c.kernel, "wlan0")
		if got := texts(r.level, r.quality, r.snr); got != c.want || ok != (r.level != nil) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if _, ok := stationOf(wlan{kind: wifi.InterfaceTypeStation, stations: ap}, "wlan1"); ok {
		t.Error("the signal of another interface")
	}
}

// Where the machine has a wireless station, nl80211 and the old interface agree. In a
// virtual machine mac80211_hwsim makes one.
func TestSignalOfThisMachine(t *testing.T) {
	client, err := wifi.New()
	if err != nil {
		t.Skipf("no nl80211: %v", err)
	}
	defer func() { _ = client.Close() }()
	all, err := client.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if old, ok := (Machine{Proc: "/proc"}).extensions(i.Name); ok && *old.quality > 0 {
			checkSignal(t, i.Name, old)
			return
		}
	}
	t.Skip("no wireless station that is associated")
}

func checkSignal(t *testing.T, name string, old radio) {
	t.Helper()
	const apart = 10 // the one is an average, and both change
	now, ok := nl80211(t.Context(), name)
	if !ok || max(*now.level-*old.level, *old.level-*now.level) > apart {
		t.Errorf("%s: nl80211 says %s, the wireless extensions %s", name, texts(now.level, now.quality, now.snr), texts(old.level, old.quality))
	}
	t.Logf("%s: %s", name, texts(now.level, now.quality, now.snr))
	got := values(t, NewConnectivity(ConnectivityConfig{Interface: name}))
	has(t, got, map[string]string{"/4/0/0": "21"})
	t.Log(got)
}
