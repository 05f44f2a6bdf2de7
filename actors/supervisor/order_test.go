package supervisor

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// /1/x/13 to 15 as a table: which accounts begin at once, which one after the
// other, and when the next one's turn has come.
func TestOrderOfRegistration(t *testing.T) {
	first, second := new(uint64(1)), new(uint64(2))
	tests := []struct {
		name       string
		priorities []*uint64 // of the servers 1, 2, 3
		block      bool      // /1/1/15
		succeeds   bool      // the current account, else it fails
		free       []uint16
		current    uint16
		next       uint16 // after that outcome; 0 when the current one keeps its turn
	}{
		{"no priorities", []*uint64{nil, nil, nil}, false, true, []uint16{1, 2, 3}, 0, 0},
		{"in order", []*uint64{second, first, nil}, false, true, []uint16{3}, 2, 1},
		{"in order, the first fails", []*uint64{second, first, nil}, false, false, []uint16{3}, 2, 1},
		{"the first fails and blocks", []*uint64{first, second, nil}, true, false, []uint16{3}, 1, 0},
		{"the first blocks and succeeds", []*uint64{first, second, nil}, true, true, []uint16{3}, 1, 2},
		{"alike: by number", []*uint64{first, first, first}, false, true, nil, 1, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var all []*account
			for i, p := range tt.priorities {
				a := &account{Account: messages.Account{Peer: server(uint16(i + 1)), Retry: messages.Retry{Priority: p}}}
				if tt.block && i == 0 {
					a.Retry.FailureBlock = new(true)
				}
				all = append(all, a)
			}
			var o order
			var free []uint16
			for _, a := range o.arrange(all, false) {
				free = append(free, a.Peer.ID)
			}
			current, _ := o.next()
			if !slices.Equal(free, tt.free) || current.ID != tt.current {
				t.Fatalf("free %v, current %v", free, current)
			}
			if tt.current == 0 {
				return
			}
			moved := o.over(all[tt.current-1], tt.succeeds)
			if moved != (tt.next != 0) {
				t.Fatalf("the turn is over: %v", moved)
			}
			if next, _ := o.next(); moved && next.ID != tt.next {
				t.Errorf("next %v", next)
			}
		})
	}
}

// Another look at the accounts does not take the turn from the one that has it,
// nor starts those that wait behind it.
func TestOrderSurvivesAnotherLook(t *testing.T) {
	d := ordered(t, true)
	d.machine.startIdle(d.now)
	d.drain()
	d.fail(server(1), refused) // blocks the second
	d.machine.effects = nil
	d.machine.startIdle(d.now) // as after a look at the store
	d.drain()
	if !d.idle(server(2)) || !d.timers[waitTimer(server(2))].IsZero() {
		t.Fatal("the second began while the first blocks it")
	}
	d.wait(server(1))
	d.register(server(1))
	if d.idle(server(2)) {
		t.Fatal("the second did not begin when its turn came")
	}
}

// /1/x/14 counts until the first success after a bootstrap, at most a week.
func TestOrderDelaysTheFirstRegister(t *testing.T) {
	a := &account{Account: messages.Account{Peer: server(1), Retry: messages.Retry{InitialDelay: new(time.Hour)}}}
	o := order{unproven: true}
	if got := o.delay(a); got != time.Hour {
		t.Errorf("%v", got)
	}
	a.Retry.InitialDelay = new(2 * Week)
	if got := o.delay(a); got != Week {
		t.Errorf("%v", got)
	}
	o.over(&account{Account: messages.Account{Peer: server(2)}}, true)
	if got := o.delay(a); got != 0 {
		t.Errorf("after a success: %v", got)
	}
}
