package object

import (
	"slices"
	"sync"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Watchers are those who watch an object. Embedded in a type it makes that a
// [Watcher]. The zero value has none; it must not be copied once in use.
type Watchers struct {
	mu      sync.RWMutex
	changed []*func(lwm2m.Path)
}

// Watch adds a watcher, as [Watcher] says. stop waits for calls under way, so that
// it must not be called from changed.
func (w *Watchers) Watch(changed func(lwm2m.Path)) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	entry := &changed
	w.changed = append(w.changed, entry)
	return func() { w.drop(entry) }
}

func (w *Watchers) drop(entry *func(lwm2m.Path)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = slices.DeleteFunc(w.changed, func(e *func(lwm2m.Path)) bool { return e == entry })
}

// Tell tells every watcher of a change, before it returns.
func (w *Watchers) Tell(path lwm2m.Path) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, changed := range w.changed {
		(*changed)(path)
	}
}

// tellResources tells of resources of one instance.
func (w *Watchers) tellResources(instance lwm2m.Path, ids []uint16) {
	for _, id := range ids {
		w.Tell(instance.Child(id))
	}
}
