package object

import (
	"slices"
	"sync"
	"sync/atomic"
)

// table holds the instances of an object. Readers take no lock: every change makes
// new slices.
type table[E any] struct {
	mu   sync.Mutex // one change at a time
	rows atomic.Pointer[rows[E]]
}

// rows are the instances that are there, sorted by ID. They never change.
type rows[E any] struct {
	ids      []uint16
	elements []E
}

func (t *table[E]) now() rows[E] {
	if r := t.rows.Load(); r != nil {
		return *r
	}
	return rows[E]{}
}

func (t *table[E]) find(id uint16) (e E, found bool) {
	r := t.now()
	at, found := slices.BinarySearch(r.ids, id)
	if found {
		e = r.elements[at]
	}
	return e, found
}

// add puts an instance in, and reports whether its ID was free.
func (t *table[E]) add(id uint16, e E) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.now()
	at, found := slices.BinarySearch(r.ids, id)
	if found {
		return false
	}
	t.rows.Store(&rows[E]{
		ids:      slices.Concat(r.ids[:at], []uint16{id}, r.ids[at:]),
		elements: slices.Concat(r.elements[:at], []E{e}, r.elements[at:]),
	})
	return true
}

// remove takes an instance out, and returns it where it was there.
func (t *table[E]) remove(id uint16) (e E, found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.now()
	at, found := slices.BinarySearch(r.ids, id)
	if !found {
		return e, false
	}
	e = r.elements[at]
	t.rows.Store(&rows[E]{
		ids:      slices.Concat(r.ids[:at], r.ids[at+1:]),
		elements: slices.Concat(r.elements[:at], r.elements[at+1:]),
	})
	return e, true
}
