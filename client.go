package holdfast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/actors/management"
	"github.com/holdfast-iot/holdfast/actors/network"
	"github.com/holdfast-iot/holdfast/actors/supervisor"
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/clientview"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/descriptors"
	"github.com/holdfast-iot/holdfast/internal/logqueue"
	"github.com/holdfast-iot/holdfast/internal/option"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/uplink"
	"github.com/holdfast-iot/holdfast/messages"
)

// closeBound is how long Close takes at most when its context has no deadline.
const closeBound = 5 * time.Second

// Client is one LwM2M client: one endpoint, one state directory, a bootstrap
// account and any number of management accounts. All methods may be called
// from any goroutine.
//
// RegisterUpdate, Pause, Resume, Reconnect, Bootstrap and FactoryReset return
// when Status shows what they did: within microseconds, but for FactoryReset,
// which waits for the disk. When their context ends first they return an error
// that wraps ctx.Err(), and what they asked for may still be done. An error that
// the client's state is the reason for is [ErrNotAllowed]; it makes an event,
// too.
type Client struct {
	runtime  *Runtime
	own      bool // the runtime belongs to this client alone
	settings option.Settings
	logger   *slog.Logger // names the endpoint
	config   Config
	hub      *hub

	mu           sync.Mutex
	phase        clientPhase
	abort        context.CancelFunc // of the Start under way
	begun        chan struct{}      // closed when the Start under way has ended; nil while there is none
	store        *store.Store
	updates      *updates // of the firmware; nil where there are none
	pid          *actor.PID
	restarts     uint64                // of the supervisor, after crashes
	stopped      chan messages.Stopped // has room for the one answer to Stop; made with that
	left         chan struct{}         // closed when the actors are gone and result is known
	done         chan struct{}         // closed when Close has torn everything down
	result       error                 // of the Close that did it
	certificates certificates
	companions   []clientview.Companion // in the order in which they were attached
	network      *network.System        // nil where a test has another one
	nonces       network.Nonces
	uplink       *uplink.Uplink // what the machine can reach servers by
	unwatch      []func()       // end what the watches of the machine tell this client
}

// clientPhase is a client's life. A Start that fails leads back to new.
//
//	new ── Start ──▶ starting ──▶ started ── Close ──▶ closing ──▶ closed
//	 └───── Close ──────┴──────────────────────────────┘
type clientPhase uint8

const (
	clientNew clientPhase = iota
	clientStarting
	clientStarted
	clientClosing
	clientClosed
)

// New validates a configuration and returns a client with a [Runtime] of its
// own. It touches nothing: no file, no socket. An invalid configuration is
// [ErrInvalidParameters]; errors.As reaches a *[ConfigError] that lists every
// fault, each with its key.
func New(cfg Config, options ...Option) (*Client, error) {
	r := NewRuntime(options...)
	c, err := r.New(cfg)
	if err != nil {
		_ = r.Close(context.Background()) // it has no clients and no goroutine yet
		return nil, err
	}
	c.own = true
	return c, nil
}

func newClient(r *Runtime, cfg Config, settings option.Settings) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, codeError(CodeInvalidParameters, PhaseConfig, err)
	}
	logger := loggerOf(settings).With("endpoint", cfg.Endpoint)
	c := &Client{
		runtime: r, settings: settings, logger: logger,
		config: cfg.withDefaults(), hub: newHub(cfg.Endpoint, logger),
		left: make(chan struct{}), done: make(chan struct{}),
	}
	c.hub.nonces = c.nonces.Of
	return c, nil
}

// Start opens and locks the state directory, which takes at most 5 s, and does
// not wait for the network: the client connects in the background from then on.
// ctx bounds Start only; ending it later does not stop the client: call Close. A
// directory that another process has locked is an error for which
// errors.Is(err, ErrStoreInUse) and errors.Is(err, ErrStore) hold; it names the
// process. Anything else that is wrong with the directory, such as one of
// another user, and credentials that cannot be read or used are no reason not to
// start: they are reported as events, codes 16 and 17, and looked at again.
// What was attached to the client, such as a control API, may fail to open; the
// error is its own then, and the directory is unlocked again. After an error
// Start may be called again. A second Start is ErrNotAllowed.
//
// Where the process has lowered its soft limit of open files, Start raises it to the
// hard one again, as the Go runtime does when a program begins.
func (c *Client) Start(ctx context.Context) (err error) {
	ctx, err = c.beginStart(ctx)
	if err != nil {
		return err
	}
	descriptors.Raise()
	var opened opened
	defer func() { err = c.endStart(opened, err) }() // after a panic, too: what was taken is given back
	opened.store, err = store.Attach(ctx, store.Options{
		Dir: c.config.StateDir, MaxRecord: accounts.MaxRecord, Check: accounts.CheckRecord, FS: c.settings.StoreFS,
		Exposed: func(e *store.ExposedError) { c.logger.Warn(e.Error(), "state_dir", e.Dir) },
	})
	if err != nil {
		return storeError(err)
	}
	if opened.images, err = c.attachImages(ctx); err != nil {
		return storeError(err)
	}
	if err = c.openCompanions(); err != nil {
		return err
	}
	return c.run(opened)
}

