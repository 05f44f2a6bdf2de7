package holdfast

import (
	"context"
	"errors"
	"net/http"

	"github.com/holdfast-iot/holdfast/messages"
)

// controlCall is a call of the API, and what a person can do when it is
// refused.
type controlCall struct {
	call   messages.Call
	remedy string
}

var controlCalls = []controlCall{
	{messages.CallUpdate, "An update needs a registration, and a server that has not asked for a pause. Wait until the client is registered; explain says what it waits for."},
	{messages.CallReconnect, "The client is paused, or ends: resume it first."},
	{messages.CallBootstrap, "A bootstrap needs a bootstrap account, and none under way; and its server must not have asked for a pause. explain says what the client waits for."},
	{messages.CallFactoryReset, "The store failed and nothing has changed: check the disk under the state directory, then try again."},
	{messages.CallPause, "The client is paused already, or ends."},
	{messages.CallResume, "The client is not paused."},
}

// call makes one call and answers when it has taken effect.
func (c *control) call(w http.ResponseWriter, r *http.Request, call controlCall) {
	ctx, cancel := context.WithTimeout(r.Context(), controlCallTimeout)
	defer cancel()
	err := c.client.call(ctx, call.call)
	if err == nil {
		answer(w, http.StatusOK, controlAnswer{OK: true})
		return
	}
	status, body := refusal(err)
	body.Remedy = call.remedy
	answer(w, status, body)
}

// refusal translates the error of a call: what the state does not allow is a
// conflict.
func refusal(err error) (status int, body controlAnswer) {
	var coded *Error
	if !errors.As(err, &coded) {
		return http.StatusGatewayTimeout, controlAnswer{Detail: "the client did not answer in time"}
	}
	body = controlAnswer{Code: coded.Code, Name: coded.Code.String()}
	if coded.Err != nil {
		body.Detail = coded.Err.Error()
	}
	if errors.Is(err, ErrNotAllowed) || errors.Is(err, ErrNotRegistered) {
		return http.StatusConflict, body
	}
	return http.StatusInternalServerError, body
}

// closeClient de-registers and stops the client. It answers before the API
// itself ends: Close waits for the requests under way.
func (c *control) closeClient(w http.ResponseWriter, _ *http.Request) {
	go func() { _ = c.client.Close(context.Background()) }() // it outlives this request, and its result is read below
	<-c.client.left
	body := controlAnswer{OK: true}
	if err := c.client.result; err != nil {
		_, body = refusal(err)
		body.OK = true
	}
	answer(w, http.StatusOK, body)
}
