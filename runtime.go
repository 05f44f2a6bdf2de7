package holdfast

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/bootclock"
	"github.com/holdfast-iot/holdfast/internal/store"
)

// Transport is where a client's names and datagrams go. The default is the
// operating system; lwm2mtest has an in-memory network for tests.
type Transport interface {
	// Lookup returns all A and AAAA addresses of a host.
	Lookup(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial returns a connected datagram socket: each Read and Write is one
	// datagram, and a refused port shows as ECONNREFUSED.
	Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error)
}

// Tap watches the mailboxes of a runtime's actors, for tests; lwm2mtest.Probe
// is one. The actor is named by its path, such as "gw-1/registration/1"; the
// stage is "posted" before a message enters the mailbox, "invoking" right
// before the actor processes it, "effect" right before the actor carries out
// one effect of it (the message is then the effect), "invoked" when the actor
// has handled the message, "dropped" when a full mailbox refused it. Message
// is called on the goroutine of whoever sends or receives, and must not block.
// A panic of it in the stages "invoking" and "effect" is a crash of that actor,
// and recovered from like one: that is how to test supervision.
type Tap interface {
	Message(actor, stage string, message any)
}

// Option adjusts a [Runtime], or the one that [New] makes.
type Option func(*Runtime)

// WithLogger makes the runtime log. Logs never carry a secret or a message's
// content. The default is silence.
func WithLogger(logger zerolog.Logger) Option {
	return func(r *Runtime) { r.logger = logger }
}

// WithTransport replaces the operating system's network.
func WithTransport(t Transport) Option { return func(r *Runtime) { r.transport = t } }

// WithTap makes t watch the mailboxes of all clients of the runtime.
func WithTap(t Tap) Option { return func(r *Runtime) { r.tap = t } }

// WithRand replaces the source of r0, message IDs, tokens and resend factors:
// a function that returns numbers in [0, 1). It is called from many
// goroutines. The default is a cryptographic source; this is for tests that
// assert exact instants.
func WithRand(float64 func() float64) Option { return func(r *Runtime) { r.rand = float64 } }

// Runtime is an actor system that clients share. It holds nothing of theirs;
// a process may have several.
type Runtime struct {
	logger    zerolog.Logger
	transport Transport
	tap       Tap
	rand      func() float64
	storeFS   store.FS // under the state directories; nil is the real one

	sleep    *bootclock.Watch
	system   *actor.ActorSystem
	guardian *actorkit.Guardian

	mu      sync.Mutex
	clients map[*Client]struct{}
	closed  bool
}

// NewRuntime returns a Runtime. Close ends it.
func NewRuntime(options ...Option) (*Runtime, error) {
	r := &Runtime{logger: zerolog.Nop(), sleep: bootclock.New(bootclock.Slept), clients: map[*Client]struct{}{}}
	for _, option := range options {
		option(r)
	}
	r.system = actorkit.NewSystem(r.logger)
	r.guardian = actorkit.NewGuardian(actorkit.GuardianOptions{OnCrash: r.supervisorCrashed})
	return r, nil
}

// supervisorCrashed logs the crash of a client's supervisor; the guardian
// restarts it, always, and what repeats is reported as degraded.
func (r *Runtime) supervisorCrashed(pid *actor.PID, crash *actorkit.Crash, delay time.Duration, repeated bool) {
	r.logger.Error().Err(crash).Bytes("stack", crash.Stack).Dur("restart_in", delay).Bool("repeated", repeated).
		Msg("the supervisor of a client crashed")
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

// New validates a configuration and returns a client of this runtime. It
// touches nothing: no file, no socket. An invalid configuration is an *Error
// with code ConnectInvalidParameters whose cause lists every fault.
func (r *Runtime) New(cfg Config) (*Client, error) { return newClient(r, cfg) }

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
