package control

import (
	"context"
	"net/http"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/messages"
)

// patience is how long an actor has to answer in one roll call.
const patience = 2 * time.Second

// liveness is the answer to GET /livez.
type liveness struct {
	OK     bool     `json:"ok"`
	Actors int      `json:"actors"`           // that were asked
	Silent []string `json:"silent,omitempty"` // those that did not answer
}

// livez reports whether every actor answers. An actor that is being replaced at
// that moment is no reason for alarm: silence counts when it is seen twice.
func (s *Server) livez(w http.ResponseWriter, r *http.Request) {
	result := s.alive(r.Context())
	if !result.OK {
		result = s.alive(r.Context())
	}
	status := http.StatusOK
	if !result.OK {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, result)
}

// alive pings all actors through their mailboxes.
func (s *Server) alive(ctx context.Context) liveness {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	actors, ok := s.view.RollCall(ctx)
	if !ok {
		return liveness{Actors: 1, Silent: []string{"supervisor"}}
	}
	return answered(ctx, actors)
}

// answered waits for the answers to a roll call. The supervisor has answered
// already, by the list.
func answered(ctx context.Context, list []messages.Pinged) liveness {
	result := liveness{OK: true, Actors: len(list) + 1}
	for _, pinged := range list {
		select {
		case <-pinged.Answer:
			continue
		default:
		}
		select {
		case <-pinged.Answer:
		case <-ctx.Done():
			result.OK = false
			result.Silent = append(result.Silent, pinged.Actor)
		}
	}
	return result
}

// readiness is the answer to GET /readyz.
type readiness struct {
	OK    bool           `json:"ok"`
	State holdfast.State `json:"state"`
}

// readyz reports whether the client is registered.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	state := s.client.Status().State
	if state != holdfast.Registered {
		answer(w, http.StatusServiceUnavailable, readiness{State: state})
		return
	}
	answer(w, http.StatusOK, readiness{OK: true, State: state})
}
