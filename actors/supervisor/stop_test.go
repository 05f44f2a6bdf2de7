package supervisor

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// closing registers account 1 and asks for the end of the client's life.
func closing(t *testing.T) *driver {
	d := running(t, serverAccount(t, server(1), 0))
	d.progressTo(server(1), "192.0.2.1:5684", "192.0.2.2:5684")
	d.step(messages.Registered{Epoch: d.epoch(server(1)), Registration: messages.Registration{
		Location: []string{"rd", "1"}, Version: "1.1", Lifetime: 24 * time.Hour, Accepted: d.now,
	}})
	d.step(messages.Stop{Deadline: d.now.Add(5 * time.Second)})
	return d
}

// A Reregistering that was on its way when Close came must not hide the account
// from the end of the wait.
func TestStopEndsWhileTheServerRefusesAnUpdate(t *testing.T) {
	d := closing(t)
	d.step(messages.Reregistering{Epoch: d.epoch(server(1))})
	d.fire(timerStop)
	if d.stopped == nil || d.stopped.Code != messages.ConnectorUnregistrationFailed {
		t.Fatalf("%+v", d.stopped)
	}
}

// A link that is lost just as Close comes is no reason to try the server's
// next address.
func TestStopTriesNoFurtherAddress(t *testing.T) {
	d := closing(t)
	f := messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseRegistered, Peer: server(1), Epoch: d.epoch(server(1))}
	d.step(messages.Failed{Failure: f})
	if d.stopped == nil || d.stopped.Code != messages.ConnectorUnregistrationFailed || len(d.live) != 0 {
		t.Fatalf("%+v, %d incarnations", d.stopped, len(d.live))
	}
}

// A crash while the de-registration is under way ends that wait.
func TestStopEndsAtOnceWhenTheIncarnationCrashes(t *testing.T) {
	d := closing(t)
	d.step(Crashed{Role: core.Owner, Peer: server(1), Epoch: d.epoch(server(1)), Reason: errors.New("boom")})
	if d.stopped == nil || d.stopped.Code != messages.ConnectorUnregistrationFailed || len(d.live) != 0 {
		t.Fatalf("%+v, %d incarnations", d.stopped, len(d.live))
	}
}
