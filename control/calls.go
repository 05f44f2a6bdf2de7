package control

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/messages"
)

// clientCall is a call of the API, and what a person can do when it is refused.
type clientCall struct {
	call   messages.Call
	remedy string
}

var calls = []clientCall{
	{messages.CallUpdate, "An update needs a registration, and a server that has not asked for a pause. Wait until the client is registered; explain says what it waits for."},
	{messages.CallReconnect, "The client is paused, or ends: resume it first."},
	{messages.CallBootstrap, "A bootstrap needs a bootstrap account, and none under way; and its server must not have asked for a pause. explain says what the client waits for."},
	{messages.CallFactoryReset, "The store failed and nothing has changed: check the disk under the state directory, then try again."},
	{messages.CallPause, "The client is paused already, or ends."},
	{messages.CallResume, "The client is not paused."},
}

// call makes one call and answers when it has been carried out.
func (s *Server) call(w http.ResponseWriter, r *http.Request, c clientCall) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), callTimeout, errTooLate)
	defer cancel()
	answered, err := s.ask(ctx, func(ctx context.Context) (messages.Answered, error) { return s.view.Call(ctx, c.call) })
	if err == nil {
		answer(w, http.StatusOK, callAnswer{OK: true, Seq: answered.Seq, State: s.client.Status().State, Servers: answered.Servers})
		return
	}
	status, body := refusal(err)
	body.Remedy = c.remedy
	answer(w, status, body)
}

// decisions are what the gateway can answer when it is asked about an update.
var decisions = []holdfast.FirmwareDecision{holdfast.FirmwareGrant, holdfast.FirmwareRefuse, holdfast.FirmwareDefer}

const firmwareRemedy = "The gateway is asked before a download and before an installation with firmware.authorise: ask; status and explain say when it is."

// authorise answers for the gateway whether an update goes on.
func (s *Server) authorise(w http.ResponseWriter, r *http.Request, decision holdfast.FirmwareDecision) {
	var period time.Duration
	if text := r.URL.Query().Get("for"); text != "" {
		var err error
		if period, err = time.ParseDuration(text); err != nil || period <= 0 || decision != holdfast.FirmwareDefer {
			answer(w, http.StatusBadRequest, callAnswer{Detail: "for is the duration of a deferral, such as 90m"})
			return
		}
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), callTimeout, errTooLate)
	defer cancel()
	_, err := s.ask(ctx, func(ctx context.Context) (messages.Answered, error) {
		return messages.Answered{}, s.client.AuthoriseFirmware(ctx, decision, period)
	})
	if err == nil {
		status := s.client.Status()
		answer(w, http.StatusOK, callAnswer{OK: true, Seq: status.Events, State: status.State})
		return
	}
	status, body := refusal(err)
	body.Remedy = firmwareRemedy
	answer(w, status, body)
}

// outcome is what came of a call of the client.
type outcome struct {
	messages.Answered
	err error
}

// ask makes a call. It may wait for the disk; but when the answer does not come soon
// because an actor is stalled, that is the answer.
func (s *Server) ask(ctx context.Context, call func(context.Context) (messages.Answered, error)) (messages.Answered, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	result := make(chan outcome, 1)
	go func() {
		answered, err := call(ctx)
		result <- outcome{answered, err}
	}()
	soon := time.NewTimer(patience)
	defer soon.Stop()
	select {
	case o := <-result:
		return o.Answered, o.err
	case <-soon.C:
	}
	if alive := s.alive(ctx); !alive.OK {
		cancel(&stalledError{alive.Silent})
	}
	o := <-result
	if cause := context.Cause(ctx); cause != nil && o.err != nil && errors.Is(o.err, ctx.Err()) {
		o.err = cause
	}
	return o.Answered, o.err
}

// errTooLate says that a call has not been carried out in time, although every
// actor answers.
var errTooLate = errors.New("the client did not answer in time; what was asked for may still be done")

// stalledError says which actors a call has been waiting for.
type stalledError struct{ silent []string }

// Error returns a sentence for a person.
func (e *stalledError) Error() string {
	return "the client hangs: no answer from " + strings.Join(e.silent, ", ") + "; what was asked for may still be done"
}

// refusal translates the error of a call: what the state does not allow is a
// conflict.
func refusal(err error) (status int, body callAnswer) {
	var coded *holdfast.Error
	if !errors.As(err, &coded) {
		return http.StatusGatewayTimeout, callAnswer{Detail: err.Error()}
	}
	body = callAnswer{Code: coded.Code, Name: coded.Code.String()}
	if coded.Err != nil {
		body.Detail = coded.Err.Error()
	}
	if errors.Is(err, holdfast.ErrNotAllowed) || errors.Is(err, holdfast.ErrNotRegistered) {
		return http.StatusConflict, body
	}
	return http.StatusInternalServerError, body
}

// closeClient de-registers and stops the client. It answers before the API
// itself ends: that waits for the requests under way. Where the teardown takes
// longer than it may, that is the answer, and it goes on.
func (s *Server) closeClient(w http.ResponseWriter, _ *http.Request) {
	result := make(chan error, 1)
	go func() { result <- s.view.Close() }()
	late := time.NewTimer(closeWait)
	defer late.Stop()
	select {
	case err := <-result:
		body := callAnswer{OK: true}
		if err != nil {
			_, body = refusal(err)
			body.OK = true
		}
		answer(w, http.StatusOK, body)
	case <-late.C:
		answer(w, http.StatusGatewayTimeout, callAnswer{Detail: "the client has not stopped in time, and goes on stopping: an actor hangs"})
	}
}
