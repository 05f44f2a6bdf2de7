package linkwatch

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine is a machine of the tests.
type machine struct {
	mu      sync.Mutex
	state   []any
	broken  error
	looks   []time.Time
	opened  int
	current *wire
}

type wire struct {
	messages chan []any
	closed   chan struct{}
}

func (m *machine) Listen() (Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return nil, m.broken
	}
	m.opened++
	m.current = &wire{make(chan []any), make(chan struct{})}
	return m.current, nil
}

func (m *machine) Look() (*State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.looks = append(m.looks, time.Now())
	if m.broken != nil {
		return nil, m.broken
	}
	return stateOf(m.state...), nil
}

// pass lets time pass, and everything happen that happens then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

var errCut = errors.New("cut")

func (w *wire) Receive() ([]any, error) {
	select {
	case messages := <-w.messages:
		if messages == nil {
			return nil, errCut
		}
		return messages, nil
	case <-w.closed:
		return nil, errCut
	}
}

func (w *wire) Close() { close(w.closed) }

// becomes changes the machine, which says so by messages.
func (m *machine) becomes(state []any, messages ...any) {
	m.mu.Lock()
	m.state = state
	current := m.current
	m.mu.Unlock()
	current.messages <- messages
}

// ear of the tests.
type heard struct {
	mu  sync.Mutex
	all []Change
	at  []time.Time
}

func (h *heard) tell(c Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all, h.at = append(h.all, c), append(h.at, time.Now())
}

func TestWatchTellsWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{state: []any{eth0, ethAddr}}
		w, h := New(m), &heard{}
		remove := w.Add(h.tell)
		pass(time.Minute)
		if len(h.all) != 1 || !h.all[0].First || h.all[0].Now.Named("eth0") == nil {
			t.Fatalf("at first: %+v", h.all)
		}
		began := time.Now()
		m.becomes([]any{eth0, ethAddr, ethRoute}, ethRoute)
		m.becomes([]any{eth0, ethAddr, ethRoute}, ethRoute) // no news
		pass(time.Minute)
		if len(h.all) != 2 || h.all[1].First || !h.all[1].Now.Gains(h.all[1].Before) || h.at[1] != began.Add(settle) {
			t.Fatalf("a route: %+v at %v", h.all[1:], h.at)
		}
		// What comes to nothing is told to nobody, and what the kernel says without need asks for no look.
		looks := len(m.looks)
		m.becomes([]any{eth0, ethAddr, ethRoute}, wwan0)
		pass(time.Minute)
		m.becomes([]any{eth0, ethAddr, ethRoute}, ethAddr)
		pass(time.Minute)
		if len(h.all) != 2 || len(m.looks) != looks+1 {
			t.Fatalf("%d told, %d looks", len(h.all), len(m.looks)-looks)
		}
		remove()
		remove()
		if _, open := <-m.current.closed; open {
			t.Error("the listener is open")
		}
	})
}

// A machine that changes all the time is looked at once in a while.
func TestWatchIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{state: []any{eth0}}
		w, h := New(m), &heard{}
		defer w.Add(h.tell)()
		pass(time.Minute)
		began, looks := time.Now(), len(m.looks)
		for i := range 1000 {
			up := eth0
			up.Running = i%2 == 0
			m.becomes([]any{up}, up)
			pass(10 * time.Millisecond)
		}
		if n, most := len(m.looks)-looks, int(time.Since(began)/rest)+1; n > most {
			t.Errorf("%d looks in %v", n, time.Since(began))
		}
	})
}

// One that cannot be watched is tried again, and one whose listener ends is listened to anew.
func TestWatchGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{broken: errCut}
		w, h := New(m), &heard{}
		defer w.Add(h.tell)()
		pass(10 * time.Second)
		if len(h.all) != 1 || !errors.Is(h.all[0].Err, errCut) || h.all[0].First {
			t.Fatalf("%+v", h.all)
		}
		m.mu.Lock()
		m.broken, m.state = nil, []any{eth0}
		m.mu.Unlock()
		pass(longestRest)
		if len(h.all) != 2 || h.all[1].Err != nil || !h.all[1].First {
			t.Fatalf("%+v", h.all)
		}
		m.current.messages <- nil
		pass(time.Second)
		if m.opened != 2 {
			t.Errorf("opened %d times", m.opened)
		}
		m.becomes(nil, Interrupted{})
		pass(2 * time.Second)
		if len(h.all) != 3 || len(h.all[2].Now) != 0 {
			t.Errorf("%+v", h.all)
		}
	})
}

