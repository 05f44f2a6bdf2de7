package object

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// computedAtATime is how many values of one Read are computed at a time: one that hangs, such
// as a command, is not to use up the time of the others.
const computedAtATime = 8

// computed is a value that was computed, or why there is none.
type computed struct {
	path   lwm2m.Path
	value  lwm2m.Value
	err    error
	reason any  // of a panic
	ended  bool // by a panic or runtime.Goexit
}

// computeAll computes the values that a target concerns, in the order of their paths. What
// panics, or ends its goroutine, does that to the caller.
func (v *Values) computeAll(ctx context.Context, target lwm2m.Path, sources map[lwm2m.Path]source) []computed {
	var all []computed
	for _, path := range slices.SortedFunc(maps.Keys(sources), lwm2m.Path.Compare) {
		if target.Contains(path) || path.Contains(target) {
			all = append(all, computed{path: path})
		}
	}
	if len(all) == 1 { // as with most
		all[0].value, all[0].err = v.compute(ctx, all[0].path, sources[all[0].path])
		return all
	}
	var running sync.WaitGroup
	room := make(chan struct{}, computedAtATime)
	for i := range all {
		room <- struct{}{}
		running.Go(func() {
			defer func() { <-room }()
			v.computeOne(ctx, &all[i], sources[all[i].path])
		})
	}
	running.Wait()
	return all
}

// computeOne computes a value, and notes what keeps it from that.
func (v *Values) computeOne(ctx context.Context, c *computed, s source) {
	c.ended = true
	defer func() { c.reason = recover() }()
	c.value, c.err = v.compute(ctx, c.path, s)
	c.ended = false
}

// rethrow ends the caller as the function of a value has ended its goroutine.
func (c *computed) rethrow() {
	switch {
	case !c.ended:
	case c.reason != nil:
		panic(c.reason)
	default:
		runtime.Goexit()
	}
}
