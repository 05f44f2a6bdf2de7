package object

import (
	"context"
	"sync"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// turn lets one at a time go on, as long as its context lasts: who hangs keeps nobody
// waiting beyond its own deadline. The zero value is free.
type turn struct {
	mu   sync.Mutex
	busy chan struct{} // closed when the turn ends; nil when nobody has it
}

// take waits for the turn. It ends with done, which may be called again, or with the
// context.
func (t *turn) take(ctx context.Context) (done func(), err error) {
	for {
		busy, mine := t.claim()
		if mine {
			end := sync.OnceFunc(func() { t.end(busy) })
			stop := context.AfterFunc(ctx, end)
			return func() { stop(); end() }, nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, Refuse(lwm2m.CodeServiceUnavailable, "an earlier write is still being carried out")
		}
	}
}

// claim takes the turn if it is free. Else it returns what is closed at its end.
func (t *turn) claim() (busy chan struct{}, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy != nil {
		return t.busy, false
	}
	t.busy = make(chan struct{})
	return t.busy, true
}

func (t *turn) end(busy chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy = nil
	close(busy)
}
