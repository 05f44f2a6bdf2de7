package holdfast

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/actors/supervisor"
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/messages"
)

// closeBound is how long Close takes at most when its context has no deadline.
const closeBound = 5 * time.Second

// Client is one LwM2M client: one endpoint, one state directory, a bootstrap
// account and any number of management accounts. All methods may be called
// from any goroutine, and none of them runs application code on an actor's.
type Client struct {
	runtime *Runtime
	own     bool // the runtime belongs to this client alone
	config  Config
	hub     *hub

	mu       sync.Mutex
	phase    clientPhase
	store    *store.Store
	pid      *actor.PID
	restarts uint64                // of the supervisor, after crashes
	stopped  chan messages.Stopped // has room for the one answer to Stop
	control  *control
	left     chan struct{}      // closed when the actors are gone and result is known
	done     chan struct{}      // closed when Close has torn everything down
	result   error              // of the Close that did it
	cancel   context.CancelFunc // of the suspend watch
}

// clientPhase is a client's life: new, started, closing, closed.
//
//	new ── Start ──▶ started ── Close ──▶ closing ──▶ closed
//	 └───────────── Close ───────────────────────────▶ closed
type clientPhase uint8

const (
	clientNew clientPhase = iota
	clientStarted
	clientClosing
	clientClosed
)

// New validates a configuration and returns a client with a runtime of its
// own. It touches nothing: no file, no socket. An invalid configuration is an
// *Error with code ConnectInvalidParameters whose cause lists every fault,
// each with its key.
func New(cfg Config, options ...Option) (*Client, error) {
	r, err := NewRuntime(options...)
	if err != nil {
		return nil, err
	}
	c, err := r.New(cfg)
	if err != nil {
		_ = r.Close(context.Background()) // it has no clients and no goroutine yet
		return nil, err
	}
	c.own = true
	return c, nil
}

func newClient(r *Runtime, cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, codeError(messages.ConnectInvalidParameters, messages.PhaseConfig, err)
	}
	c := &Client{
		runtime: r, config: cfg.withDefaults(), hub: newHub(cfg.Endpoint),
		stopped: make(chan messages.Stopped, 1), left: make(chan struct{}), done: make(chan struct{}),
	}
	c.control = newControl(c)
	return c, nil
}

// Start opens and locks the state directory (at most 5 s) and returns at once,
// also offline; the client connects in the background from then on. A
// directory that another process has locked is an error for which
// errors.Is(err, ErrStoreInUse) and errors.Is(err, ErrStore) hold; it names the
// process. Anything else that is wrong with the directory, such as one of
// another user, and credentials that cannot be read or used are no reason not to
// start: they are reported as events, codes 16 and 17, and looked at again.
// Where the configuration asks for the control
// API, an address that cannot be listened on is an error for which
// errors.Is(err, ErrControl) holds, and the directory is unlocked again. After
// an error Start may be called again. A second Start is ErrNotAllowed.
func (c *Client) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != clientNew {
		return codeError(messages.ConnectNotAllowed, messages.PhaseAPI, errors.New("the client was started before"))
	}
	opened, err := store.Attach(ctx, store.Options{
		Dir: c.config.StateDir, MaxRecord: accounts.MaxRecord, Check: accounts.CheckRecord, FS: c.runtime.storeFS,
	})
	if err != nil {
		return storeError(err)
	}
	if err := c.control.open(); err != nil {
		_ = opened.Close() // nothing was written
		return err
	}
	if !c.runtime.add(c) {
		c.control.close()
		_ = opened.Close() // nothing was written
		return codeError(messages.ConnectNotAllowed, messages.PhaseAPI, errors.New("the runtime is closed"))
	}
	c.store, c.phase = opened, clientStarted
	c.hub.publish(messages.Snapshot{State: messages.StateStarting})
	c.pid = c.runtime.system.Root.Copy().WithGuardian(c.runtime.guardian).Spawn(supervisor.Props(c.parts()))
	c.watchSuspend()
	c.control.serve()
	return nil
}

// Await waits until the client is in the state, or until the context ends, or
// until the client is closed (ErrNotAllowed, unless the state is Stopped).
func (c *Client) Await(ctx context.Context, want State) error {
	for {
		state, changed, ended := c.hub.observe()
		if state == want {
			return nil
		}
		if ended {
			return codeError(messages.ConnectNotAllowed, messages.PhaseAPI, fmt.Errorf("the client is closed and will not be %s", want))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("holdfast: waiting for %s, the client is %s: %w", want, state, ctx.Err())
		}
	}
}

