package control

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// statusAnswer is the answer to GET /v1/status.
type statusAnswer struct {
	Time        time.Time             `json:"time"`
	Endpoint    string                `json:"endpoint"`
	State       holdfast.State        `json:"state"`
	Since       time.Time             `json:"since,omitzero"`
	Registered  bool                  `json:"registered"`
	Events      uint64                `json:"events"`
	Dropped     uint64                `json:"dropped"`
	Trouble     *holdfast.Trouble     `json:"trouble,omitempty"`
	Connections []holdfast.Connection `json:"connections"`

	Firmware *holdfast.FirmwareStatus `json:"firmware,omitempty"`
	Network  *holdfast.NetworkStatus  `json:"network,omitempty"`
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	status := s.client.Status()
	e := s.client.Explain()
	answer(w, http.StatusOK, statusAnswer{
		Time: e.Time, Endpoint: e.Endpoint, State: e.State, Since: e.Since, Registered: e.State == holdfast.Registered,
		Events: status.Events, Dropped: status.Dropped, Trouble: e.Trouble, Connections: e.Connections, Firmware: e.Firmware, Network: e.Network,
	})
}

// explain answers with JSON, or with text for a person who asks for it.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	e := s.client.Explain()
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
