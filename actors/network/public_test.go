package network

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/messages"
)

func publicly(c *messages.Connect) { c.Public = true }

// A server that another one has named is not at an address that leads back to this machine,
// whatever the resolver says, and whatever form the address has.
func TestPublicAddressesOnly(t *testing.T) {
	tests := []struct {
		name  string
		addrs []string
		want  string // the address that is dialled; empty for none
	}{
		{"public", []string{"192.0.2.1"}, "192.0.2.1:5683"},
		{"private", []string{"10.0.0.1"}, "10.0.0.1:5683"},
		{"one of two", []string{"127.0.0.1", "192.0.2.1"}, "192.0.2.1:5683"},
		{"loopback", []string{"127.0.0.1", "::1"}, ""},
		{"mapped", []string{"::ffff:127.0.0.1"}, ""},
		{"link-local", []string{"169.254.169.254"}, ""},
		{"link-local with a zone", []string{"fe80::1%eth0"}, ""},
		{"through NAT64", []string{"64:ff9b::7f00:1"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var addrs []netip.Addr
			for _, a := range test.addrs {
				addrs = append(addrs, addr(a))
			}
			m := New(testPeer, testEpoch)
			m.Step(now, connect(t, "coap://images.test", publicly))
			effects := m.Step(now, resolved{epoch: testEpoch, addrs: addrs})
			if test.want != "" {
				if got := found[open](t, effects).remote.String(); got != test.want {
					t.Errorf("dials %s", got)
				}
				return
			}
			f := lost(t, effects)
			if got := wantAs[*LocalError](t, &f); f.Class != messages.ClassConfiguration || got.Host != "images.test" {
				t.Errorf("%v: %+v", f.Class, got)
			}
		})
	}
}

// Neither a literal address nor one that is known from the try before is a way around that.
func TestPublicAddressesOnlyOfAnyOrigin(t *testing.T) {
	f := lost(t, New(testPeer, testEpoch).Step(now, connect(t, "coap://127.0.0.1", publicly)))
	wantAs[*LocalError](t, &f)
	f = lost(t, New(testPeer, testEpoch).Step(now, connect(t, "coap://images.test", publicly, func(c *messages.Connect) {
		c.Addresses = ports(5683, "127.0.0.1")
	})))
	wantAs[*LocalError](t, &f)
}

// Addresses that were resolved late are chosen from in the same way.
func TestPublicAddressesOnlyJoin(t *testing.T) {
	m := New(testPeer, testEpoch)
	m.Step(now, connect(t, "coap://images.test", publicly))
	m.Step(now, joined{epoch: testEpoch, addrs: []netip.Addr{addr("127.0.0.1")}})
	m.Step(now, resolved{epoch: testEpoch, addrs: []netip.Addr{addr("192.0.2.1")}})
	effects := m.Step(now, joined{epoch: testEpoch, addrs: []netip.Addr{addr("127.0.0.2"), addr("192.0.2.2"), addr("::1")}})
	got := told[messages.Joined](effects)
	if len(got) != 1 || len(got[0].Addresses) != 1 || got[0].Addresses[0].String() != "192.0.2.2:5683" {
		t.Errorf("%v", got)
	}
	if effects := m.Step(now, joined{epoch: testEpoch, addrs: []netip.Addr{addr("127.0.0.3")}}); effects != nil {
		t.Errorf("%v", effects)
	}
}

// A server of the configuration may be anywhere that a datagram can be sent to.
func TestAddressesOfTheConfiguration(t *testing.T) {
	effects := New(testPeer, testEpoch).Step(now, connect(t, "coap://127.0.0.1"))
	if got := found[open](t, effects).remote.String(); got != "127.0.0.1:5683" {
		t.Errorf("dials %s", got)
	}
}

func TestLocalErrorSaysWhatToDo(t *testing.T) {
	for err, want := range map[*LocalError]string{
		{Host: "images.test", Addr: addr("127.0.0.1")}: `"images.test" has no other: the address 127.0.0.1 is one of this machine or of its links (name the host in firmware.allow_hosts if that is meant)`,
		{Host: "127.0.0.1", Addr: addr("127.0.0.1")}:   `the address 127.0.0.1 is one of this machine or of its links (name the host in firmware.allow_hosts if that is meant)`,
	} {
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Error(diff)
		}
	}
}
