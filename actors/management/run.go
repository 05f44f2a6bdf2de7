package management

import (
	"context"
	"sync"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// readsAtOnce is how many targets of one request are read at a time: as many as requests
// of one server may be under way.
const readsAtOnce = jobsPerServer

// ended is what is said of a handler that has called runtime.Goexit.
const ended = "the handler has ended its goroutine"

// run carries out a Call on the goroutine that it is called on, and tells the outcome,
// whatever the methods of the object do: return, panic or end their goroutine.
func run(ctx context.Context, call Call, tell func(Returned)) {
	ctx, cancel := context.WithDeadline(ctx, call.Deadline)
	defer cancel()
	ctx = object.WithServer(ctx, call.Server)
	out := Returned{ID: call.ID}
	returned := false
	defer func() {
		if reason := recover(); reason != nil {
			fault := panicked(call.Path, reason)
			out.Err = &fault
		} else if !returned {
			out.Err = &Fault{Path: call.Path, What: ended}
		}
		tell(out)
	}()
	perform(ctx, call, &out)
	returned = true
}

// perform calls the methods that a Call is for. An object has them: the machine has
// looked.
func perform(ctx context.Context, call Call, out *Returned) {
	switch do := call.Do.(type) {
	case reads:
		out.Reads = readAll(ctx, call.Object, do.targets)
	case write:
		out.Commit, out.Err = call.Object.(object.Writer).Write(ctx, do.change)
	case create:
		out.Commit, out.Err = call.Object.(object.Creator).Create(ctx, do.instance.ID, do.instance.Resources)
	case remove:
		out.Err = call.Object.(object.Deleter).Delete(ctx, do.instance)
	case execute:
		out.Err = call.Object.(object.Executor).Execute(ctx, do.target, do.args)
	case commit:
		out.Err = do.carryOut(ctx)
	}
}

// readAll reads several targets, some of them at a time: one that takes long keeps no
// other waiting.
func readAll(ctx context.Context, o object.Object, targets []lwm2m.Path) []Read {
	all := make([]Read, len(targets))
	if len(targets) == 1 {
		all[0] = read(ctx, o, targets[0])
		return all
	}
	var under sync.WaitGroup
	room := make(chan struct{}, readsAtOnce)
	for i, target := range targets {
		room <- struct{}{}
		under.Go(func() {
			defer func() { <-room }()
			all[i].Err = &Fault{Path: target, What: ended} // unless it returns
			all[i] = read(ctx, o, target)
		})
	}
	under.Wait()
	return all
}

// read reads one target. A panic is the outcome of that one, and not of the others.
func read(ctx context.Context, o object.Object, target lwm2m.Path) (r Read) {
	defer func() {
		if reason := recover(); reason != nil {
			fault := panicked(target, reason)
			r = Read{Err: &fault}
		}
	}()
	r.Resources, r.Err = o.Read(ctx, target)
	return r
}
