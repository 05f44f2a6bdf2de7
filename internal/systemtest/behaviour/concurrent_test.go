package behaviour_test

import (
	"context"
	"errors"
	"slices"
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
	for _, tt := range []struct {
		name           string
		served, calmly bool  // there is a server; no call ends the registration
		closed         []int // how many calls of Close may de-register
	}{
		{"without a server", false, false, []int{0}},
		{"registered", true, true, []int{1}},
		{"registered now and then", true, false, []int{0, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				c := w.Start(w.NoSec())
				if tt.served {
					w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
					c.WaitFor(holdfast.Registered)
				}
				calls := calmCalls(c.Client)
				if !tt.calmly {
					calls = append(calls, c.Pause, c.Resume, c.Reconnect, c.Bootstrap, c.FactoryReset)
				}
				callers := concurrentCalls(t, calls)
				time.Sleep(time.Second)
				closed := closeAtOnce(t, c.Client, 5)
				callers.Wait()
				if !slices.Contains(tt.closed, closed) {
					t.Errorf("%d calls of Close de-registered, want %v", closed, tt.closed)
				}
			})
		})
	}
}

// calmCalls are the calls that leave a registration alone.
func calmCalls(c *holdfast.Client) []func(context.Context) error {
	return []func(context.Context) error{
		c.RegisterUpdate, c.Start,
		func(context.Context) error { c.NetworkUp(); return nil },
		func(context.Context) error { c.Status(); return nil },
		func(context.Context) error { _, cancel := c.Events(1); cancel(); return nil },
	}
}

// concurrentCalls makes calls from many goroutines for a while.
func concurrentCalls(t *testing.T, calls []func(context.Context) error) *sync.WaitGroup {
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
