package holdfast

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
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

// AllServers as the server of a Send means every server that is registered.
const AllServers = 0

// Send sends the present values at and below paths, such as "/3303/0/5700", to the
// management server with a short server ID (1 to 65534), or to AllServers, and returns
// when all of them have taken it (LwM2M Core section 6.4.6). What is not there, or may not
// be read by a server, is left out. Nothing is kept for later: a server gets what it is
// registered for now. The error is a *[SendError], or several in one (errors.Join), a
// *lwm2m.PathError, or one that wraps ctx.Err(): then servers may get it all the same.
//
// A server allows Sends by writing false to Mute Send (/1/x/23) of its account.
func (c *Client) Send(ctx context.Context, server uint16, paths ...string) error {
	request := messages.SendRequest{Server: server}
	for _, text := range paths {
		path, err := lwm2m.ParsePath(text)
		if err != nil {
			return err
		}
		request.Paths = append(request.Paths, path)
	}
	return c.send(ctx, request)
}

// SendSamples is [Client.Send] for values that the application has kept, each with the
// time at which it was read. Their paths are those of resources and resource instances
// that the client serves.
func (c *Client) SendSamples(ctx context.Context, server uint16, samples ...lwm2m.Sample) error {
	return c.send(ctx, messages.SendRequest{Server: server, Samples: slices.Clone(samples)})
}

// sendBound is how long a Send waits for its outcome at most: longer than an exchange may
// take. One that has not come by then was lost in a crash.
const sendBound = 10 * time.Minute

func (c *Client) send(ctx context.Context, request messages.SendRequest) error {
	answer := make(chan []messages.SendOutcome, 1)
	request.Answer = answer
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("holdfast: the Send was not begun: %w", err)
	}
	if !c.tell(request) {
		return c.notAllowed()
	}
	lost := time.NewTimer(sendBound)
	defer lost.Stop()
	select {
	case outcomes := <-answer:
		return sendError(outcomes)
	case <-c.left:
		return codeError(CodeNotAllowed, PhaseAPI, errors.New("the client is closed"))
	case <-ctx.Done():
		return fmt.Errorf("holdfast: the Send was not answered yet: %w", ctx.Err())
	case <-lost.C:
		return codeError(CodeUnknown, PhaseAPI, fmt.Errorf("the Send was not answered within %v", sendBound))
	}
}

// sendError makes an error of the outcomes that are none of success.
func sendError(outcomes []messages.SendOutcome) error {
	var all []error
	for _, o := range outcomes {
		if o.Refusal != 0 {
			all = append(all, &SendError{Server: o.Peer.ID, Reason: SendReason(o.Refusal), Code: o.Code, Detail: o.Detail})
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
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
	a, err := c.await(ctx, what.String(), func(answer chan<- messages.Answered) any {
		return messages.CallRequest{Call: what, Answer: answer}
	})
	if err != nil {
		return a, err
	}
	return a, c.outcome(what, a)
}

// FirmwareDecision is what the gateway answers when it is asked whether an update may go on.
type FirmwareDecision string

// The decisions.
const (
	FirmwareGrant  FirmwareDecision = "grant"  // go on
	FirmwareRefuse FirmwareDecision = "refuse" // end the update, with a result that says so
	FirmwareDefer  FirmwareDecision = "defer"  // not now
)

// AuthoriseFirmware answers what the gateway is asked ([FirmwareStatus].Asks), or grants or
// refuses what it has put off. period is how long FirmwareDefer lasts, until when nobody is
// asked again, and 0 for Firmware.Defer; with other decisions it is 0. The error is
// [ErrNotAllowed] when nothing is asked, or updates are not configured, and
// [ErrInvalidParameters] for a decision or a period that is none.
func (c *Client) AuthoriseFirmware(ctx context.Context, decision FirmwareDecision, period time.Duration) error {
	what := "firmware " + string(decision)
	request := messages.AuthoriseFirmware{Period: period}
	known := map[FirmwareDecision]messages.FirmwareDecision{
		FirmwareGrant: messages.FirmwareGrant, FirmwareRefuse: messages.FirmwareRefuse, FirmwareDefer: messages.FirmwareDefer,
	}
	switch request.Decision = known[decision]; {
	case request.Decision == 0:
		return codeError(CodeInvalidParameters, PhaseAPI, fmt.Errorf("%q is none of grant, refuse and defer", string(decision)))
	case period < 0, period != 0 && decision != FirmwareDefer:
		return codeError(CodeInvalidParameters, PhaseAPI, fmt.Errorf("%s: a period of %v", what, period))
	case c.config.Firmware == nil:
		return codeError(CodeNotAllowed, PhaseAPI, errors.New("updates of the firmware are not configured"))
	case decision == FirmwareDefer && period == 0:
		request.Period = c.config.Firmware.Defer
	}
	a, err := c.await(ctx, what, func(answer chan<- messages.Answered) any {
		request.Answer = answer
		return request
	})
	switch {
	case err != nil:
		return err
	case a.Code == 0:
		return nil
	case a.Cause != nil:
		return codeError(ErrorCode(a.Code), PhaseAPI, fmt.Errorf("%s: %w", what, a.Cause))
	}
	return codeError(ErrorCode(a.Code), PhaseAPI, fmt.Errorf("%s: the gateway is not asked", what))
}

// await makes a request of the supervisor and returns what is answered.
func (c *Client) await(ctx context.Context, what string, request func(chan<- messages.Answered) any) (messages.Answered, error) {
	var none messages.Answered
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("holdfast: %s was not begun: %w", what, err)
	}
	answer := make(chan messages.Answered, 1)
	if !c.tell(request(answer)) {
		return none, c.notAllowed()
	}
	lost := time.NewTimer(callBound)
	defer lost.Stop()
	select {
	case a := <-answer:
		return a, nil
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
// for. It does nothing on a client that is not running. On Linux the client itself
// learns that the network is back, see [NetworkConfig].
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
