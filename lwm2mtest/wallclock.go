package lwm2mtest

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/internal/option"
)

// WallClock is a wall clock that a test sets, for a client that begins in 1970 and
// is told the time later. It goes on with the monotonic clock, which runs as ever.
// Its methods may be called from any goroutine.
type WallClock struct {
	mu        sync.Mutex
	ahead     time.Duration // of the process's own wall clock
	listeners map[*clockListener]struct{}
}

type clockListener struct{ tell func() }

// NewWallClock returns a clock that shows an instant now.
func NewWallClock(shows time.Time) *WallClock {
	return &WallClock{ahead: time.Until(shows.Round(0)), listeners: map[*clockListener]struct{}{}}
}

// WithWallClock has a client judge certificates by a clock. Its events, and what it
// stores, have the time of the process.
func WithWallClock(c *WallClock) Option {
	return func(s *option.Settings) { s.Wall, s.Steps = c.at, c.listen }
}

// Now returns what the clock shows.
func (c *WallClock) Now() time.Time { return c.at(time.Now()) }

// Set sets the clock, and tells the clients, as the operating system does.
func (c *WallClock) Set(shows time.Time) {
	c.mu.Lock()
	c.ahead = time.Until(shows.Round(0))
	listeners := slices.Collect(maps.Keys(c.listeners))
	c.mu.Unlock()
	for _, l := range listeners {
		l.tell()
	}
}

func (c *WallClock) at(instant time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return instant.Round(0).Add(c.ahead)
}

func (c *WallClock) listen(tell func()) (remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &clockListener{tell}
	c.listeners[l] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.listeners, l)
	}
}
