package actorkit

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// UnhandledEffect is what a shell panics with when neither it nor its executor
// knows an effect: the machine and its shell do not fit together.
type UnhandledEffect struct {
	// Type is the Go type of the effect.
	Type string
}

// Error names the effect's type.
func (e *UnhandledEffect) Error() string { return "no one handles the effect " + e.Type }

// Executor runs the effects that only the concrete actor understands.
type Executor interface {
	// Run carries out one effect on the actor's goroutine, without
	// blocking, and reports whether it knows the effect. It gets every
	// effect but those of package core.
	Run(ctx actor.Context, effect core.Effect) (handled bool)
}

// Route returns the actor that fills a role. The epoch names the link that the
// role belongs to, where that is not the link of whoever asks, and is 0 else. It
// is called on any goroutine.
type Route func(role core.Role, epoch messages.Epoch) *actor.PID

// ShellOptions configure a Shell. Machine is required.
type ShellOptions struct {
	// Machine is the actor's pure core.
	Machine core.Machine
	// Executor runs the actor's own effects; nil when there are none.
	Executor Executor
	// Route returns the actor that fills a role, nil when there is none at
	// present: the message is then logged, by its type, and lost. A nil
	// Route knows no one.
	Route Route
}

// Shell drives a core.Machine: it turns each message of an actor into an input
// and carries the effects out, in the order that package core describes. Records
// go to the actor in the role core.Store.
//
// A Shell serves one incarnation of an actor and belongs to its goroutine;
// make a new one, with a new machine, in the actor's producer.
type Shell struct {
	options ShellOptions
	timers  *Timers
	batches []batch // with effects that are still to be carried out, oldest first
	running bool
	closed  bool
}

// NewShell returns a Shell.
func NewShell(options ShellOptions) *Shell { return &Shell{options: options} }

// Receive handles the current message of ctx. The messages of protoactor's
// lifecycle are no inputs: Stopping and Restarting end the shell, the others
// are ignored; an actor that cares for them looks before it calls Receive. A
// messages.Ping is answered at once, also while effects wait.
func (s *Shell) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Stopping, *actor.Restarting:
		s.Close()
	case actor.SystemMessage, actor.AutoReceiveMessage, *actor.DeadLetterResponse:
	case Expired:
		s.expired(ctx, message)
	case core.Persisted:
		s.answered(ctx, message.Token, message.Held, nil)
	case core.PersistFailed:
		s.answered(ctx, message.Token, nil, message.Err)
	case messages.Ping:
		message.Pong()
	default:
		s.Input(ctx, message)
	}
}

// Input gives one input to the machine and carries out what can be carried out
// now.
func (s *Shell) Input(ctx actor.Context, input any) {
	if s.closed {
		return
	}
	if effects := s.options.Machine.Step(time.Now(), input); len(effects) > 0 {
		s.add(effects)
	}
	s.drain(ctx)
}

// Close stops all timers and discards the effects that wait. The machine gets
// no further input.
func (s *Shell) Close() {
	s.closed = true
	s.batches = nil
	if s.timers != nil {
		s.timers.StopAll()
	}
}

func (s *Shell) expired(ctx actor.Context, message Expired) {
	if s.timers == nil || !s.timers.Fresh(message) {
		return
	}
	switch key := message.Key.(type) {
	case saveWait:
		s.answered(ctx, key.save, nil, ErrPersistTimeout)
	case core.Timer:
		if !s.superseded(key) {
			s.Input(ctx, core.Expired{Timer: key})
		}
	}
}

// drain carries out what no write holds up. An executor that calls Input only
// adds a batch, so that the order stays.
func (s *Shell) drain(ctx actor.Context) {
	if s.running {
		return
	}
	s.running = true
	for i := 0; i < len(s.batches); {
		if s.blocked(i) {
			i++
			continue
		}
		s.advance(ctx, i)
	}
	s.running = false
	s.idle()
}

// advance carries out the first effect of a batch, which is gone with its last.
func (s *Shell) advance(ctx actor.Context, i int) {
	effect := s.batches[i].pop()
	s.run(ctx, i, effect)
	if i < len(s.batches) && s.batches[i].spent() { // Close may have emptied the list
		s.batches = slices.Delete(s.batches, i, i+1)
	}
}

func (s *Shell) run(ctx actor.Context, i int, effect core.Effect) {
	if hook := effectHook(ctx); hook != nil {
		hook(effect)
	}
	switch effect := effect.(type) {
	case core.Tell:
		s.tell(ctx, effect)
	case core.SetTimer:
		s.forgetTimer(i, effect.Timer)
		s.ownTimers(ctx).Set(effect.Timer, effect.After)
	case core.StopTimer:
		s.forgetTimer(i, effect.Timer)
		s.ownTimers(ctx).Stop(effect.Timer)
	case core.After: // its wait is over
	case core.Persist:
		s.save(ctx, i, effect)
	default:
		s.execute(ctx, effect)
	}
}

func (s *Shell) tell(ctx actor.Context, tell core.Tell) {
	to := s.route(tell.To, tell.Epoch)
	if to == nil {
		ctx.Logger().Debug("no actor in this role", slog.String("role", tell.To.String()),
			slog.String("message_type", messageType(tell.Message)))
		return
	}
	// A request carries its sender, so that the store can answer.
	ctx.Request(to, tell.Message)
}

func (s *Shell) route(role core.Role, epoch messages.Epoch) *actor.PID {
	if s.options.Route == nil {
		return nil
	}
	return s.options.Route(role, epoch)
}

func (s *Shell) execute(ctx actor.Context, effect core.Effect) {
	if s.options.Executor == nil || !s.options.Executor.Run(ctx, effect) {
		panic(&UnhandledEffect{Type: fmt.Sprintf("%T", effect)})
	}
}

func (s *Shell) ownTimers(ctx actor.Context) *Timers {
	if s.timers == nil {
		s.timers = NewTimers(ctx.ActorSystem(), ctx.Self())
	}
	return s.timers
}
