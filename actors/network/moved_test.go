package network

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

func ipOf(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

// When a link has to move: see the comment at the head of moved.go.
func TestMoved(t *testing.T) {
	here := []messages.LocalAddress{
		{Addr: ipOf("192.0.2.5"), Interface: 2}, {Addr: ipOf("192.0.2.6"), Interface: 2}, {Addr: ipOf("198.51.100.7"), Interface: 3},
	}
	tests := []struct {
		name, local, fresh string
		want               bool
	}{
		{"the same", "192.0.2.5", "192.0.2.5", false},
		{"gone", "192.0.2.9", "192.0.2.5", true},
		{"gone, and no way to the peer", "192.0.2.9", "", false},
		{"no way to the peer", "192.0.2.5", "", false},
		{"another interface", "192.0.2.5", "198.51.100.7", true},
		{"another address of the interface", "192.0.2.5", "192.0.2.6", false},
		{"one that has come since", "192.0.2.5", "203.0.113.1", false},
		{"gone, and one that has come since", "192.0.2.9", "203.0.113.1", true},
		{"not known", "", "192.0.2.5", false},
	}
	for _, tt := range tests {
		if got := moved(compared{local: ipOf(tt.local), fresh: ipOf(tt.fresh), addresses: here}); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// linkIn returns a machine whose link is in a state.
func linkIn(t *testing.T, state State) *Machine {
	t.Helper()
	m, now := New(messages.ManagementPeer(1), 7), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at, err := uri.Parse("coap://192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	if state == Idle {
		return m
	}
	m.Step(now, messages.Connect{Peer: messages.ManagementPeer(1), Epoch: 7, URI: at, Deadline: now.Add(time.Minute), Credentials: messages.Credentials{Mode: messages.SecurityNoSec}})
	if state == Up {
		m.Step(now, connected{epoch: 7})
	}
	if m.State() != state {
		t.Fatalf("the link is %v", m.State())
	}
	return m
}

// A link is compared while it connects and while it is up, is lost as moved at most once, and
// hears of no other link.
func TestLinkThatHasToMoveIsLost(t *testing.T) {
	here := []messages.LocalAddress{{Addr: ipOf("192.0.2.5"), Interface: 2}}
	for _, state := range []State{Connecting, Up} {
		m := linkIn(t, state)
		if effects := m.Step(time.Time{}, messages.CheckLink{Epoch: 8}); effects != nil {
			t.Fatalf("of another epoch: %v", effects)
		}
		effects := m.Step(time.Time{}, messages.CheckLink{Epoch: 7, Addresses: here})
		if len(effects) != 1 || effects[0].(compare).remote != netip.MustParseAddrPort("192.0.2.1:5683") {
			t.Fatalf("%v: %v", state, effects)
		}
		same := compared{epoch: 7, local: ipOf("192.0.2.5"), fresh: ipOf("192.0.2.5"), addresses: here}
		if effects := m.Step(time.Time{}, same); effects != nil || m.State() != state {
			t.Fatalf("%v: %v", state, effects)
		}
		gone := compared{epoch: 7, local: ipOf("192.0.2.9"), fresh: ipOf("192.0.2.5"), addresses: here}
		checkMoved(t, m.Step(time.Time{}, gone), MovedError{From: ipOf("192.0.2.9"), To: ipOf("192.0.2.5"), Gone: true})
		if effects := m.Step(time.Time{}, gone); effects != nil {
			t.Fatalf("lost twice: %v", effects)
		}
		m = linkIn(t, state)
		checkMoved(t, m.Step(time.Time{}, messages.CheckLink{Epoch: 7, Anew: true}), MovedError{Anew: true})
	}
	if effects := linkIn(t, Idle).Step(time.Time{}, messages.CheckLink{Epoch: 7, Anew: true}); effects != nil {
		t.Errorf("idle: %v", effects)
	}
}

func checkMoved(t *testing.T, effects []core.Effect, want MovedError) {
	t.Helper()
	for _, effect := range effects {
		tell, is := effect.(core.Tell)
		if !is {
			continue
		}
		f := tell.Message.(messages.LinkLost).Failure
		var why *MovedError
		if tell.To != core.Owner || f.Class != messages.ClassMoved || !errors.As(&f, &why) || *why != want || why.Error() == "" {
			t.Errorf("%+v", f)
		}
		return
	}
	t.Errorf("nobody was told: %v", effects)
}
