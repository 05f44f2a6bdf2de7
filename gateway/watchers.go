package gateway

import (
	"sync"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// watchers are those who have asked to be told of changes.
type watchers struct {
	mu    sync.Mutex
	next  int
	asked map[int]func(lwm2m.Path)
}

// watch implements object.Watcher. The lock is held while watchers are told, so that
// none is after stop has returned.
func (w *watchers) watch(changed func(lwm2m.Path)) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked == nil {
		w.asked = map[int]func(lwm2m.Path){}
	}
	n := w.next
	w.next++
	w.asked[n] = changed
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.asked, n)
	}
}

func (w *watchers) tell(path lwm2m.Path) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, changed := range w.asked {
		changed(path)
	}
}
