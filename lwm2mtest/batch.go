package lwm2mtest

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/alarm"
)

// batch collects what is to be done once the server's lock is released:
// sending, which may run a test's hooks, must not happen under it.
type batch struct{ actions []func() }

func (b *batch) add(action func()) { b.actions = append(b.actions, action) }

// locked runs fn under the server's lock and then what it has collected.
func (s *Server) locked(fn func(*batch)) {
	var b batch
	s.mu.Lock()
	fn(&b)
	s.mu.Unlock()
	perform(b.actions)
}

// afterwards runs fn on a goroutine of its own once what the batch has so far is on its
// way: what fn sends comes behind it. The group is told now, as Close may already wait.
// The lock is held.
func (s *Server) afterwards(b *batch, fn func()) {
	s.wg.Add(1)
	b.add(func() {
		go func() {
			defer s.wg.Done()
			fn()
		}()
	})
}

// notify wakes those that await something. The lock is held.
func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// timer is one pending call. It runs only while it is in Server.timers, so
// that one that was stopped too late does nothing.
type timer struct{ t *alarm.Alarm }

// after runs fn under the lock after d, unless it is stopped or the server
// closes before. The lock is held.
func (s *Server) after(d time.Duration, fn func(*batch)) *timer {
	t := &timer{}
	if s.closed {
		return t
	}
	s.timers[t] = struct{}{}
	t.t = alarm.After(d, func() { s.locked(func(b *batch) { s.fire(t, b, fn) }) })
	return t
}

func (s *Server) fire(t *timer, b *batch, fn func(*batch)) {
	if _, live := s.timers[t]; !live {
		return
	}
	delete(s.timers, t)
	fn(b)
}

// stop stops a timer; nil and stopped ones are fine. The lock is held.
func (s *Server) stop(t *timer) {
	if t == nil || t.t == nil {
		return
	}
	t.t.Stop()
	delete(s.timers, t)
}
