package gateway

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

const routesHead = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

// network has an Ethernet port with the better route, a WLAN, a modem and a radio.
func network(t *testing.T, more map[string]string) Machine {
	all := map[string]string{
		"proc/net/route": routesHead +
			"wlan0\t00000000\t" + inHostOrder(192, 168, 1, 1) + "\t0003\t0\t0\t600\t00000000\t0\t0\t0\n" +
			"eth0\t00000000\t" + inHostOrder(10, 0, 0, 1) + "\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
			"eth0\t" + inHostOrder(10, 0, 0, 0) + "\t00000000\t0001\t0\t0\t100\t" + inHostOrder(255, 255, 255, 0) + "\t0\t0\t0\n" +
			"down0\t00000000\t" + inHostOrder(10, 9, 9, 9) + "\t0002\t0\t0\t0\t00000000\t0\t0\t0\n",
		"proc/net/ipv6_route": "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000003 00000000 00000003     eth0\n" +
			"00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n" +
			"fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n" +
			"half a line\n",
		"proc/net/wireless": "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n" +
			" face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n" +
			" wlan0: 0000   54.  -56.  -256        0      0      0      0      3        0\n",
		"sys/class/net/eth0/type": "1\n", "sys/class/net/wlan0/type": "1\n", "sys/class/net/wlan0/uevent": "DEVTYPE=wlan\nINTERFACE=wlan0\n",
		"sys/class/net/wwan0/type": "519\n", "sys/class/net/wwan0/uevent": "DEVTYPE=wwan\n", "sys/class/net/lowpan0/type": "825\n",
		"sys/class/net/lo/type": "772\n", "sys/class/net/bnep0/type": "1\n", "sys/class/net/bnep0/uevent": "DEVTYPE=bluetooth\n",
	}
	for name, content := range more {
		all[name] = content
	}
	m := files(t, all)
	m.Interfaces = func() ([]Interface, error) {
		return []Interface{
			{Name: "lo", Up: true, Loopback: true, Addresses: addrs("127.0.0.1")},
			{Name: "eth0", Up: true, Addresses: addrs("10.0.0.7", "fe80::1%eth0")},
			{Name: "wlan0", Up: true, Addresses: addrs("192.168.1.7")},
			{Name: "wwan0", Up: true, Addresses: addrs("100.64.0.2")},
			{Name: "lowpan0", Up: true, Addresses: addrs("fd00::2")},
			{Name: "bnep0", Addresses: addrs("10.1.1.1")}, // down
		}, nil
	}
	return m
}

// inHostOrder writes an address as /proc/net/route has it on this machine.
func inHostOrder(a, b, c, d byte) string {
	const digits = "0123456789ABCDEF"
	var s []byte
	for _, octet := range []byte{d, c, b, a} { // what a little-endian machine makes of it
		s = append(s, digits[octet>>4], digits[octet&15])
	}
	if hostOrder(1).String() == "0.0.0.1" { // a big-endian one
		return string([]byte{s[6], s[7], s[4], s[5], s[2], s[3], s[0], s[1]})
	}
	return string(s)
}

func TestConnectivityByTheDefaultRoute(t *testing.T) {
	got := values(t, NewConnectivity(ConnectivityConfig{Machine: network(t, nil)}))
	has(t, got, map[string]string{
		"/4/0/0": "41", "/4/0/1/0": "21", "/4/0/1/1": "23", "/4/0/1/2": "41", "/4/0/1/3": "", "/4/0/2": "0", "/4/0/3": "",
		"/4/0/4/0": "10.0.0.7", "/4/0/4/1": "fe80::1", "/4/0/5/0": "10.0.0.1", "/4/0/5/1": "fe80::1", "/4/0/5/2": "", "/4/0/7/0": "",
	})
}

