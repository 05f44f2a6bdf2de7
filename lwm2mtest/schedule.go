package lwm2mtest

import (
	"container/heap"
	"time"
)

// arrival is the end of a packet's way: it returns what is to be done once
// the network's lock is released.
type arrival func() []func()

// scheduled is one packet under way.
type scheduled struct {
	at     time.Time
	seq    uint64 // breaks ties, so that equal latency keeps the order
	arrive arrival
}

// schedule holds the packets under way, ordered by instant and then by the
// order of sending, on one timer. The network's lock guards it.
type schedule struct {
	run     func() // called, without the lock, when something is due
	queue   scheduledHeap
	timer   *time.Timer
	nextSeq uint64
	stopped bool
}

// add plans an arrival.
func (s *schedule) add(at time.Time, arrive arrival) {
	if s.stopped {
		return
	}
	s.nextSeq++
	heap.Push(&s.queue, scheduled{at: at, seq: s.nextSeq, arrive: arrive})
}

// pop removes the first arrival that is due.
func (s *schedule) pop(now time.Time) (arrival, bool) {
	if len(s.queue) == 0 || s.queue[0].at.After(now) {
		return nil, false
	}
	return heap.Pop(&s.queue).(scheduled).arrive, true
}

// arm sets the timer to the next arrival, once pop has taken all that are due:
// the timer is never due when it is set (see package alarm).
func (s *schedule) arm(now time.Time) {
	if len(s.queue) == 0 || s.stopped {
		return
	}
	wait := s.queue[0].at.Sub(now)
	if s.timer == nil {
		s.timer = time.AfterFunc(wait, s.run)
		return
	}
	s.timer.Reset(wait)
}

// stop forgets everything, for good.
func (s *schedule) stop() {
	s.stopped = true
	s.queue = nil
	if s.timer != nil {
		s.timer.Stop()
	}
}

type scheduledHeap []scheduled

func (h scheduledHeap) Len() int { return len(h) }
func (h scheduledHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}
func (h scheduledHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *scheduledHeap) Push(x any)   { *h = append(*h, x.(scheduled)) }
func (h *scheduledHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = scheduled{}
	*h = old[:len(old)-1]
	return last
}
