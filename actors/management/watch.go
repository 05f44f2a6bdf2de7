package management

import (
	"slices"
	"sync"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// Changed says that objects of the application have changed: resources, all that is
// below instances, or, for a path of one segment, all that is below an object, and which
// instances it has. Shell to machine.
type Changed struct{ Paths []lwm2m.Path }

// dirtyBound is how many changed resources are remembered one by one until the actor
// comes to them.
const dirtyBound = 1024

// dirty collects what objects of the application say has changed, on any goroutine and
// without blocking, until the actor takes it. It is bounded: of more than dirtyBound
// paths only the instances are remembered, and of more than that the objects.
type dirty struct {
	mu     sync.Mutex
	paths  map[lwm2m.Path]struct{}
	closed bool
	wake   func() // is called when there is something to take again
}

// add takes a path that has changed. One that is below none of an object's instances is
// the object.
func (d *dirty) add(path lwm2m.Path) {
	if d.note(path.Prefix(3)) {
		d.wake()
	}
}

// note reports whether the actor has to be woken.
func (d *dirty) note(path lwm2m.Path) (wake bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.has(path.Prefix(1)) || d.has(path.Prefix(2)) {
		return false
	}
	wake = len(d.paths) == 0
	d.paths[path] = struct{}{}
	for n := 2; n > 0 && len(d.paths) > dirtyBound; n-- {
		d.collapse(n)
	}
	return wake
}

func (d *dirty) has(path lwm2m.Path) bool {
	_, found := d.paths[path]
	return found
}

// collapse cuts the paths to so many segments.
func (d *dirty) collapse(segments int) {
	short := make(map[lwm2m.Path]struct{}, len(d.paths))
	for path := range d.paths {
		short[path.Prefix(segments)] = struct{}{}
	}
	d.paths = short
}

// take returns what has changed since it was last called, sorted.
func (d *dirty) take() (paths []lwm2m.Path) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path := range d.paths {
		paths = append(paths, path)
	}
	clear(d.paths)
	slices.SortFunc(paths, lwm2m.Path.Compare)
	return paths
}

// close makes sure that nobody is woken any more.
func (d *dirty) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed, d.paths = true, nil
}

// watch watches the objects that tell of changes, until stop is called. What panics is
// reported, and not watched.
func watch(objects []object.Object, wake func(), report func(Fault)) (changes *dirty, stop func()) {
	changes = &dirty{paths: map[lwm2m.Path]struct{}{}, wake: wake}
	var stops []func()
	for _, o := range objects {
		if w, is := o.(object.Watcher); is {
			stops = append(stops, watchOne(w, o.Definition().ID, changes, report))
		}
	}
	return changes, func() {
		changes.close()
		for _, stop := range stops {
			stop()
		}
	}
}

// watchOne watches an object. What it says of others is taken as a change of itself.
func watchOne(w object.Watcher, id uint16, changes *dirty, report func(Fault)) (stop func()) {
	self := lwm2m.PathOf(id)
	var end func()
	shielded(self, report, func() {
		end = w.Watch(func(path lwm2m.Path) {
			if !self.Contains(path) {
				path = self
			}
			changes.add(path)
		})
	})
	return func() { shielded(self, report, end) }
}

// shielded calls what belongs to the object at path; nil does nothing.
func shielded(path lwm2m.Path, report func(Fault), call func()) {
	defer func() {
		if reason := recover(); reason != nil {
			report(panicked(path, reason))
		}
	}()
	if call != nil {
		call()
	}
}
