package systemtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/control"
)

// Ask makes one request of a client's control API, without a socket.
func (c *Client) Ask(method, path string) *httptest.ResponseRecorder {
	c.T.Helper()
	request := httptest.NewRequest(method, "http://localhost"+path, http.NoBody)
	recorder := httptest.NewRecorder()
	c.API().ServeHTTP(recorder, request)
	return recorder
}

// API returns the control API of the client, which listens nowhere.
func (c *Client) API() *control.Server {
	c.T.Helper()
	c.attach.Do(func() {
		api, err := control.Attach(c.Client, control.Config{})
		if err != nil {
			c.T.Fatal(err)
		}
		c.api = api
	})
	return c.api
}

// Object decodes an answer that is a JSON object.
func Object(t *testing.T, recorder *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
		t.Fatalf("%q: %v", recorder.Body, err)
	}
	return got
}

// Post makes a call and returns the status and the name in the answer.
func (c *Client) Post(call string) (status int, name string) {
	c.T.Helper()
	recorder := c.Ask(http.MethodPost, "/v1/"+call)
	name, _ = Object(c.T, recorder)["name"].(string)
	return recorder.Code, name
}

// State is the state that the client's status shows.
func (c *Client) State() holdfast.State { return c.Status().State }

// Scrape returns the lines of GET /metrics that are no comments.
func (c *Client) Scrape() []string {
	c.T.Helper()
	recorder := c.Ask(http.MethodGet, "/metrics")
	if kind := recorder.Header().Get("Content-Type"); recorder.Code != http.StatusOK || !strings.HasPrefix(kind, "text/plain") {
		c.T.Fatalf("%d %s: %s", recorder.Code, kind, recorder.Body)
	}
	lines := strings.Split(strings.TrimSpace(recorder.Body.String()), "\n")
	return slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "#") })
}

// ExpectMetrics demands that the metrics have certain lines.
func (c *Client) ExpectMetrics(want ...string) {
	c.T.Helper()
	got := c.Scrape()
	for _, line := range want {
		if !slices.Contains(got, line) {
			c.T.Errorf("no line %s in\n%s", line, strings.Join(got, "\n"))
		}
	}
}