func TestConnectivityOfAWLAN(t *testing.T) {
	got := values(t, NewConnectivity(ConnectivityConfig{Interface: "wlan0", Machine: network(t, nil)}))
	has(t, got, map[string]string{"/4/0/0": "21", "/4/0/2": "-56", "/4/0/3": "54", "/4/0/4/0": "192.168.1.7", "/4/0/5/0": "192.168.1.1", "/4/0/5/1": ""})
	silent := network(t, map[string]string{"proc/net/wireless": "one line\n"})
	has(t, values(t, NewConnectivity(ConnectivityConfig{Interface: "wlan0", Machine: silent})), map[string]string{"/4/0/0": "21", "/4/0/2": "", "/4/0/3": ""})
}

// What only a modem knows is asked for where the link is a modem's, and nowhere else.
func TestConnectivityOfAModem(t *testing.T) {
	cell, attached := Cell{
		Bearer: BearerNBIoT, Signal: -101, Quality: new(int64(-11)), SNR: new(int64(9)), APN: []string{"iot.example"},
		CellID: new(int64(1234567)), LAC: new(int64(77)), MNC: new(int64(1)), MCC: new(int64(262)), CoverageLevel: new(int64(1)),
	}, true
	ask := func() (Cell, bool) { return cell, attached }
	modem := NewConnectivity(ConnectivityConfig{Interface: "wwan0", Cell: ask, Machine: network(t, nil)})
	has(t, values(t, modem), map[string]string{
		"/4/0/0": "7", "/4/0/1/0": "7", "/4/0/1/1": "21", "/4/0/2": "-101", "/4/0/3": "-11", "/4/0/7/0": "iot.example",
		"/4/0/8": "1234567", "/4/0/9": "1", "/4/0/10": "262", "/4/0/11": "9", "/4/0/12": "77", "/4/0/13": "1", "/4/0/4/0": "100.64.0.2",
	})
	port := NewConnectivity(ConnectivityConfig{Cell: ask, Machine: network(t, nil)})
	has(t, values(t, port), map[string]string{"/4/0/0": "41", "/4/0/1/0": "7", "/4/0/2": "0", "/4/0/8": "", "/4/0/7/0": ""})
	cell = Cell{Bearer: BearerGSM, Signal: -90}
	has(t, values(t, modem), map[string]string{"/4/0/0": "0", "/4/0/2": "-90", "/4/0/3": "", "/4/0/8": "", "/4/0/11": ""})
	attached = false
	has(t, values(t, modem), map[string]string{"/4/0/0": "", "/4/0/2": "", "/4/0/8": "", "/4/0/4/0": "100.64.0.2"})
	unknown := NewConnectivity(ConnectivityConfig{Interface: "wwan0", Machine: network(t, nil)})
	has(t, values(t, unknown), map[string]string{"/4/0/0": "", "/4/0/2": ""})
}

// A machine without a route, an interface, or a word is no error.
func TestConnectivityOfNothing(t *testing.T) {
	alone := network(t, map[string]string{"proc/net/route": routesHead, "proc/net/ipv6_route": ""})
	has(t, values(t, NewConnectivity(ConnectivityConfig{Machine: alone})), map[string]string{"/4/0/0": "41", "/4/0/4/0": "10.0.0.7", "/4/0/5/0": ""})
	only6 := network(t, map[string]string{"proc/net/route": "no table\nx\n"})
	has(t, values(t, NewConnectivity(ConnectivityConfig{Machine: only6})), map[string]string{"/4/0/5/0": "fe80::1"})
	gone := NewConnectivity(ConnectivityConfig{Interface: "eth9", Machine: network(t, nil)})
	has(t, values(t, gone), map[string]string{"/4/0/0": "", "/4/0/2": "", "/4/0/4/0": ""})
	empty := files(t, nil)
	empty.Interfaces = func() ([]Interface, error) { return nil, errors.New("no netlink") }
	if got := values(t, NewConnectivity(ConnectivityConfig{Machine: empty})); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

func TestSamplesOfConnectivity(t *testing.T) {
	c := NewConnectivity(ConnectivityConfig{Machine: files(t, nil)})
	if got := c.Sample(lwm2m.PathOf(4, 0, 2)); got != 10*time.Second {
		t.Errorf("%v", got)
	}
}
