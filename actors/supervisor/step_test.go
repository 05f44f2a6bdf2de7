package supervisor

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// What the attempt of an account waits for is published, and changes nothing else.
func TestStepsArePublished(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	epoch := d.epoch(server(1))
	step := func(in any) *messages.AttemptStatus {
		t.Helper()
		for _, effect := range d.machine.Step(d.now, in) {
			switch effect := effect.(type) {
			case Publish:
				return effect.Snapshot.Connections[0].Attempt
			case Emit: // of another state
			default:
				t.Errorf("%T: %T", in, effect)
			}
		}
		t.Fatalf("%T: nothing is published", in)
		return nil
	}
	step(messages.Progress{Epoch: epoch, Stage: messages.StageConnecting})
	hello := messages.HandshakeStep{Epoch: epoch, Sent: messages.SentClientHello, Since: d.now, Last: d.now}
	if a := step(hello); a.Step.Sent != messages.SentClientHello || a.Deadline.Sub(a.Began) != d.machine.config.Budget {
		t.Errorf("%+v", a)
	}
	if effects := d.machine.Step(d.now, hello); len(effects) != 0 {
		t.Errorf("twice: %d effects", len(effects))
	}
	if effects := d.machine.Step(d.now, messages.HandshakeStep{Epoch: epoch + 7, Sent: messages.SentProof}); len(effects) != 0 {
		t.Errorf("of another link: %d effects", len(effects))
	}
	if a := step(messages.Progress{Epoch: epoch, Stage: messages.StageUp}); a.Step != (messages.Step{}) {
		t.Errorf("%+v", a)
	}
	first := d.now
	step(messages.RequestStep{Epoch: epoch, Code: messages.POST, Path: []string{"rd"}})
	d.now = d.now.Add(2 * time.Second)
	a := step(messages.RequestStep{Epoch: epoch, Code: messages.POST, Path: []string{"rd"}, Resent: 1})
	if a.Step.Sent != messages.SentRegister || !a.Step.Since.Equal(first) || !a.Step.Last.Equal(d.now) || a.Step.Resent != 1 {
		t.Errorf("%+v", a)
	}
	last := d.now
	d.now = d.now.Add(time.Second)
	a = step(messages.RequestStep{Epoch: epoch, Code: messages.POST, Path: []string{"rd"}, Resent: 1, Heard: messages.HeardAck})
	if !a.Step.Since.Equal(first) || !a.Step.Last.Equal(last) || a.Step.Heard != messages.HeardAck {
		t.Errorf("%+v", a)
	}
}
