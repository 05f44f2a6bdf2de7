package admission

import (
	"context"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func enter(t *testing.T, g *Gate, server netip.AddrPort) *Pass {
	t.Helper()
	p, err := g.Enter(t.Context(), server, func() { t.Error("it waits") })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Links come in at once as long as there are places, then in their order.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(2)
		first, second := enter(t, g, at(1)), enter(t, g, at(1))
		var order []int
		for i := range 3 {
			go func() {
				waited := false
				p, err := g.Enter(t.Context(), at(1), func() { waited = true })
				if err != nil || !waited {
					t.Errorf("%v, waited %v", err, waited)
				}
				order = append(order, i)
				p.Leave()
			}()
			synctest.Wait()
		}
		if len(order) > 0 {
			t.Errorf("%v came in where there was no place", order)
		}
		first.Leave()
		first.Leave() // once is enough
		synctest.Wait()
		if !slices.Equal(order, []int{0, 1, 2}) {
			t.Errorf("they came in in the order %v", order)
		}
		second.Leave()
		if len(g.waits)+len(g.queue.servers)+len(g.queue.places) > 0 {
			t.Error("something is left")
		}
	})
}

// A link that is closed while it waits leaves the queue at once.
func TestCancelledWaitLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(1)
		first := enter(t, g, at(1))
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if _, err := g.Enter(ctx, at(1), nil); err != context.Canceled {
				t.Error(err)
			}
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if len(g.waits) > 0 || len(g.queue.servers[0].waiting) > 0 {
			t.Error("it still waits")
		}
		first.Leave()
		enter(t, g, at(1)).Leave()
	})
}

// A place lapses after Silence without a word, and after Turn at the latest. A handshake
// that hears something then takes one again, and waits for it where it has to.
func TestPlacesLapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		g := NewGate(1)
		silent := enter(t, g, at(1))
		other, err := g.Enter(t.Context(), at(2), nil)
		if waited := time.Since(began); err != nil || waited != Silence {
			t.Fatalf("the place of a silent handshake lapsed after %v, %v", waited, err)
		}
		began = time.Now()
		go func() {
			for range 100 { // it hears something all the time
				time.Sleep(Silence / 2)
				if time.Since(began) >= Turn {
					return
				}
				if err := other.Heard(t.Context(), nil); err != nil {
					t.Error(err)
				}
			}
		}()
		if err := silent.Heard(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != Turn {
			t.Errorf("a turn without end lapsed after %v", waited)
		}
		silent.Leave()
		if err := other.Heard(t.Context(), func() { t.Error("it waits for a place that is free") }); err != nil {
			t.Error(err)
		}
		other.Leave()
	})
}

// A place that is not given back by its handshake, whatever it does, is free again.
func TestLostPlacesComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(3)
		for range 3 {
			enter(t, g, at(1))
		}
		time.Sleep(Silence)
		synctest.Wait()
		if len(g.queue.places) > 0 {
			t.Errorf("%d places are still taken", len(g.queue.places))
		}
	})
}

func TestDefaultLimit(t *testing.T) {
	if got, want := NewGate(0).queue.limit, placesPerProcessor*runtime.GOMAXPROCS(0); got != want {
		t.Errorf("%d places, want %d", got, want)
	}
}
