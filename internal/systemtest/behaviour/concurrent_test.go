package behaviour_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Every call from many goroutines at once, and Close among them: each returns
// nil or says that it is not allowed, one Close does the work, and nothing is
// left.
func TestConcurrentCallers(t *testing.T) {
	for _, registered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
			defer w.Close()
			if registered {
				w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
			}
			c := w.Start(w.NoSec())
			if registered {
				c.WaitFor(holdfast.Registered)
			}
			callers := concurrentCalls(t, c.Client)
			time.Sleep(time.Second)
			closed := closeAtOnce(t, c.Client, 5)
			callers.Wait()
			if closed > 1 {
				t.Errorf("%d calls of Close de-registered", closed)
			}
		})
	}
}

// concurrentCalls calls everything but Close from many goroutines for a while.
func concurrentCalls(t *testing.T, c *holdfast.Client) *sync.WaitGroup {
	calls := []func(context.Context) error{
		c.RegisterUpdate, c.Pause, c.Resume, c.Reconnect, c.Bootstrap, c.FactoryReset, c.Start,
		func(context.Context) error { c.NetworkUp(); return nil },
		func(context.Context) error { c.Status(); return nil },
		func(context.Context) error { _, cancel := c.Events(1); cancel(); return nil },
	}
	var callers sync.WaitGroup
	for i := range 10 * len(calls) {
		callers.Go(func() {
			for range 20 {
				if err := calls[i%len(calls)](context.Background()); err != nil && !errors.Is(err, holdfast.ErrNotAllowed) {
					t.Errorf("call %d: %v", i%len(calls), err)
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	return &callers
}

// closeAtOnce calls Close n times at once and returns how many of them
// de-registered.
func closeAtOnce(t *testing.T, c *holdfast.Client, n int) int {
	var mu sync.Mutex
	closed := 0
	var closers sync.WaitGroup
	for range n {
		closers.Go(func() {
			err := c.Close(context.Background())
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				closed++
			} else if !errors.Is(err, holdfast.ErrNotRegistered) && !errors.Is(err, holdfast.ErrUnregistration) {
				t.Errorf("Close: %v", err)
			}
		})
	}
	closers.Wait()
	return closed
}