// Ten thousand clients share one descriptor, and do not begin at the same instant; each is
// told all that it does not know, and no more.
func TestWatchSpreadsItsListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const crowd = 10_000
		m := &machine{state: []any{eth0}}
		w, all := New(m), make([]heard, crowd)
		var removes []func()
		for i := range all {
			removes = append(removes, w.Add(all[i].tell))
		}
		pass(time.Minute)
		m.becomes([]any{eth0, ethAddr}, ethAddr)
		pass(2 * time.Second)
		m.becomes([]any{eth0, ethAddr, wwan0}, wwan0) // before all have been told of the one before
		pass(time.Minute)
		var at []time.Time
		for i := range all {
			h := &all[i]
			last := h.all[len(h.all)-1]
			if last.Now.Named("wwan0") == nil || len(h.all) > 3 || !h.all[1].Before.Equal(stateOf(eth0).View()) {
				t.Fatalf("%d: %+v", i, h.all)
			}
			at = append(at, h.at[1:]...)
		}
		slices.SortFunc(at, time.Time.Compare)
		for i := batch; i < len(at); i++ {
			if at[i].Sub(at[i-batch]) < spread {
				t.Fatalf("more than %d within %v", batch, spread)
			}
		}
		if m.opened != 1 {
			t.Errorf("%d descriptors", m.opened)
		}
		for _, remove := range removes {
			remove()
		}
	})
}

// Who comes later is told what there is, and who leaves is told nothing more.
func TestWatchListenersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{state: []any{eth0}}
		w, first, second := New(m), &heard{}, &heard{}
		removeFirst := w.Add(first.tell)
		pass(time.Minute)
		removeSecond := w.Add(second.tell)
		synctest.Wait()
		if len(second.all) != 1 || !second.all[0].First || len(m.looks) != 1 {
			t.Fatalf("%+v, %d looks", second.all, len(m.looks))
		}
		removeFirst()
		m.becomes(nil, Interrupted{})
		pass(time.Minute)
		if len(first.all) != 1 || len(second.all) != 2 {
			t.Errorf("%d and %d", len(first.all), len(second.all))
		}
		removeSecond()
		defer w.Add(first.tell)()
		synctest.Wait()
		if m.opened != 2 || len(first.all) != 2 {
			t.Errorf("opened %d times, told %d", m.opened, len(first.all))
		}
	})
}

// What is gone for a moment only, and was not seen by a look, has made others fail all the
// same.
func TestWatchTellsWhatWasGoneForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := []any{eth0, ethAddr, ethRoute, Link{Index: 9, Name: "veth", Up: true, Running: true}}
		m := &machine{state: all}
		w, h := New(m), &heard{}
		defer w.Add(h.tell)()
		pass(time.Minute)
		down := eth0
		down.Running = false
		goneRoute := ethRoute
		goneRoute.Gone = true
		for i, loss := range []struct{ gone, back any }{{down, eth0}, {goneRoute, ethRoute}} {
			m.becomes(all, loss.gone, loss.back)
			pass(time.Minute)
			if c := h.all[len(h.all)-1]; len(h.all) != i+2 || !c.Dipped || !c.Now.Equal(c.Before) {
				t.Fatalf("%+v", h.all[1:])
			}
		}
		m.becomes(all, Link{Index: 9, Name: "veth", Gone: true}) // which reaches nobody
		pass(time.Minute)
		m.becomes([]any{eth0, ethAddr}, goneRoute) // which stays gone
		pass(time.Minute)
		if c := h.all[len(h.all)-1]; len(h.all) != 4 || c.Dipped {
			t.Fatalf("%+v", h.all[3:])
		}
	})
}

// Who asks for changes only is told of them, and not of what there is when he comes.
func TestWatchForChangesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{state: []any{eth0, ethAddr}}
		w, h := New(m), &heard{}
		defer w.AddForChanges(h.tell)()
		pass(time.Minute)
		if len(h.all) != 0 {
			t.Fatalf("at first: %+v", h.all)
		}
		m.becomes([]any{eth0, ethAddr, ethRoute}, ethRoute)
		pass(time.Minute)
		if len(h.all) != 1 || h.all[0].First || !h.all[0].Now.Gains(h.all[0].Before) {
			t.Fatalf("a route: %+v", h.all)
		}
	})
}
