package management

import (
	"slices"
	"sync"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// told is a shelf that tells of changes.
type told struct {
	*shelf
	changed func(lwm2m.Path)
	stopped bool
	panics  bool
}

func (w *told) Watch(changed func(lwm2m.Path)) (stop func()) {
	if w.panics {
		panic("no watching")
	}
	w.changed = changed
	changed(lwm2m.PathOf(w.id, 0, 0)) // also during Watch
	return func() { w.stopped = true }
}

func paths(texts ...string) (all []lwm2m.Path) {
	for _, text := range texts {
		p, err := lwm2m.ParsePath(text)
		if err != nil {
			panic(err)
		}
		all = append(all, p)
	}
	return all
}

// Changes are taken once, sorted, without what a wider one says already; the actor is
// woken once for all of them.
func TestChangesAreCollected(t *testing.T) {
	w, woken := &told{shelf: newShelf(4000, 0)}, 0
	changes, stop := watch([]object.Object{w, newShelf(4001)}, func() { woken++ }, nil)
	w.changed(lwm2m.PathOf(4000, 7))
	w.changed(lwm2m.PathOf(4000, 7, 1))
	w.changed(lwm2m.PathOf(4000, 0, 2, 5))
	w.changed(lwm2m.PathOf(4000, 0, 0))
	if got := changes.take(); !slices.Equal(got, paths("/4000/0/0", "/4000/0/2", "/4000/7")) || woken != 1 {
		t.Errorf("%v, woken %d times", got, woken)
	}
	w.changed(lwm2m.PathOf(3303, 0, 0)) // of which it knows nothing
	w.changed(lwm2m.PathOf(4000, 0, 0))
	if got := changes.take(); !slices.Equal(got, paths("/4000")) || woken != 2 {
		t.Errorf("%v, woken %d times", got, woken)
	}
	stop()
	w.changed(lwm2m.PathOf(4000, 0, 0))
	if got := changes.take(); len(got) > 0 || woken != 2 || !w.stopped {
		t.Errorf("after the end: %v, woken %d times", got, woken)
	}
}

// However much changes, what is remembered has a bound, and nothing is forgotten.
func TestChangesAreBounded(t *testing.T) {
	changes := &dirty{paths: map[lwm2m.Path]struct{}{}, wake: func() {}}
	for res := range uint16(dirtyBound) {
		changes.add(lwm2m.PathOf(4000, 0, res))
	}
	changes.add(lwm2m.PathOf(4001, 3, 9))
	if got := changes.take(); !slices.Equal(got, paths("/4000/0", "/4001/3")) {
		t.Errorf("instances: %v", got)
	}
	for inst := range uint16(dirtyBound) {
		changes.add(lwm2m.PathOf(4000, inst, 1))
	}
	changes.add(lwm2m.PathOf(4001, 3, 9))
	if got := changes.take(); !slices.Equal(got, paths("/4000", "/4001")) {
		t.Errorf("objects: %d paths", len(got))
	}
}

// Objects tell from any goroutine.
func TestChangesFromManyGoroutines(t *testing.T) {
	woken := make(chan struct{}, 1000)
	changes := &dirty{paths: map[lwm2m.Path]struct{}{}, wake: func() { woken <- struct{}{} }}
	var all sync.WaitGroup
	for g := range uint16(8) {
		all.Go(func() {
			for res := range uint16(100) {
				changes.add(lwm2m.PathOf(4000, g, res))
			}
		})
	}
	seen := map[lwm2m.Path]bool{}
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		for range woken {
			for _, path := range changes.take() {
				seen[path] = true
			}
		}
	}()
	all.Wait()
	close(woken)
	<-taken
	if len(seen) != 800 {
		t.Errorf("%d of 800 changes came", len(seen))
	}
}

// An object that panics in Watch is not watched; the others are.
func TestWatchThatPanics(t *testing.T) {
	bad, good := &told{shelf: newShelf(4000), panics: true}, &told{shelf: newShelf(4001)}
	var faults []Fault
	_, stop := watch([]object.Object{bad, good}, func() {}, func(f Fault) { faults = append(faults, f) })
	stop()
	if len(faults) != 1 || good.changed == nil || !good.stopped {
		t.Errorf("%v, the other is watched: %v", faults, good.changed != nil)
	}
}

// Instances that come or go are a matter of the registration; values are not.
func TestInstancesThatComeAndGo(t *testing.T) {
	m := withObjects(newShelf(4000))
	if effects := m.Step(now, Changed{Paths: paths("/4000/0", "/4000/1/2")}); len(effects) > 0 {
		t.Errorf("values: %v", effects)
	}
	want := core.Tell{To: core.Supervisor, Message: messages.InstancesChanged{}}
	if effects := m.Step(now, Changed{Paths: paths("/4000", "/4001")}); len(effects) != 1 || effects[0] != want {
		t.Errorf("instances: %v", effects)
	}
}
