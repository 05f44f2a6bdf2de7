package control

import (
	"context"
	"errors"
	"net/http"

	"github.com/holdfast-iot/holdfast"
)

// clientCall is a call of the API, and what a person can do when it is refused.
type clientCall struct {
	name   string
	do     func(c *holdfast.Client, ctx context.Context) error
	remedy string
}

var calls = []clientCall{
	{"update", (*holdfast.Client).RegisterUpdate, "An update needs a registration, and a server that has not asked for a pause. Wait until the client is registered; explain says what it waits for."},
	{"reconnect", (*holdfast.Client).Reconnect, "The client is paused, or ends: resume it first."},
	{"bootstrap", (*holdfast.Client).Bootstrap, "A bootstrap needs a bootstrap account, and none under way; and its server must not have asked for a pause. explain says what the client waits for."},
	{"factory-reset", (*holdfast.Client).FactoryReset, "The store failed and nothing has changed: check the disk under the state directory, then try again."},
	{"pause", (*holdfast.Client).Pause, "The client is paused already, or ends."},
	{"resume", (*holdfast.Client).Resume, "The client is not paused."},
}

// call makes one call and answers when it has taken effect.
func (s *Server) call(w http.ResponseWriter, r *http.Request, call clientCall) {
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	err := call.do(s.client, ctx)
	if err == nil {
		answer(w, http.StatusOK, callAnswer{OK: true})
		return
	}
	status, body := refusal(err)
	body.Remedy = call.remedy
	answer(w, status, body)
}

// refusal translates the error of a call: what the state does not allow is a
// conflict.
func refusal(err error) (status int, body callAnswer) {
	var coded *holdfast.Error
	if !errors.As(err, &coded) {
		return http.StatusGatewayTimeout, callAnswer{Detail: "the client did not answer in time"}
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
// itself ends: that waits for the requests under way.
func (s *Server) closeClient(w http.ResponseWriter, _ *http.Request) {
	body := callAnswer{OK: true}
	if err := s.view.Close(); err != nil {
		_, body = refusal(err)
		body.OK = true
	}
	answer(w, http.StatusOK, body)
}
