package holdfast_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/holdfast-iot/holdfast"
)

// ask makes one request of a client's control API, without a socket.
func (r *runner) ask(method, path string) *httptest.ResponseRecorder {
	r.t.Helper()
	request := httptest.NewRequest(method, "http://localhost"+path, http.NoBody)
	recorder := httptest.NewRecorder()
	r.ControlHandler().ServeHTTP(recorder, request)
	return recorder
}

// object decodes an answer that is a JSON object.
func object(t *testing.T, recorder *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
		t.Fatalf("%q: %v", recorder.Body, err)
	}
	return got
}

// post makes a call and returns the status and the name in the answer.
func (r *runner) post(call string) (status int, name string) {
	r.t.Helper()
	recorder := r.ask(http.MethodPost, "/v1/"+call)
	name, _ = object(r.t, recorder)["name"].(string)
	return recorder.Code, name
}

func (r *runner) state() holdfast.State { return r.Status().State }
