package holdfast

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// RegisterUpdate asks for a registration update now. It returns nil when the
// client is registered and the Update is on its way, else ErrNotAllowed:
// before Start, while not registered, after Close, and while a server has
// asked for a pause.
func (c *Client) RegisterUpdate(ctx context.Context) error {
	return c.call(ctx, messages.CallUpdate)
}

// Pause takes every link down, without de-registering, and makes no attempt
// until Resume. It is ErrNotAllowed when the client is not running or is
// paused already.
func (c *Client) Pause(ctx context.Context) error { return c.call(ctx, messages.CallPause) }

// Resume ends a Pause: every account is tried at once, with an Update where
// the registration may still be known. Counts of failures stay, and so does
// what a server asked for. It is ErrNotAllowed when the client is not paused.
func (c *Client) Resume(ctx context.Context) error { return c.call(ctx, messages.CallResume) }

// Reconnect ends the present waits, like NetworkUp, and says whether the
// client takes such hints: it is ErrNotAllowed when the client is not running
// or is paused.
func (c *Client) Reconnect(ctx context.Context) error { return c.call(ctx, messages.CallReconnect) }

// Bootstrap asks for a bootstrap now. The accounts stay in use until new ones
// are stored. It is ErrNotAllowed while the client is starting, paused or
// stopping, when there is no bootstrap account, while a bootstrap is under way,
// and while its server has asked for a pause.
func (c *Client) Bootstrap(ctx context.Context) error { return c.call(ctx, messages.CallBootstrap) }

// FactoryReset removes what a bootstrap has stored and begins anew from the
// configured or provisioned account. It is allowed in every state of a running
// client; when the store fails it is ErrStoreCredentials and nothing changes.
func (c *Client) FactoryReset(ctx context.Context) error {
	return c.call(ctx, messages.CallFactoryReset)
}

// callBound is how long a call waits for its answer at most: longer than the
// store may take over one. An answer that has not come by then was lost in a
// crash.
const callBound = 45 * time.Second

// call makes a call of the supervisor and waits for its answer.
func (c *Client) call(ctx context.Context, what messages.Call) error {
	_, err := c.ask(ctx, what)
	return err
}

// ask is call that also returns what the supervisor says of it.
func (c *Client) ask(ctx context.Context, what messages.Call) (messages.Answered, error) {
	var none messages.Answered
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("holdfast: %s was not begun: %w", what, err)
	}
	answer := make(chan messages.Answered, 1)
	if !c.tell(messages.CallRequest{Call: what, Answer: answer}) {
		return none, c.notAllowed()
	}
	lost := time.NewTimer(callBound)
	defer lost.Stop()
	select {
	case a := <-answer:
		return a, c.outcome(what, a)
	case <-c.left:
		return none, codeError(CodeNotAllowed, PhaseAPI, errors.New("the client is closed"))
	case <-ctx.Done():
		return none, fmt.Errorf("holdfast: %s was not answered yet: %w", what, ctx.Err())
	case <-lost.C:
		return none, codeError(CodeUnknown, PhaseAPI, fmt.Errorf("%s was not answered within %v", what, callBound))
	}
}

// outcome makes an error of an answer that refuses a call.
func (c *Client) outcome(what messages.Call, a messages.Answered) error {
	switch {
	case a.Code == 0:
		return nil
	case a.Cause != nil:
		return codeError(ErrorCode(a.Code), PhaseAPI, fmt.Errorf("%s: %w", what, a.Cause))
	}
	return codeError(ErrorCode(a.Code), PhaseAPI, fmt.Errorf("%s while the client is %s", what, c.hub.state()))
}

// notAllowed reports a call that the client's life does not allow.
func (c *Client) notAllowed() error {
	c.hub.report(CodeNotAllowed, PhaseAPI, "the client is not running")
	return codeError(CodeNotAllowed, PhaseAPI, errors.New("the client is not running"))
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
