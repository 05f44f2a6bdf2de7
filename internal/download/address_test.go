package download

import (
	"net/netip"
	"testing"
)

func TestLocal(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.8.8.8": true, "0.0.0.0": true, "0.1.2.3": true, "169.254.169.254": true,
		"224.0.0.1": true, "255.255.255.255": true, "::": true, "::1": true, "fe80::1": true, "fe80::1%eth0": true,
		"ff02::1": true, "::ffff:127.0.0.1": true, "::ffff:169.254.169.254": true, "64:ff9b::7f00:1": true,
		"::7f00:1": true, "2002:7f00:1::1": true, "::ffff:0:7f00:1": true,
		"64:ff9b::7f00:1%eth0": true, "2002:7f00:1::1%eth0": true, "::1%eth0": true,
		"10.0.0.1": false, "192.168.1.1": false, "172.16.0.1": false, "192.0.2.1": false, "2001:db8::1": false,
		"fd00::1": false, "::ffff:192.0.2.1": false, "64:ff9b::c000:201": false, "2002:c000:201::1": false,
	} {
		if got := Local(netip.MustParseAddr(address)); got != want {
			t.Errorf("Local(%s) is %t, want %t", address, got, want)
		}
	}
	if !Local(netip.Addr{}) {
		t.Error("an address that is none is not local")
	}
}
