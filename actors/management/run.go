package management

import (
	"context"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// run carries out a Call on the goroutine that it is called on, and tells the outcome,
// whatever the methods of the object do: return, panic or end their goroutine.
func run(ctx context.Context, call Call, tell func(Returned)) {
	ctx, cancel := context.WithDeadline(ctx, call.Deadline)
	defer cancel()
	out := Returned{ID: call.ID}
	returned := false
	defer func() {
		if reason := recover(); reason != nil {
			fault := panicked(call.Path, reason)
			out.Err = &fault
		} else if !returned {
			out.Err = &Fault{Path: call.Path, What: "the handler has ended its goroutine"}
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
		out.Reads = make([]Read, len(do.targets))
		for i, target := range do.targets {
			out.Reads[i] = read(ctx, call.Object, target)
		}
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