// beginStart marks the client as starting: meanwhile other calls need not wait
// for the disk, and Close ends the context.
func (c *Client) beginStart(ctx context.Context) (context.Context, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != clientNew {
		return nil, codeError(CodeNotAllowed, PhaseAPI, errors.New("the client was started before"))
	}
	c.phase, c.begun = clientStarting, make(chan struct{})
	ctx, c.abort = context.WithCancel(ctx)
	return ctx, nil
}

// run spawns the actors, unless somebody has closed the client or its runtime
// meanwhile.
func (c *Client) run(opened opened) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != clientStarting {
		return nil // endStart says why
	}
	if !c.runtime.add(c) {
		return codeError(CodeNotAllowed, PhaseAPI, errors.New("the runtime is closed"))
	}
	c.store, c.updates = opened.store, c.firmware(opened.images)
	props := supervisor.Props(c.parts())
	c.hub.publish(messages.Snapshot{State: messages.StateStarting})
	c.pid, c.phase = c.runtime.system.Root.Copy().WithGuardian(c.runtime.guardian).Spawn(props), clientStarted
	c.watchSleep()
	c.watchClock()
	c.watchLinks()
	for _, companion := range c.companions {
		companion.Serve()
	}
	return nil
}

// endStart ends a Start in whatever way it went. Where no actor came of it,
// everything is given back.
func (c *Client) endStart(opened opened, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abort()
	close(c.begun)
	c.abort, c.begun = nil, nil
	if c.pid != nil {
		return err
	}
	if c.phase == clientStarting {
		c.phase = clientNew
	} else {
		err = codeError(CodeNotAllowed, PhaseAPI, errors.New("the client was closed meanwhile"))
	}
	c.giveBack(opened)
	return err
}

// giveBack undoes what a Start without success has done. Callers hold c.mu.
func (c *Client) giveBack(opened opened) {
	c.runtime.remove(c)
	abandon(c.companions)
	opened.close(c.logger)
	c.store, c.updates = nil, nil
}

// Await waits until the client is in the state, or until the context ends, or
// until the client is closed (ErrNotAllowed, unless the state is Stopped).
func (c *Client) Await(ctx context.Context, want State) error {
	for c.hub.state() != want {
		state, changed, ended := c.hub.observe()
		if state == want {
			break
		}
		if ended {
			return codeError(CodeNotAllowed, PhaseAPI, fmt.Errorf("the client is closed and will not be %s", want))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("holdfast: waiting for %s, the client is %s: %w", want, state, ctx.Err())
		}
	}
	return nil
}

// Events returns the events from now on, and a function that ends the
// subscription. The channel has room for size events; what does not fit is
// dropped and counted in Status, and never blocks the client. A size below 1
// counts as 1. The channel is closed by the function or when the client is
// closed; one asked for after Close comes closed.
func (c *Client) Events(size int) (<-chan Event, func()) { return c.hub.subscribe(size) }

// Status returns a snapshot. It never waits.
func (c *Client) Status() Status { return c.hub.status() }

// Close de-registers and tears everything down, always, within the context's
// deadline or 5 s. An ended context cuts the de-registration short; the teardown
// then still has up to 5 s. Close returns nil when the server has answered the
// de-registration, ErrNotRegistered when there was nothing to de-register, or
// ErrUnregistration. Afterwards no goroutine of the client is left and the
// state directory is unlocked. A further Close returns ErrNotRegistered.
func (c *Client) Close(ctx context.Context) error {
	was := c.beginClose()
	switch was {
	case clientClosing, clientClosed:
		return c.alreadyClosed(ctx)
	case clientStarted:
		c.result = c.stop(ctx)
	default:
		c.awaitStart(ctx)
		c.result = c.nothingToClose()
	}
	close(c.left)
	c.endClose()
	return c.result
}

// beginClose moves the client's life on, and returns where it was.
func (c *Client) beginClose() (was clientPhase) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if was = c.phase; was < clientClosing {
		c.phase = clientClosing
	}
	if was == clientStarting {
		c.abort()
	}
	return was
}

