package bootstrap

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/outcome"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/messages"
)

// bs is the path of Bootstrap-Request and Bootstrap-Finish.
const bs = "bs"

// noDetails stands for the empty diagnostic payload of a 4.00, with which some
// servers refuse certificates.
const noDetails = "no details"

// Causes of a failure of class budget: limits that a person can raise, and those
// that nobody can.
var (
	errBudget   = errors.New("the bootstrap delivers more than limits.bootstrap_bytes")
	errTooLarge = errors.New("the bootstrap delivers more than can be stored")
)

// budgetError words a limit of what is stored.
func budgetError(err error) error {
	var limit *accounts.LimitError
	if errors.As(err, &limit) && limit.Measure == accounts.MeasureBytes {
		return fmt.Errorf("%w: %w", errBudget, err)
	}
	return fmt.Errorf("%w: %w", errTooLarge, err)
}

// sendRequest sends a Bootstrap-Request (LwM2M Core section 6.1.7) in a new
// exchange.
func (m *Machine) sendRequest() []core.Effect {
	m.state, m.echoed = Requesting, false
	var preferred *messages.Format
	if !m.plain {
		preferred = new(messages.FormatSenMLCBOR)
	}
	return m.send(requests.Bootstrap(m.begin.Account.URI, m.begin.Endpoint, preferred))
}

// send hands a request to coapresend under a new ID, so that an answer to the
// former one is dropped.
func (m *Machine) send(r messages.Request) []core.Effect {
	m.request++
	r.Epoch, r.ID = m.begin.Epoch, m.request
	m.last = r
	return []core.Effect{core.Tell{To: core.Link, Message: r}}
}

// repeatWithEcho answers a freshness challenge, once (RFC 9175 section 2.3).
func (m *Machine) repeatWithEcho(echo []byte) []core.Effect {
	m.echoed = true
	return m.send(requests.WithEcho(m.last, echo))
}

// response judges the answer to the Bootstrap-Request.
func (m *Machine) response(now time.Time, in messages.Response) []core.Effect {
	switch {
	case m.state != Requesting:
		return nil
	case in.Code == messages.Changed:
		return m.opened(now)
	case in.Code == messages.UnsupportedFormat && !m.plain:
		m.plain = true
		return m.sendRequest()
	case outcome.Challenged(in) && !m.echoed:
		return m.repeatWithEcho(in.Echo)
	}
	return m.fail(rejected(in))
}

// opened begins the session, from the configuration as it was.
func (m *Machine) opened(now time.Time) []core.Effect {
	m.state, m.session = Open, newTransaction(m.begin, m.config, m.plain)
	effects := []core.Effect{core.StopTimer{Timer: timerAttempt}}
	effects = append(effects, m.heard(now)...)
	return append(effects, m.tell(messages.BootstrapStarted{Epoch: m.begin.Epoch}))
}

// requestFailed judges an exchange that brought no answer. Exhausted resends
// end one exchange, not the attempt: while its budget lasts another follows,
// with a new message ID and token.
func (m *Machine) requestFailed(now time.Time, in messages.RequestFailed) []core.Effect {
	switch {
	case m.state != Requesting:
		return nil
	case in.Reason == messages.Exhausted && now.Before(m.deadline):
		return m.sendRequest()
	}
	return m.fail(outcome.Unanswered(in.Reason, messages.ClassTimeout))
}

// rejected makes a failure of an answer that is no 2.04.
func rejected(in messages.Response) messages.Failure {
	f := outcome.Rejected(in)
	if f.Detail == "" && in.Code == messages.BadRequest {
		f.Detail = noDetails
	}
	return f
}

// fail ends the incarnation with one report. The copy that the server worked
// on is dropped: that is the whole rollback.
func (m *Machine) fail(f messages.Failure) []core.Effect {
	f.Phase, f.Peer, f.Epoch = messages.PhaseBootstrap, m.begin.Account.Peer, m.begin.Epoch
	m.state, m.session, m.result = Failed, nil, nil
	return []core.Effect{
		core.StopTimer{Timer: timerAttempt},
		core.StopTimer{Timer: timerSilence},
		m.tell(messages.Failed{Failure: f}),
	}
}
