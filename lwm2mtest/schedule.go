package lwm2mtest

import (
	"container/heap"
	"time"
)

// arrival is the end of a packet's way: it returns what is to be done once
// the network's lock is released.
type arrival func() []func()

// wave is the packets that arrive at one instant, which were planned one after the
// other: a flood has hundreds of them, and one place in the queue.
type wave struct {
	at       time.Time
	seq      uint64 // breaks ties, so that equal latency keeps the order
	arrivals []arrival
	gone     int // of arrivals
}

// schedule holds the packets under way, ordered by instant and then by the
// order of sending, on one timer. The network's lock guards it.
type schedule struct {
	run     func() // called, without the lock, when something is due
	queue   waves
	latest  *wave // the one that was planned last, while it is in the queue
	spare   *wave // one that is over
	timer   *time.Timer
	nextSeq uint64
	stopped bool
}

// add plans an arrival. Whatever else arrives at the instant of the latest wave was
// planned before it, or is in it.
func (s *schedule) add(at time.Time, arrive arrival) {
	if s.stopped {
		return
	}
	if s.latest == nil || !s.latest.at.Equal(at) {
		b := s.spare
		if s.spare = nil; b == nil {
			b = &wave{}
		}
		s.nextSeq++
		b.at, b.seq = at, s.nextSeq
		s.latest = b
		heap.Push(&s.queue, b)
	}
	s.latest.arrivals = append(s.latest.arrivals, arrive)
}

// pop removes the first arrival that is due.
func (s *schedule) pop(now time.Time) (arrival, bool) {
	if len(s.queue) == 0 || s.queue[0].at.After(now) {
		return nil, false
	}
	b := s.queue[0]
	arrive := b.arrivals[b.gone]
	b.arrivals[b.gone] = nil
	if b.gone++; b.gone == len(b.arrivals) {
		heap.Pop(&s.queue)
		s.over(b)
	}
	return arrive, true
}

// over keeps a wave for the next one.
func (s *schedule) over(b *wave) {
	if s.latest == b {
		s.latest = nil
	}
	b.arrivals, b.gone = b.arrivals[:0], 0
	s.spare = b
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
	s.queue, s.latest = nil, nil
	if s.timer != nil {
		s.timer.Stop()
	}
}

// waves is the queue, a heap.
type waves []*wave

func (h waves) Len() int { return len(h) }
func (h waves) Less(i, j int) bool {
	a, b := h[i], h[j]
	if a.at.Equal(b.at) {
		return a.seq < b.seq
	}
	return a.at.Before(b.at)
}
func (h waves) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *waves) Push(x any)   { *h = append(*h, x.(*wave)) }
func (h *waves) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
