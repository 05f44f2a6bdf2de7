package holdfast

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// controlStatus is the answer to GET /v1/status.
type controlStatus struct {
	Time        time.Time    `json:"time"`
	Endpoint    string       `json:"endpoint"`
	State       State        `json:"state"`
	Since       time.Time    `json:"since,omitzero"`
	Registered  bool         `json:"registered"`
	Events      uint64       `json:"events"`
	Dropped     uint64       `json:"dropped"`
	Trouble     *Trouble     `json:"trouble,omitempty"`
	Connections []Connection `json:"connections"`
}

func (c *control) status(w http.ResponseWriter, _ *http.Request) {
	status := c.client.Status()
	e := c.client.Explain()
	answer(w, http.StatusOK, controlStatus{
		Time: e.Time, Endpoint: e.Endpoint, State: e.State, Since: e.Since, Registered: e.State == Registered,
		Events: status.Events, Dropped: status.Dropped, Trouble: e.Trouble, Connections: e.Connections,
	})
}

// explain answers with JSON, or with text for a person who asks for it.
func (c *control) explain(w http.ResponseWriter, r *http.Request) {
	e := c.client.Explain()
	if !wantsText(r) {
		answer(w, http.StatusOK, e)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(e.String())) // whoever asked has gone
}

func wantsText(r *http.Request) bool {
	switch r.URL.Query().Get("format") {
	case "text":
		return true
	case "json":
		return false
	}
	accepted := strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",")
	return slices.ContainsFunc(accepted, func(a string) bool {
		kind, _, _ := strings.Cut(a, ";")
		return strings.TrimSpace(kind) == "text/plain"
	})
}
