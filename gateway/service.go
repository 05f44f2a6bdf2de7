package gateway

import (
	"context"
	"errors"
	"time"
)

const (
	// patience is how long a service has to answer, from the connection to the last
	// word. It is a part of what a server's request has.
	patience = 2 * time.Second
	// fresh is how long an answer counts: the resources of one interval of observation
	// share one.
	fresh = sampleNetwork / 2
	// respite is how long a service that has not answered in time is left alone, so
	// that one that hangs does not make every Read late.
	respite = 30 * time.Second
)

// errSlow is why a question ends that was not answered in time, unlike one that nobody
// wants to be answered any more.
var errSlow = errors.New("no answer in time")

// service is a program of the machine that is asked for something, and may answer late
// or never. Nothing of it remains between two questions but the answer: no connection,
// no goroutine and no timer. Safe for concurrent use.
type service[T any] struct {
	ask   func(context.Context) T
	turn  chan struct{} // who asks; the others wait for the answer
	last  T
	until time.Time // the last answer counts
}

func newService[T any](ask func(context.Context) T) *service[T] {
	return &service[T]{ask: ask, turn: make(chan struct{}, 1)}
}

// get returns the answer; nothing where there is none.
func (s *service[T]) get(ctx context.Context) (none T) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return none
	}
	if time.Now().Before(s.until) {
		return s.last
	}
	began := time.Now()
	within, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	answer := s.ask(within)
	if gaveUp(ctx) {
		return answer // cut short by who asked, which says nothing of the service
	}
	s.last, s.until = answer, time.Now().Add(fresh)
	if time.Since(began) >= patience {
		s.until = time.Now().Add(respite)
	}
	return answer
}

// gaveUp reports whether who asked has given up. A connection with the deadline of a context
// may fail just before the context itself has ended.
func gaveUp(ctx context.Context) bool {
	deadline, has := ctx.Deadline()
	return ctx.Err() != nil || has && !time.Now().Before(deadline)
}
