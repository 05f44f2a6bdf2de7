package reporting

import (
	"container/heap"
	"time"
)

// Schedule notes when an observation of the set is due next, in place of what was
// noted before.
func (s *Set) Schedule(o *Observation, at time.Time) {
	o.at = at
	if o.index < 0 {
		heap.Push(&s.agenda, o)
		return
	}
	heap.Fix(&s.agenda, o.index)
}

// Suspend takes an observation from the agenda: it is not due until it is scheduled
// again.
func (s *Set) Suspend(o *Observation) { s.agenda.remove(o) }

// Next returns when the first of the observations is due; false when none will be.
func (s *Set) Next() (time.Time, bool) {
	if len(s.agenda) == 0 {
		return time.Time{}, false
	}
	return s.agenda[0].at, true
}

// Due takes an observation that is due from the agenda and returns it, the first one
// first and of those the oldest; nil when none is.
func (s *Set) Due(now time.Time) *Observation {
	if len(s.agenda) == 0 || s.agenda[0].at.After(now) {
		return nil
	}
	return heap.Pop(&s.agenda).(*Observation)
}

// agenda is a heap of observations, that which is due first at the front, so that one
// timer serves them all.
type agenda []*Observation

func (a *agenda) remove(o *Observation) {
	if o.index >= 0 {
		heap.Remove(a, o.index)
	}
}

// Len implements heap.Interface.
func (a agenda) Len() int { return len(a) }

// Less implements heap.Interface.
func (a agenda) Less(i, j int) bool {
	if a[i].at.Equal(a[j].at) {
		return a[i].ID < a[j].ID
	}
	return a[i].at.Before(a[j].at)
}

// Swap implements heap.Interface.
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

// Push implements heap.Interface.
func (a *agenda) Push(x any) {
	o := x.(*Observation)
	o.index = len(*a)
	*a = append(*a, o)
}

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	o := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	o.index = -1
	return o
}