// Events returns the events from now on, and a function that ends the
// subscription. The channel has room for size events; what does not fit is
// dropped and counted in Status, and never blocks the client. It is closed by
// the function or when the client is closed.
func (c *Client) Events(size int) (<-chan Event, func()) { return c.hub.subscribe(size) }

// Status returns a snapshot.
func (c *Client) Status() Status { return c.hub.status() }

// RegisterUpdate asks for a registration update now. It returns nil when the
// client is registered and the Update is on its way, else ErrNotAllowed:
// before Start, while not registered, after Close, and while a server has
// asked for a pause.
func (c *Client) RegisterUpdate() error { return c.call(messages.CallUpdate) }

// Pause takes every link down, without de-registering, and makes no attempt
// until Resume. It is ErrNotAllowed when the client is not running or is
// paused already.
func (c *Client) Pause() error { return c.call(messages.CallPause) }

// Resume ends a Pause: every account is tried at once, with an Update where
// the registration may still be known. Counts of failures stay, and so does
// what a server asked for. It is ErrNotAllowed when the client is not paused.
func (c *Client) Resume() error { return c.call(messages.CallResume) }

// Bootstrap asks for a bootstrap now. The accounts stay in use until new ones
// are stored. It is ErrNotAllowed when there is no bootstrap account, while a
// bootstrap is in progress, and while its server has asked for a pause.
func (c *Client) Bootstrap() error { return c.call(messages.CallBootstrap) }

// FactoryReset removes what a bootstrap has stored and begins anew from the
// configured or provisioned account. It is allowed in every state of a running
// client; when the store fails it is ErrStoreCredentials and nothing changes.
func (c *Client) FactoryReset() error { return c.call(messages.CallFactoryReset) }

// call makes a call of the supervisor and waits for its answer.
func (c *Client) call(what messages.Call) error {
	ctx, cancel := context.WithTimeout(context.Background(), callBound)
	defer cancel()
	return c.callWithin(ctx, what)
}

// callBound is how long a call waits for its answer: longer than the store may
// take over one. An answer that has not come by then was lost in a crash.
const callBound = 45 * time.Second

// callWithin is call that gives up waiting when the context ends.
func (c *Client) callWithin(ctx context.Context, what messages.Call) error {
	answer := make(chan messages.Answered, 1)
	if !c.tell(messages.CallRequest{Call: what, Answer: answer}) {
		return c.notAllowed()
	}
	select {
	case a := <-answer:
		return c.outcome(what, a)
	case <-c.left:
		return codeError(messages.ConnectNotAllowed, messages.PhaseAPI, errors.New("the client is closed"))
	case <-ctx.Done():
		return codeError(messages.ConnectUnknownError, messages.PhaseAPI, fmt.Errorf("%s was not answered: %w", what, ctx.Err()))
	}
}

// outcome makes an error of an answer that refuses a call.
func (c *Client) outcome(what messages.Call, a messages.Answered) error {
	switch {
	case a.Code == 0:
		return nil
	case a.Cause != nil:
		return codeError(a.Code, messages.PhaseAPI, fmt.Errorf("%s: %w", what, a.Cause))
	}
	return codeError(a.Code, messages.PhaseAPI, fmt.Errorf("%s while the client is %s", what, c.hub.status().State))
}

// notAllowed reports a call that the client's life does not allow.
func (c *Client) notAllowed() error {
	code := messages.ConnectNotAllowed
	c.hub.emit(Event{
		Type: EventError, Code: code, Name: code.String(), Phase: messages.PhaseAPI.String(), Attempt: 1,
		Action: messages.ActionNone, Detail: "the client is not running",
	})
	return codeError(code, messages.PhaseAPI, errors.New("the client is not running"))
}

// NetworkUp is a hint that the network is back: present waits end, at most
// once in 5 s. The count of failures stays, and so does what a server asked
// for. It does nothing on a client that is not running.
func (c *Client) NetworkUp() { c.tell(messages.NetworkUp{}) }

// tell sends a message to the supervisor of a running client.
func (c *Client) tell(message any) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != clientStarted {
		return false
	}
	c.runtime.system.Root.Send(c.pid, message)
	return true
}

// Close de-registers and tears everything down, always, within the context's
// deadline or 5 s. It returns nil when the server has answered the de-registration,
// ErrNotRegistered when there was nothing to de-register, or
// ErrUnregistration. Afterwards no goroutine of the client is left and the
// state directory is unlocked. A further Close returns ErrNotRegistered.
func (c *Client) Close(ctx context.Context) error {
	first, running := c.beginClose()
	if !first {
		return c.alreadyClosed(ctx)
	}
	if running {
		c.result = c.stop(ctx)
	} else {
		c.result = c.nothingToClose()
	}
	close(c.left)
	c.endClose()
	return c.result
}

