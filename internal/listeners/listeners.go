// Package listeners is what a watch and those whom it tells share: the watch has a
// goroutine for as long as somebody listens, and calls listeners without a lock.
package listeners

import (
	"maps"
	"slices"
	"sync"
)

// Group is who listens. Its zero value is nobody. Its methods may be called from any
// goroutine.
type Group[T any] struct {
	mu  sync.Mutex
	all map[*listener[T]]struct{}
	end func() // ends the watch; nil while nobody listens
}

type listener[T any] struct{ tell func(T) }

// Add has tell called by [Group.Tell]. For the first listener it calls begin, which
// starts the watch and returns what ends it, and waits for that. The function that Add
// returns removes the listener; tell may be under way for the last time meanwhile.
// With the last listener it ends the watch, which has ended on return: so tell must
// not call that function, and whoever calls it must hold no lock that tell takes.
func (g *Group[T]) Add(tell func(T), begin func() (end func())) (remove func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all == nil {
		g.all = map[*listener[T]]struct{}{}
	}
	l := &listener[T]{tell}
	g.all[l] = struct{}{}
	if g.end == nil {
		g.end = begin()
	}
	return func() { g.remove(l) }
}

func (g *Group[T]) remove(l *listener[T]) {
	g.mu.Lock()
	delete(g.all, l)
	if len(g.all) > 0 || g.end == nil {
		g.mu.Unlock()
		return
	}
	end := g.end
	g.end = nil
	g.mu.Unlock()
	end()
}

// Tell calls every listener, without the lock: a listener may take its time, and
// locks of its own.
func (g *Group[T]) Tell(what T) {
	g.mu.Lock()
	all := slices.Collect(maps.Keys(g.all))
	g.mu.Unlock()
	for _, l := range all {
		l.tell(what)
	}
}
