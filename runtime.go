package holdfast

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/admission"
	"github.com/holdfast-iot/holdfast/internal/bootclock"
	"github.com/holdfast-iot/holdfast/internal/logqueue"
	"github.com/holdfast-iot/holdfast/internal/option"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// Option adjusts a [Runtime] or a [Client]. Those for tests come from
// lwm2mtest: a network in memory, faults of the disk, a view of the messages.
type Option = option.Option

// WithLogger makes the client log: every event, with its fields and the attribute
// "event", and what it cannot say in one, such as the stack of a crash. The levels are
// those of docs/contract.md, Configuration. Logs never carry a secret or a message's
// content. The default is silence, as with nil.
//
// Records are handed to the logger's handler one after the other, on a goroutine of
// their own: one that waits holds the client up in nothing but for its method Enabled,
// which must not wait. Of more than 1024 that wait the newest are lost and counted.
func WithLogger(logger *slog.Logger) Option {
	if logger != nil {
		logger = slog.New(logqueue.New(logger.Handler()))
	}
	return func(s *option.Settings) { s.Logger = logger }
}

// WithHandshakes sets how many DTLS handshakes of a [Runtime] go on at a time, from 1; the
// default, also for what is below, is 64 for each processor that Go uses. The others wait in
// the order in which they came, no time of their attempts passing, and say so in their status
// (docs/adr/0037-admission.md). It is for [NewRuntime], and for the function [New], whose
// client has a runtime of its own; for [Runtime.New] it means nothing.
func WithHandshakes(n int) Option {
	return func(s *option.Settings) { s.Handshakes = n }
}

// Runtime is an actor system that clients share. It holds nothing of theirs;
// a process may have several.
type Runtime struct {
	settings option.Settings
	logger   *slog.Logger
	registry *lwm2m.Registry // of the objects that every client has

	admission *admission.Gate   // of all handshakes
	places    *admission.Places // of all jobs at the disk

	sleep    *bootclock.Watch
	system   *actor.ActorSystem
	guardian *actorkit.Guardian

	mu      sync.Mutex
	clients map[*Client]struct{}
	closed  bool
}

// NewRuntime returns a Runtime, whose options are the defaults of its clients.
// Close ends it.
func NewRuntime(options ...Option) *Runtime {
	settings := option.Settings{}.With(options)
	r := &Runtime{
		settings: settings, logger: loggerOf(settings), registry: objects.Core(),
		admission: admission.NewGate(settings.Handshakes), places: admission.NewPlaces(),
		sleep: bootclock.New(bootclock.Slept), clients: map[*Client]struct{}{},
	}
	r.system = actorkit.NewSystem(r.logger)
	r.guardian = actorkit.NewGuardian(actorkit.GuardianOptions{OnCrash: r.supervisorCrashed})
	return r
}

func loggerOf(s option.Settings) *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}

// supervisorCrashed logs the crash of a client's supervisor; the guardian
// restarts it, always, and what repeats is reported as degraded.
func (r *Runtime) supervisorCrashed(pid *actor.PID, crash *actorkit.Crash, delay time.Duration, repeated bool) {
	r.logger.Error("the supervisor of a client crashed",
		"error", crash, "stack", string(crash.Stack), "restart_in", delay, "repeated", repeated)
	for _, c := range r.present() {
		c.supervisorCrashed(pid, crash, repeated)
	}
}

// present returns the clients that have been started and not closed.
func (r *Runtime) present() []*Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	clients := make([]*Client, 0, len(r.clients))
	for c := range r.clients {
		clients = append(clients, c)
	}
	return clients
}

// New is like the function [New], but the client shares this runtime, and its
// options are the defaults. Those that are given here are for this client alone;
// what the actor system itself has to say goes to the runtime's logger.
func (r *Runtime) New(cfg Config, options ...Option) (*Client, error) {
	return newClient(r, cfg, r.settings.With(options))
}

// Close closes every client of the runtime, all at the same time: a thousand
// take one round trip, not a thousand, and with a silent server 5 s where the
// context has no deadline. Then it ends the runtime. It returns when no
// goroutine is left, or with the context's error.
func (r *Runtime) Close(ctx context.Context) error {
	var closing sync.WaitGroup
	for _, c := range r.end() {
		closing.Go(func() { _ = c.Close(ctx) }) // what there was to say is in the client's events
	}
	closing.Wait()
	r.guardian.Stop()
	actorkit.Shutdown(r.system)
	logqueue.Flush(r.logger)
	return ctx.Err()
}

// end marks the runtime closed and returns the clients that it still has.
func (r *Runtime) end() []*Client {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	return r.present()
}

// add notes a client that has been started.
func (r *Runtime) add(c *Client) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.clients[c] = struct{}{}
	return true
}

func (r *Runtime) remove(c *Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clients, c)
}