// beginClose moves the client's life on; first says that this call does it.
func (c *Client) beginClose() (first, running bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.phase
	if was >= clientClosing {
		return false, false
	}
	c.phase = clientClosing
	return true, was == clientStarted
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
	code := messages.ConnectNotRegistered
	c.hub.emit(Event{
		Type: EventError, Code: code, Name: code.String(), Phase: messages.PhaseClose.String(), Attempt: 1,
		Action: messages.ActionNone, Detail: "there was no registration to end",
	})
	return codeError(code, messages.PhaseClose, nil)
}

// tearDownReserve is what Close keeps of its time for the teardown that
// follows the de-registration.
const tearDownReserve = 200 * time.Millisecond

// stop de-registers and stops the actors.
func (c *Client) stop(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	deadline, _ := ctx.Deadline()
	c.runtime.system.Root.Send(c.pid, messages.Stop{Deadline: deadline.Add(-tearDownReserve)})
	// The answer may be lost in a crash; what is left of the time is for the
	// teardown.
	answered, giveUp := context.WithDeadline(ctx, deadline.Add(-tearDownReserve/2))
	defer giveUp()
	var result error
	select {
	case s := <-c.stopped:
		if s.Code != 0 {
			result = codeError(s.Code, messages.PhaseClose, stoppedCause(s.Cause))
		}
	case <-answered.Done():
		result = codeError(messages.ConnectorUnregistrationFailed, messages.PhaseClose, answered.Err())
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
		c.runtime.logger.Error().Err(err).Msg("actors did not stop")
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
	c.mu.Lock()
	if c.cancel != nil {
		c.cancel()
	}
	if c.store != nil {
		if err := c.store.Close(); err != nil {
			c.runtime.logger.Error().Err(err).Msg("the state directory could not be unlocked")
		}
	}
	c.phase = clientClosed
	c.mu.Unlock()
	c.hub.close()
	c.control.close()
	c.runtime.remove(c)
	close(c.done)
	if c.own {
		c.runtime.guardian.Stop()
		actorkit.Shutdown(c.runtime.system)
	}
}

// hooks adapts the runtime's Tap to the mailboxes of one actor.
func (c *Client) hooks(name string) *actorkit.Hooks {
	tap := c.runtime.tap
	if tap == nil {
		return nil
	}
	path := c.config.Endpoint + "/" + name
	return &actorkit.Hooks{
		Posted:   func(m any) { tap.Message(path, "posted", m) },
		Invoking: func(m any) { tap.Message(path, "invoking", m) },
		Effect:   func(e core.Effect) { tap.Message(path, "effect", e) },
		Invoked:  func(m any) { tap.Message(path, "invoked", m) },
		Dropped:  func(m any) { tap.Message(path, "dropped", m) },
	}
}

// supervisorCrashed counts a crash of this client's supervisor, and reports
// repeated ones: their accounts begin anew each time.
func (c *Client) supervisorCrashed(pid *actor.PID, crash *actorkit.Crash, repeated bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid == nil || !c.pid.Equal(pid) {
		return
	}
	c.restarts++
	if repeated {
		c.hub.emit(Event{Type: EventDegraded, Actor: "supervisor", Restarts: c.restarts, Detail: crash.Error()})
	}
}

// warn logs that a server, or somebody who poses as it, sends more than the rate
// limit of one peer allows.
func (c *Client) warn(server string, shed messages.Shed) {
	c.runtime.logger.Warn().Str("endpoint", c.config.Endpoint).Str("server", server).
		Uint64("queue", shed.Queue).Uint64("rate", shed.Rate).Uint64("answers", shed.Answers).
		Uint64("memory", shed.Memory).Uint64("forged", shed.Forged).
		Msg("messages are dropped: more come than are worked at for one peer")
}

// crashed logs an actor's panic with its stack.
func (c *Client) crashed(name string, crash *actorkit.Crash) {
	c.runtime.logger.Error().Str("endpoint", c.config.Endpoint).Str("actor", name).Err(crash).
		Bytes("stack", crash.Stack).Msg("an actor crashed and is replaced")
}

// credentialsError wraps what factoryTree found in the error of its code.
func credentialsError(err error) error {
	code := messages.ConnectorInvalidCredentials
	var faults *CredentialsError
	if errors.As(err, &faults) {
		code = faults.Code()
	}
	return codeError(code, messages.PhaseStore, err)
}
