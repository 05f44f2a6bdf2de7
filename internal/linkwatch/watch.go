package linkwatch

import (
	"slices"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/internal/alarm"
)

// How listeners are told: so many at a time, and so long until the next ones. Ten thousand
// clients of a process do not begin at the same instant.
const (
	batch  = 64
	spread = 50 * time.Millisecond
)

// Source is where a [Watch] learns of changes. Its methods are called by one goroutine at
// a time.
type Source interface {
	// Listen opens what tells of changes from now on.
	Listen() (Listener, error)
	// Look asks for everything there is. It does not wait for long.
	Look() (*State, error)
}

// Listener tells of changes until it is closed.
type Listener interface {
	// Receive waits for messages as [Decode] hands them over. Messages that were lost are
	// an [Interrupted]. An error ends the listener.
	Receive() ([]any, error)
	// Close ends a Receive that waits, and may be called by any goroutine.
	Close()
}

// Watch tells listeners what the machine can reach others by. Its methods may be called
// from any goroutine.
type Watch struct {
	source Source

	mu    sync.Mutex
	ears  []*ear
	fresh []*ear // those of them that the goroutine has not seen yet
	end   func() // ends the goroutines; nil while nobody listens
	come  chan struct{}
}

// ear is a listener. All but gone is the watch's goroutine's alone.
type ear struct {
	tell  func(Change)
	told  View
	dips  int  // of the watch, when it was told
	any   bool // it has been told a view
	err   error
	queue bool // it waits for its turn
	quiet bool // it is not told what there is to begin with

	gone bool // mu guards it
}

// Machine is the Watch of this machine. A process needs no other: clients that have nothing
// else in common share its descriptor.
var Machine = New(system{})

// New returns a Watch of a source.
func New(source Source) *Watch { return &Watch{source: source, come: make(chan struct{}, 1)} }

// Add has tell called with what the machine can reach others by, soon and whenever that
// changes: on the watch's goroutine, so it must not wait. The function that Add returns ends
// that; tell may be under way for the last time meanwhile. When it was the last listener, no
// goroutine is left on return: so tell must not call that function, and whoever calls it must
// hold no lock that tell takes.
func (w *Watch) Add(tell func(Change)) (remove func()) { return w.add(&ear{tell: tell}) }

// AddForChanges is Add for who is only to be told of changes, and not of what there is to
// begin with.
func (w *Watch) AddForChanges(tell func(Change)) (remove func()) {
	return w.add(&ear{tell: tell, quiet: true})
}

