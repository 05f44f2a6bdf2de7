package control

import (
	"encoding/json"
	"io"
	"net"
	"net/http"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/localaddr"
)

// guarded lets only those requests through that a program on this machine has
// made: not those that a page in a browser makes here, by its own origin or by
// a name of its own that it has made point here (DNS rebinding).
func (s *Server) guarded(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return s.counted(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hostAllowed(r) {
			answer(w, http.StatusMisdirectedRequest, callAnswer{Detail: "the Host header names no loopback address"})
			return
		}
		next.ServeHTTP(w, r)
	}))
}

// counted lets requests through until the API ends, and bounds their bodies.
func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		leave, ok := s.enter(r)
		if !ok {
			answer(w, http.StatusServiceUnavailable, callAnswer{Detail: "the client is closed"})
			return
		}
		defer leave()
		if !bodyRead(w, r) {
			answer(w, http.StatusRequestEntityTooLarge, callAnswer{Detail: "the request has a body of more than 4 KiB"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// enter counts a request on a connection of the API, which waits for it when it
// ends. Those of another HTTP server are that server's to wait for.
func (s *Server) enter(r *http.Request) (leave func(), ok bool) {
	if _, own := r.Context().Value(connKey{}).(*doorConn); !own {
		return func() {}, true
	}
	return s.requests.leave, s.requests.begin()
}

// hostAllowed reports whether a request is addressed to loopback. On a unix
// socket the header means nothing: no browser gets there.
func hostAllowed(r *http.Request) bool {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && local.Network() == "unix" {
		return true
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	return localaddr.IsLoopback(host)
}

// bodyRead discards a request's body, so that the connection can be used again.
// It comes before the request takes room: a slow sender holds up nobody.
func bodyRead(w http.ResponseWriter, r *http.Request) bool {
	_, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
	return err == nil
}

// callAnswer is the answer to a call, and what says why there is none.
type callAnswer struct {
	OK     bool               `json:"ok"`
	Code   holdfast.ErrorCode `json:"code,omitempty"`
	Name   string             `json:"name,omitempty"`
	Detail string             `json:"detail,omitempty"`
	Remedy string             `json:"remedy,omitempty"`

	// Of a call that was carried out: the newest event by then, the state, and the
	// servers whose answers it waits for. What comes of it are later events.
	Seq     uint64         `json:"seq,omitempty"`
	State   holdfast.State `json:"state,omitempty"`
	Servers []string       `json:"servers,omitempty"`
}

// answer writes one JSON value.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // whoever asked has gone
}
