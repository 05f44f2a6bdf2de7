package supervisor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/messages"
)

// What links drop is added up for the account, shown in the status, and logged
// once a minute.
func TestShedIsAddedUpAndLoggedOnceAMinute(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	shed := messages.Shed{Queue: 1, Rate: 2, Answers: 3, Memory: 4, Forged: 5, Truncated: 6, Unsent: 7}
	var warned []messages.Shed
	var published messages.Snapshot
	for range 7 {
		for _, effect := range d.machine.Step(d.now, messages.Overloaded{Epoch: d.epoch(server(1)), Shed: shed}) {
			switch effect := effect.(type) {
			case Warn:
				if effect.Server != d.machine.accounts.of(server(1)).server() {
					t.Errorf("logged for %q", effect.Server)
				}
				warned = append(warned, effect.Shed)
			case Publish:
				published = effect.Snapshot
			}
		}
		d.now = d.now.Add(10 * time.Second)
	}
	times := func(n uint64) messages.Shed {
		return messages.Shed{
			Queue: n, Rate: 2 * n, Answers: 3 * n, Memory: 4 * n, Forged: 5 * n, Truncated: 6 * n, Unsent: 7 * n,
		}
	}
	if diff := cmp.Diff([]messages.Shed{times(1), times(7)}, warned); diff != "" {
		t.Errorf("logged: %s", diff)
	}
	if diff := cmp.Diff(times(7), published.Connections[0].Shed); diff != "" {
		t.Errorf("published: %s", diff)
	}
	d.step(messages.Overloaded{Epoch: d.epoch(server(1)) - 1, Shed: shed})
	if got := d.machine.accounts.of(server(1)).shed.dropped(); got != times(7) {
		t.Errorf("another link's counted: %+v", got)
	}
}
