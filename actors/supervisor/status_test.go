package supervisor

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// Status follows every account, not only the one that the client's state is
// about.
func TestStatusFollowsEveryAccount(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0), serverAccount(t, server(2), 1))
	effects := d.machine.Step(d.now, messages.Progress{Epoch: d.epoch(server(2)), Stage: messages.StageConnecting})
	if len(effects) != 1 {
		t.Fatalf("%d effects", len(effects))
	}
	if p, ok := effects[0].(Publish); !ok || p.Snapshot.Connections[1].State != messages.StateConnecting {
		t.Fatalf("%+v", effects[0])
	}
}

// A snapshot is published when it differs from the last one, and only then.
func TestSnapshotsAreOfChanges(t *testing.T) {
	d := newDriver(t, serverAccount(t, server(1), 0))
	var last messages.Snapshot
	n := 0
	count := func(in any) {
		t.Helper()
		for _, effect := range d.machine.Step(d.now, in) {
			p, ok := effect.(Publish)
			if !ok {
				d.note(effect)
				continue
			}
			if n++; p.Snapshot.Equal(last) {
				t.Errorf("%T: published twice: %+v", in, last)
			}
			last = p.Snapshot
		}
	}
	count(messages.Start{})
	count(messages.AccountsLoaded{Token: 1, Factory: d.factory})
	for _, stage := range []messages.Stage{messages.StageResolving, messages.StageConnecting, messages.StageUp} {
		count(messages.Progress{Epoch: 1, Stage: stage})
	}
	count(messages.Registered{Epoch: 1, Registration: messages.Registration{Location: []string{"rd"}, Lifetime: time.Hour, Accepted: d.now}})
	if n != 6 || last.State != messages.StateRegistered {
		t.Errorf("%d snapshots for a start, the last one %+v", n, last)
	}
	// What changes nothing that can be seen publishes nothing.
	count(messages.UpdateTriggered{Epoch: 1})
	count(messages.NetworkUp{})
	count(messages.Progress{Epoch: 7, Stage: messages.StageUp})
	if n != 6 {
		t.Errorf("%d snapshots", n)
	}
}
