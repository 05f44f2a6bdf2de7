package supervisor

import (
	"errors"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// What a server observes is added up for its account and shown in the status; of a
// management actor that has crashed, what was at present is not known any more.
func TestObservingIsAddedUp(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0), serverAccount(t, server(2), 0))
	d.register(server(1))
	d.register(server(2))
	report := messages.Observing{Observations: 3, Stored: 2, Notified: 10, Acknowledged: 9, Dropped: 1}
	d.step(messages.ObservingChanged{Peer: server(1), Observing: report})
	report.Observations, report.Stored = 4, 0
	d.step(messages.ObservingChanged{Peer: server(1), Observing: report})
	d.step(messages.ObservingChanged{Peer: server(7), Observing: report}) // gone meanwhile
	want := messages.Observing{Observations: 4, Notified: 20, Acknowledged: 18, Dropped: 2}
	wantObserving := func() {
		t.Helper()
		for _, c := range d.machine.published.Connections {
			expected := messages.Observing{}
			if c.Peer == server(1) {
				expected = want
			}
			if c.Observing != expected {
				t.Errorf("%v: %+v, want %+v", c.Peer, c.Observing, expected)
			}
		}
	}
	wantObserving()
	d.step(Crashed{Role: core.Management, Reason: errors.New("broken")})
	d.fire(respawnTimer(core.Management))
	want.Observations = 0
	wantObserving()
}

// Sends are counted for the server that was to get them.
func TestSendsAreCounted(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 1))
	d.register(server(1))
	d.send(1) // muted
	d.mute(server(1), false)
	d.send(1)
	d.step(messages.SendCollected{ID: 1, Format: messages.FormatSenMLCBOR, Payload: []byte("x")})
	d.step(messages.SendAnswered{Epoch: d.epoch(server(1)), ID: 1, Code: messages.Changed})
	d.send(9) // to nobody
	if got := d.machine.published.Connections[0].Sends; got != (messages.SendCount{Accepted: 1, Failed: 1}) {
		t.Errorf("%+v", got)
	}
}
