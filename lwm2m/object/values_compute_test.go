package object

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// loads is a lamp whose loads are computed, so many.
func loads(t *testing.T, n int, read func(context.Context, int) (lwm2m.Value, error)) *Values {
	v := lamps(t)
	for i := range n {
		path := paths(fmt.Sprintf("/3311/0/2/%d", i))[0]
		if err := v.Compute(path, 0, func(ctx context.Context) (lwm2m.Value, error) { return read(ctx, i) }); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// Values that take long are computed at a time, eight at most, so that several that fail
// late, such as commands, leave the others.
func TestValuesAreComputedAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var running, most int
		v := loads(t, 10, func(_ context.Context, i int) (lwm2m.Value, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(5 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			running--
			if i%2 == 0 {
				return lwm2m.Value{}, context.DeadlineExceeded
			}
			return lwm2m.Float(float64(i)), nil
		})
		begun := time.Now()
		got, err := v.Read(t.Context(), paths("/3311/0")[0])
		if err != nil || len(got) != 1 || len(got[0].Instances) != 5 || got[0].Instances[4].Value.Float64() != 9 {
			t.Errorf("%+v, %v", got, err)
		}
		if took := time.Since(begun); took != 10*time.Second || most != computedAtATime {
			t.Errorf("it took %v, %d at a time", took, most)
		}
	})
}

// What the function of a value does to its goroutine is done to who reads, wherever it is
// called.
func TestValuesThatPanic(t *testing.T) {
	for name, n := range map[string]int{"alone": 1, "among others": 3} {
		v := loads(t, n, func(_ context.Context, i int) (lwm2m.Value, error) {
			if i == 0 {
				panic("broken")
			}
			return lwm2m.Float(1), nil
		})
		func() {
			defer func() {
				if reason := recover(); reason != "broken" {
					t.Errorf("%s: %v", name, reason)
				}
			}()
			_, _ = v.Read(t.Context(), paths("/3311/0")[0])
			t.Errorf("%s: it returns", name)
		}()
		ends := loads(t, n, func(_ context.Context, i int) (lwm2m.Value, error) {
			if i == 0 {
				runtime.Goexit()
			}
			return lwm2m.Float(1), nil
		})
		var returned bool
		over := make(chan struct{})
		go func() {
			defer close(over)
			_, _ = ends.Read(context.Background(), paths("/3311/0")[0])
			returned = true
		}()
		if <-over; returned {
			t.Errorf("%s: it returns", name)
		}
	}
}