func (w *Watch) add(e *ear) (remove func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ears, w.fresh = append(w.ears, e), append(w.fresh, e)
	if w.end == nil {
		w.end = w.begin()
	}
	wake(w.come)
	return func() { w.remove(e) } // a second time it finds nothing
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (w *Watch) begin() (end func()) {
	r := &run{watch: w, stop: make(chan struct{}), signs: make(chan sign), due: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.serve()
	}()
	return func() {
		close(r.stop)
		<-stopped
	}
}

func (w *Watch) remove(e *ear) {
	w.mu.Lock()
	e.gone = true
	w.ears = slices.DeleteFunc(w.ears, func(other *ear) bool { return other == e })
	if len(w.ears) > 0 || w.end == nil {
		w.mu.Unlock()
		return
	}
	end := w.end
	w.end = nil
	w.mu.Unlock()
	end()
}

// run is a watch for as long as somebody listens.
type run struct {
	watch *Watch
	stop  chan struct{}
	signs chan sign
	due   chan struct{} // the machine is to be looked at
	turn  chan struct{} // the next listeners are to be told

	listener Listener // nil while it has to be opened
	reading  sync.WaitGroup

	state *State
	view  View
	known bool  // there is a view
	err   error // why there is no newer one
	lost  []int // interfaces of which something has gone since the last look
	dips  int   // how often one had lost something for a moment

	pace  pace
	look  *alarm.Alarm
	next  *alarm.Alarm // of turn; nil while nobody waits for it
	queue []*ear
}

// sign is what a listener has received.
type sign struct {
	messages []any
	err      error
}

func (r *run) serve() {
	defer r.close()
	r.state = &State{}
	r.lookNow()
	for {
		select {
		case <-r.stop:
			return
		case s := <-r.signs:
			r.received(s)
		case <-r.due:
			r.lookNow()
		case <-r.watch.come:
			r.welcome()
		case <-r.turn:
			r.next = nil
		}
		r.tell()
	}
}

func (r *run) close() {
	for _, a := range []*alarm.Alarm{r.look, r.next} {
		if a != nil {
			a.Stop()
		}
	}
	r.hangUp()
}

// hangUp closes the listener, and returns when its goroutine has ended.
func (r *run) hangUp() {
	if r.listener != nil {
		r.listener.Close()
		r.listener = nil
		r.reading.Wait()
	}
}

// received weighs what a listener has received.
func (r *run) received(s sign) {
	changed := s.err != nil
	for _, m := range s.messages {
		if r.state.Apply(m) {
			changed, r.lost = true, append(r.lost, lossOf(m)...)
		}
	}
	if s.err != nil {
		r.hangUp()
	}
	if changed {
		r.pace.stir(time.Now())
		r.arm()
	}
}

// arm has the machine looked at when that is due.
func (r *run) arm() {
	if r.look != nil {
		r.look.Stop()
	}
	r.look = alarm.After(time.Until(r.pace.due), func() { wake(r.due) })
}

// lookNow looks at the machine, and has everybody told who does not know what is there.
func (r *run) lookNow() {
	state, err := r.ask()
	r.err = err
	if err == nil {
		view := state.View()
		if view.Recovers(r.view, r.lost) {
			r.dips++
		}
		r.state, r.view, r.known, r.lost = state, view, true, nil
	}
	r.pace.done(time.Now(), err == nil)
	if !r.pace.due.IsZero() {
		r.arm()
	}
	r.welcome()
	r.enqueue()
}

func (r *run) ask() (*State, error) {
	if r.listener == nil {
		listener, err := r.watch.source.Listen()
		if err != nil {
			return nil, err
		}
		r.listener = listener
		r.reading.Go(func() { r.read(listener) })
	}
	return r.watch.source.Look()
}

// read hands over what a listener receives, until that is closed.
func (r *run) read(l Listener) {
	for {
		messages, err := l.Receive()
		select {
		case r.signs <- sign{messages, err}:
		case <-r.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// enqueue lines up who has something to be told.
func (r *run) enqueue() {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	for _, e := range r.watch.ears {
		r.lineUp(e)
	}
}

func (r *run) lineUp(e *ear) {
	if !e.queue && r.news(e) {
		e.queue = true
		r.queue = append(r.queue, e)
	}
}

// welcome looks at who has come since. Ten thousand that come do not have each other looked at.
func (r *run) welcome() {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	for _, e := range r.watch.fresh {
		if e.gone {
			continue
		}
		if e.quiet && r.known && r.err == nil {
			e.told, e.dips, e.any = r.view, r.dips, true
		}
		r.lineUp(e)
	}
	r.watch.fresh = nil
}

func (r *run) news(e *ear) bool {
	return (e.err == nil) != (r.err == nil) || r.known && (!e.any || e.dips != r.dips || !e.told.Equal(r.view))
}

// tell tells the first in the line, unless it is not their turn yet.
func (r *run) tell() {
	if r.next != nil {
		return
	}
	for range min(batch, len(r.queue)) {
		e := r.queue[0]
		r.queue = r.queue[1:]
		r.tellOne(e)
	}
	if len(r.queue) > 0 {
		r.next = alarm.After(spread, func() { wake(r.turn) })
	}
}

func (r *run) tellOne(e *ear) {
	e.queue = false
	r.watch.mu.Lock()
	gone := e.gone
	r.watch.mu.Unlock()
	if gone || !r.news(e) {
		return
	}
	c := Change{Now: r.view, Before: e.told, First: !e.any && r.known, Dipped: e.any && e.dips != r.dips, Err: r.err}
	e.told, e.dips, e.any, e.err = r.view, r.dips, r.known, r.err
	e.tell(c)
}
