package actorkit

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// DefaultPersistTimeout is how long a shell waits for the answer to a
// core.Persist.
const DefaultPersistTimeout = 30 * time.Second

// ErrPersistTimeout is the error of the core.PersistFailed that a shell makes
// when no answer to a core.Persist came. Whether the record is durable is then
// unknown.
var ErrPersistTimeout = errors.New("no answer from the store")

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
	// effect but core.Tell, core.SetTimer and core.StopTimer. For a
	// core.Persist it starts the writing; the answer must come back as a
	// message to the actor.
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
	// PersistTimeout is how long to wait for the answer to a core.Persist
	// before the machine gets a core.PersistFailed with ErrPersistTimeout;
	// DefaultPersistTimeout when it is not positive.
	PersistTimeout time.Duration
}

// Shell drives a core.Machine: it turns each message of an actor into an input
// and runs the effects in strict order.
//
// A core.Persist holds up all effects behind it, those of later inputs
// included, until core.Persisted or core.PersistFailed with its token has come
// back. Then the effects that waited run first, and after that the answer is
// given to the machine. An answer with another token is dropped.
//
// While effects wait, a timer that one of them would set or stop does not
// expire for the machine, which has already changed it.
//
// A Shell serves one incarnation of an actor and belongs to its goroutine;
// make a new one, with a new machine, in the actor's producer.
type Shell struct {
	options ShellOptions
	timers  *Timers
	queue   ring // of core.Effect
	waiting bool // for the answer to a core.Persist
	token   uint64
	running bool
	closed  bool
}

// persistWait is the key of the timer that bounds the wait for an answer.
type persistWait struct{}

// NewShell returns a Shell.
func NewShell(options ShellOptions) *Shell {
	if options.PersistTimeout <= 0 {
		options.PersistTimeout = DefaultPersistTimeout
	}
	return &Shell{options: options}
}

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
		s.answered(ctx, message.Token, message)
	case core.PersistFailed:
		s.answered(ctx, message.Token, message)
	case messages.Ping:
		message.Pong()
	default:
		s.Input(ctx, message)
	}
}

// Input gives one input to the machine and runs the effects, as far as no
// core.Persist holds them up. After Close it does nothing.
func (s *Shell) Input(ctx actor.Context, input any) {
	if s.closed {
		return
	}
	for _, effect := range s.options.Machine.Step(time.Now(), input) {
		s.queue.push(effect)
	}
	s.drain(ctx)
}

// Close stops all timers and discards the effects that wait. The machine gets
// no further input.
func (s *Shell) Close() {
	s.closed = true
	s.queue = ring{}
	if s.timers != nil {
		s.timers.StopAll()
	}
}

// Waiting returns the number of effects that a core.Persist holds up.
func (s *Shell) Waiting() int { return s.queue.count }

func (s *Shell) expired(ctx actor.Context, message Expired) {
	if s.timers == nil || !s.timers.Fresh(message) {
		return
	}
	switch key := message.Key.(type) {
	case persistWait:
		s.answered(ctx, s.token, core.PersistFailed{Token: s.token, Err: ErrPersistTimeout})
	case core.Timer:
		if !s.superseded(key) {
			s.Input(ctx, core.Expired{Timer: key})
		}
	}
}

// superseded reports whether a waiting effect sets or stops the timer.
func (s *Shell) superseded(timer core.Timer) bool {
	for i := range s.queue.count {
		switch effect := s.queue.at(i).(type) {
		case core.SetTimer:
			if effect.Timer == timer {
				return true
			}
		case core.StopTimer:
			if effect.Timer == timer {
				return true
			}
		}
	}
	return false
}

// answered ends the wait for a core.Persist.
func (s *Shell) answered(ctx actor.Context, token uint64, answer any) {
	if s.closed || !s.waiting || token != s.token {
		return
	}
	s.waiting = false
	s.timers.Stop(persistWait{})
	s.drain(ctx)
	s.Input(ctx, answer)
}

// drain runs the queued effects. An executor that calls Input only adds to the
// queue, so that the order stays.
func (s *Shell) drain(ctx actor.Context) {
	if s.running {
		return
	}
	s.running = true
	for !s.waiting {
		effect, ok := s.queue.pop()
		if !ok {
			break
		}
		s.run(ctx, effect.(core.Effect))
	}
	s.running = false
}

func (s *Shell) run(ctx actor.Context, effect core.Effect) {
	if hook := effectHook(ctx); hook != nil {
		hook(effect)
	}
	switch effect := effect.(type) {
	case core.Tell:
		s.tell(ctx, effect)
	case core.SetTimer:
		s.ownTimers(ctx).Set(effect.Timer, effect.After)
	case core.StopTimer:
		s.ownTimers(ctx).Stop(effect.Timer)
	case core.Persist:
		s.waiting, s.token = true, effect.Token
		s.ownTimers(ctx).Set(persistWait{}, s.options.PersistTimeout)
		s.execute(ctx, effect)
	default:
		s.execute(ctx, effect)
	}
}

func (s *Shell) tell(ctx actor.Context, tell core.Tell) {
	var to *actor.PID
	if s.options.Route != nil {
		to = s.options.Route(tell.To, tell.Epoch)
	}
	if to == nil {
		ctx.Logger().Debug("no actor in this role", slog.String("role", tell.To.String()),
			slog.String("message_type", messageType(tell.Message)))
		return
	}
	// A request carries its sender: the store answers to it.
	ctx.Request(to, tell.Message)
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
