package actorkit

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Expired is the message that a due timer sends to its actor.
type Expired struct {
	// Key names the timer.
	Key any
	// Generation is the number of the Set that armed it.
	Generation uint64

	owner *Timers
}

// Timers are the named one-shot timers of one incarnation of an actor. Each
// Set begins a new generation, so that a tick which was already in the mailbox
// when its timer was stopped, set again, or left behind by an earlier
// incarnation is known to be stale. They hold no goroutine.
//
// All methods belong to the actor's goroutine.
type Timers struct {
	system     *actor.ActorSystem
	self       *actor.PID
	generation uint64
	armed      []armedTimer // a handful: a map of them would take five times the room
}

type armedTimer struct {
	key        any
	timer      *time.Timer // nil when Expired was sent at once
	generation uint64
}

func (t armedTimer) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// NewTimers returns the timers of the actor self.
func NewTimers(system *actor.ActorSystem, self *actor.PID) *Timers {
	return &Timers{system: system, self: self}
}

// Set arms the timer key, replacing one of the same name: after d, Expired is
// sent to the actor. When d is not positive it is sent now: it comes after what
// is in the mailbox already, and Stop makes it stale like any other. The key must
// be comparable.
func (t *Timers) Set(key any, d time.Duration) {
	t.Stop(key)
	t.generation++
	expired := Expired{Key: key, Generation: t.generation, owner: t}
	t.armed = append(t.armed, armedTimer{key: key, timer: t.send(d, expired), generation: t.generation})
}

// send sends expired after d. Without a delay there is no timer: see package
// alarm. The mailbox takes it without blocking.
func (t *Timers) send(d time.Duration, expired Expired) *time.Timer {
	if d <= 0 {
		t.system.Root.Send(t.self, expired)
		return nil
	}
	return time.AfterFunc(d, func() { t.system.Root.Send(t.self, expired) })
}

// Stop disarms the timer key, if it is armed. An Expired that is already on
// its way will not be fresh.
func (t *Timers) Stop(key any) {
	if at := t.index(key); at >= 0 {
		t.armed[at].stop()
		t.disarm(at)
	}
}

// index returns where the timer key is, -1 when it is not armed.
func (t *Timers) index(key any) int {
	return slices.IndexFunc(t.armed, func(a armedTimer) bool { return a.key == key })
}

func (t *Timers) disarm(at int) { t.armed = slices.Delete(t.armed, at, at+1) }

// StopAll disarms all timers.
func (t *Timers) StopAll() {
	for _, armed := range t.armed {
		armed.stop()
	}
	t.armed = nil
}

// Fresh reports whether the expiry belongs to the current generation of its
// timer. It is true at most once per Set.
func (t *Timers) Fresh(expired Expired) bool {
	at := t.index(expired.Key)
	if at < 0 || expired.owner != t || t.armed[at].generation != expired.Generation {
		return false
	}
	t.disarm(at)
	return true
}

// Len returns the number of armed timers.
func (t *Timers) Len() int { return len(t.armed) }
