package supervisor

import (
	"testing"

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
