package supervisor

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// said returns what management was told of sessions since the last call.
func (d *driver) said() (all []string) {
	for _, message := range d.sessions {
		switch s := message.(type) {
		case messages.SessionUp:
			all = append(all, fmt.Sprintf("%s up in %d, %s, resumed %v", s.Peer, s.Epoch, s.Version, s.Resumed)+map[bool]string{true: ", again"}[s.Again])
		case messages.SessionLost:
			all = append(all, fmt.Sprintf("%s lost in %d, still registered %v", s.Peer, s.Epoch, s.StillRegistered))
		}
	}
	d.sessions = nil
	return all
}

// Every session is announced once when it is up and once when it is lost, with
// what has become of the registration.
func TestSessionsAreAnnounced(t *testing.T) {
	silence := messages.Failure{Class: messages.ClassSilence, Phase: messages.PhaseUpdate}
	busy := rejectedWith(messages.ServiceUnavailable, messages.PhaseUpdate)
	lost := "server 1 lost in 1, still registered true"
	gone := "server 1 lost in 1, still registered false"
	tests := []struct {
		name string
		do   func(*driver)
		want []string
	}{
		{"nothing happens", func(d *driver) { d.now = d.now.Add(time.Hour); d.step(messages.NetworkUp{}) }, nil},
		{"an Update", func(d *driver) {
			d.step(messages.Updated{Epoch: 1, Registration: *d.machine.accounts.of(server(1)).registration})
		}, nil},
		{"an Update that is put off", func(d *driver) { d.report(server(1), busy, true) }, nil},
		{"a lost link", func(d *driver) { d.fail(server(1), refused) }, []string{lost}},
		{"silence, and the server still knows us", func(d *driver) { d.fail(server(1), silence); d.resume(server(1)) },
			[]string{lost, "server 1 up in 2, 1.1, resumed true"}},
		{"silence, and the server has forgotten us", func(d *driver) { d.fail(server(1), silence); d.register(server(1)) },
			[]string{lost, "server 1 up in 2, 1.1, resumed false"}},
		{"a Register on the same link", func(d *driver) { d.step(messages.Reregistering{Epoch: 1}); d.register(server(1)) },
			[]string{gone, "server 1 up in 1, 1.1, resumed false"}},
		{"a refused Update", func(d *driver) { d.report(server(1), rejectedWith(messages.NotFound, messages.PhaseUpdate), true) }, []string{gone}},
		{"a crash", func(d *driver) {
			d.step(Crashed{Role: core.Link, Peer: server(1), Epoch: 1, Reason: errors.New("boom")})
		}, []string{lost}},
		{"a pause", func(d *driver) { d.call(messages.CallPause) }, []string{lost}},
		{"a bootstrap", func(d *driver) { d.call(messages.CallBootstrap); d.bootstrap() }, []string{gone}},
		{"a factory reset", func(d *driver) {
			d.step(messages.CallRequest{Call: messages.CallFactoryReset})
			d.step(messages.CredentialsForgotten{Token: 1})
		}, []string{gone}},
		{"the end", func(d *driver) {
			d.step(messages.Stop{Deadline: d.now.Add(time.Second)})
			d.step(messages.Deregistered{Epoch: 1})
		}, []string{gone}},
		{"an end without an answer", func(d *driver) {
			d.step(messages.Stop{Deadline: d.now.Add(time.Second)})
			d.fire(timerStop)
		}, []string{lost}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
			d.register(server(1))
			if got := d.said(); !slices.Equal(got, []string{"server 1 up in 1, 1.1, resumed false"}) {
				t.Fatalf("%q", got)
			}
			tt.do(d)
			if got := d.said(); !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// resume has the server accept an Update on a new link.
func (d *driver) resume(id messages.Peer) {
	d.t.Helper()
	d.connected(id)
	d.step(messages.Registered{Epoch: d.epoch(id), ByUpdate: true, Registration: messages.Registration{
		Location: []string{"rd", "1"}, Version: "1.1", Lifetime: 24 * time.Hour, Accepted: d.now,
	}})
}

// A management actor that was started anew is told what is up, after the model,
// and hears the end of a session that it was told of.
func TestSessionsAreToldToANewManagement(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0), serverAccount(t, server(2), 1), serverAccount(t, server(3), 2))
	d.register(server(1))
	d.register(server(2))
	d.said()
	d.step(Crashed{Role: core.Management, Reason: errors.New("boom")})
	d.fail(server(2), refused) // while there is no management
	d.said()
	d.fire(respawnTimer(core.Management))
	if got := d.said(); !slices.Equal(got, []string{"server 1 up in 1, 1.1, resumed false, again"}) {
		t.Fatalf("%q", got)
	}
	d.fail(server(1), refused)
	if got := d.said(); !slices.Equal(got, []string{"server 1 lost in 1, still registered true"}) {
		t.Fatalf("%q", got)
	}
}

// Whether a server knows the client still, where that is in doubt, an Update tells; not where
// the session is over, nor while the server wants to be left alone.
func TestDoubtsLeadToAnUpdate(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.fail(server(1), messages.Failure{Class: messages.ClassSilence, Phase: messages.PhaseUpdate})
	d.resume(server(1))
	epoch, before := d.epoch(server(1)), len(d.orders)
	d.step(messages.RegistrationDoubted{Epoch: epoch - 1})
	if len(d.orders) != before {
		t.Fatalf("a session that is over: %+v", d.orders[before:])
	}
	d.step(messages.RegistrationDoubted{Epoch: epoch})
	if order := lastOrder[messages.SendUpdate](d); len(d.orders) != before+1 || order.Epoch != epoch {
		t.Errorf("%+v", d.orders[before:])
	}
}

// What a server counts on and nobody knows any more is mended by a Register on the same
// link, and by nothing where the session is over.
func TestLostObservationsLeadToARegister(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.fail(server(1), messages.Failure{Class: messages.ClassSilence, Phase: messages.PhaseUpdate})
	d.resume(server(1))
	epoch := d.epoch(server(1))
	d.step(messages.ObservationsLost{Epoch: epoch - 1})
	if n := len(d.orders); n > 0 {
		if _, is := d.orders[n-1].Message.(messages.SendRegister); is {
			t.Fatal("a session that is over is registered anew")
		}
	}
	d.step(messages.ObservationsLost{Epoch: epoch})
	if order := lastOrder[messages.SendRegister](d); order.Epoch != epoch {
		t.Errorf("%+v", order)
	}
}