// awaitStart lets a Start that was called off give back what it has taken. It
// waits no longer than Close may: on a disk that hangs, Start does so later.
func (c *Client) awaitStart(ctx context.Context) {
	c.mu.Lock()
	begun := c.begun
	c.mu.Unlock()
	if begun == nil {
		return
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	select {
	case <-begun:
	case <-ctx.Done():
	}
}

// alreadyClosed waits for the Close that came first.
func (c *Client) alreadyClosed(ctx context.Context) error {
	select {
	case <-c.done:
		return c.nothingToClose()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) nothingToClose() error {
	c.hub.report(CodeNotRegistered, PhaseClose, "there was no registration to end")
	return codeError(CodeNotRegistered, PhaseClose, nil)
}

// tearDownReserve is what Close keeps of its time for the teardown that
// follows the de-registration.
const tearDownReserve = 200 * time.Millisecond

// stop de-registers and stops the actors.
func (c *Client) stop(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	deadline, _ := ctx.Deadline()
	c.stopped = make(chan messages.Stopped, 1) // seen by whoever answers, since it is made before Stop is sent
	c.runtime.system.Root.Send(c.pid, messages.Stop{Deadline: deadline.Add(-tearDownReserve)})
	// The answer may be lost in a crash; what is left of the time is for the
	// teardown.
	answered, giveUp := context.WithDeadline(ctx, deadline.Add(-tearDownReserve/2))
	defer giveUp()
	var result error
	select {
	case s := <-c.stopped:
		if s.Code != 0 {
			result = codeError(ErrorCode(s.Code), PhaseClose, stoppedCause(s.Cause))
		}
	case <-answered.Done():
		result = codeError(CodeUnregistration, PhaseClose, answered.Err())
	}
	c.stopActors(ctx)
	return result
}

// stopActors waits until no actor is left, whatever became of the caller's
// deadline: nothing may be left behind, and no actor blocks.
func (c *Client) stopActors(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeBound)
	defer cancel()
	if err := actorkit.StopInOrder(ctx, c.runtime.system, c.pid); err != nil {
		c.logger.Error("actors did not stop", "error", err)
	}
	actorkit.Settle()
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, limited := ctx.Deadline(); limited {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, closeBound)
}

// endClose gives everything back that the client held.
func (c *Client) endClose() {
	for _, unwatch := range c.unwatch {
		unwatch() // it waits for the watch, which may wait for mu
	}
	c.letGo()
	c.hub.close()
	for _, companion := range c.companions {
		companion.Close()
	}
	c.runtime.remove(c)
	close(c.done)
	if c.own {
		c.runtime.guardian.Stop()
		actorkit.Shutdown(c.runtime.system)
	}
	logqueue.Flush(c.logger)
}

// letGo closes what is the client's alone. It holds no lock meanwhile: a disk that
// hangs must keep nobody waiting who only asks.
func (c *Client) letGo() {
	c.mu.Lock()
	network, opened := c.network, opened{store: c.store}
	if c.updates != nil {
		opened.images = c.updates.images
	}
	c.mu.Unlock()
	if network != nil {
		network.Close()
	}
	opened.close(c.logger)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase = clientClosed
}

// hooks are those of one actor's mailbox, where somebody watches.
func (c *Client) hooks(name string) *actorkit.Hooks {
	if c.settings.Watch == nil {
		return nil
	}
	w := c.settings.Watch(c.config.Endpoint + "/" + name)
	return &actorkit.Hooks{
		Posted: w.Posted, Invoking: w.Invoking, Invoked: w.Invoked, Dropped: w.Dropped,
		Effect: func(e core.Effect) { w.Effect(e) },
	}
}

// supervisorCrashed counts a crash of this client's supervisor, and reports
// repeated ones (supervisor.Memory says what the next one goes on with).
func (c *Client) supervisorCrashed(pid *actor.PID, crash *actorkit.Crash, repeated bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid == nil || !c.pid.Equal(pid) {
		return
	}
	c.restarts++
	if repeated {
		c.hub.emit(messages.Event{Type: messages.EventDegraded, Actor: "supervisor", Restarts: c.restarts, Detail: crash.Error()})
	}
}

// warn logs what a server's links have dropped: more came than the rate limit of
// one peer allows, or could not be read or sent.
func (c *Client) warn(server string, shed messages.Shed) {
	c.logger.Warn("messages are dropped: see the reasons, each with its count", "server", server,
		"queue", shed.Queue, "rate", shed.Rate, "answers", shed.Answers, "memory", shed.Memory, "forged", shed.Forged,
		"truncated", shed.Truncated, "unsent", shed.Unsent)
}

// crashed logs an actor's panic with its stack.
func (c *Client) crashed(name string, crash *actorkit.Crash) {
	c.logger.Error("an actor crashed and is replaced", "actor", name, "error", crash, "stack", string(crash.Stack))
}

// objectFailed logs what an object of the application has done wrong. The server that
// asked has got 5.00.
func (c *Client) objectFailed(f management.Fault) {
	fields := []any{"path", f.Path.String(), "error", f.What}
	if f.Stack != nil {
		fields = append(fields, "stack", string(f.Stack))
	}
	c.logger.Error("an object of the application failed", fields...)
}

// latePanic counts and logs a panic of an actor that was stopping already.
func (c *Client) latePanic(name string, crash *actorkit.Crash) {
	c.hub.latePanic()
	c.logger.Error("an actor panicked while it stopped", "actor", name, "error", crash, "stack", string(crash.Stack))
}

// credentialsError wraps what factoryTree found in the error of its code.
func credentialsError(err error) error {
	code := CodeInvalidCredentials
	var faults *CredentialsError
	if errors.As(err, &faults) {
		code = faults.Code()
	}
	return codeError(code, PhaseStore, err)
}
