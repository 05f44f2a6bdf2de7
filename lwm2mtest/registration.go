package lwm2mtest

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/linkformat"
)

// Registration is what the server knows of a registered endpoint.
type Registration struct {
	Endpoint   string
	Location   []string      // one element for each Location-Path option
	Version    string        // LwM2M version offered; "1.0" when none was
	Lifetime   time.Duration // 0 is infinite
	Binding    string
	Queue      bool     // queue mode: the client sleeps between messages
	Query      []string // of the Register
	Objects    []byte   // link-format payload of the Register or the last Update that had one
	Remote     netip.AddrPort
	Identity   string // proved by DTLS
	Registered time.Time
	Updated    time.Time // last Register or Update
}

// registration is a Registration in force. The server's lock guards it.
type registration struct {
	Registration
	key    string
	peer   *peer
	expiry *timer
	// observations are those of the endpoint, by token.
	observations map[string]*ObserveRelation
}

// defaultLifetime is assumed when a Register has no lt (LwM2M Core, Register).
const defaultLifetime = 86400 * time.Second

// Registered reports whether the endpoint is registered.
func (s *Server) Registered(endpoint string) bool {
	_, ok := s.Registration(endpoint)
	return ok
}

// Endpoints returns the endpoints that are registered, sorted.
func (s *Server) Endpoints() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.endpoints))
}

// Registration returns an endpoint's registration.
func (s *Server) Registration(endpoint string) (Registration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.endpoints[endpoint]
	if !ok {
		return Registration{}, false
	}
	return r.Registration, true
}

// Awake reports whether an endpoint can be reached now, and the instant until which a
// client in queue mode keeps listening after its last message, by ServerOptions.AwakeWindow:
// when it is asleep, that instant has passed. It is zero for a client that is always
// awake, and for an endpoint that is not registered, which is not awake.
func (s *Server) Awake(endpoint string) (awake bool, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.endpoints[endpoint]
	switch {
	case r == nil:
		return false, time.Time{}
	case !r.Queue:
		return true, time.Time{}
	}
	until = r.peer.lastSeen.Add(s.opts.AwakeWindow)
	return time.Now().Before(until), until
}

// WaitAwake waits until the endpoint is registered and can be reached: a client in
// queue mode sends a message when it wakes (LwM2M Core, Queue Mode Operation).
func (s *Server) WaitAwake(ctx context.Context, endpoint string) error {
	return s.Await(ctx, func() bool {
		awake, _ := s.Awake(endpoint)
		return awake
	})
}

// Forget forgets all registrations without telling anybody, as a server that
// has lost its memory does: Updates are answered 4.04. DTLS sessions and the
// history stay.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.endpoints {
		s.remove(r)
	}
	s.notify()
}

// ForgetSessions drops the DTLS sessions of all services without a word. See
// [Service.ForgetSessions].
func (s *Server) ForgetSessions() {
	s.mu.Lock()
	services := make([]*Service, 0, len(s.services))
	for v := range s.services {
		services = append(services, v)
	}
	s.mu.Unlock()
	for _, v := range services {
		v.ForgetSessions()
	}
}

// remove takes a registration out. The lock is held.
func (s *Server) remove(r *registration) {
	s.stop(r.expiry)
	for _, o := range r.observations {
		o.end(ErrRegistrationEnded)
	}
	delete(s.endpoints, r.Endpoint)
	delete(s.registrations, r.key)
	s.former[r.key] = r.Endpoint
}

// arm starts the lifetime of a registration anew. The lock is held.
func (s *Server) arm(r *registration) {
	s.stop(r.expiry)
	r.Updated = time.Now()
	if r.Lifetime == 0 {
		return
	}
	r.expiry = s.after(r.Lifetime, func(*batch) {
		s.remove(r)
		s.record(Record{Kind: Expired, Endpoint: r.Endpoint, Location: strings.Join(r.Location, "/"), Remote: r.Remote})
	})
}

// register processes a Register (LwM2M Core, Register). The lock is held.
func (s *Server) register(c *call) answer {
	lifetime, ok := parseLifetime(c.request, defaultLifetime)
	if c.endpoint == "" || !ok || !c.validObjects() {
		return answer{code: lwm2m.CodeBadRequest}
	}
	version := queryOr(c.request, "lwm2m", "1.0")
	if !slices.Contains(s.opts.Versions, version) {
		return answer{code: lwm2m.CodePreconditionFailed}
	}
	if old := s.endpoints[c.endpoint]; old != nil {
		s.remove(old)
	}
	s.located++
	location := s.opts.Location(c.endpoint, s.located)
	r := &registration{key: locationKey(location), peer: c.peer, Registration: Registration{
		Endpoint: c.endpoint, Location: location, Version: version, Lifetime: lifetime,
		Query: c.request.Query(), Objects: c.body,
		Remote: c.peer.remote, Identity: c.peer.identity, Registered: time.Now(),
	}, observations: make(map[string]*ObserveRelation)}
	_, r.Queue = query(c.request, "Q")
	r.bind(c.request, "U")
	s.endpoints[c.endpoint], s.registrations[r.key] = r, r
	s.arm(r)
	c.location = strings.Join(location, "/")
	return answer{code: lwm2m.CodeCreated, location: location}
}

// bind takes the binding of a Register or Update. Queue mode is a part of it in LwM2M
// 1.0, "UQ"; since 1.1 it is a parameter of the Register, Q, which no Update changes.
func (r *registration) bind(m coap.Message, otherwise string) {
	r.Binding = queryOr(m, "b", otherwise)
	if r.Version == "1.0" {
		r.Queue = strings.Contains(r.Binding, "Q")
	}
}

// isOf reports whether a peer is who registered: by what DTLS proved, without DTLS
// by its IP address.
func (r *registration) isOf(p *peer) bool {
	if r.Identity != "" || p.identity != "" {
		return r.Identity == p.identity
	}
	return p.server.opts.Roaming || r.Remote.Addr() == p.remote.Addr()
}

// update processes an Update. The lock is held.
func (s *Server) update(c *call) answer {
	r := s.registrations[c.key]
	if r == nil || !r.isOf(c.peer) {
		return answer{code: lwm2m.CodeNotFound}
	}
	lifetime, ok := parseLifetime(c.request, r.Lifetime)
	if !ok || (len(c.body) > 0 && !c.validObjects()) {
		return answer{code: lwm2m.CodeBadRequest}
	}
	r.Lifetime, r.peer, r.Remote = lifetime, c.peer, c.peer.remote
	r.bind(c.request, r.Binding)
	if len(c.body) > 0 {
		r.Objects = c.body
	}
	s.arm(r)
	return answer{code: lwm2m.CodeChanged}
}

// deregister processes a de-registration. The lock is held.
func (s *Server) deregister(c *call) answer {
	r := s.registrations[c.key]
	if r == nil || !r.isOf(c.peer) {
		return answer{code: lwm2m.CodeNotFound}
	}
	s.remove(r)
	return answer{code: lwm2m.CodeDeleted}
}

// validObjects reports whether the body is an object list that says so, and
// that names no object whose content is secret.
func (c *call) validObjects() bool {
	format := c.request.Format(coap.ContentFormat)
	if format == nil || *format != lwm2m.FormatLinkFormat {
		return false
	}
	all := len(c.body) + 1 // it is no longer than MaxBody
	list, err := linkformat.ParseRegistration(c.body, lwm2m.Limits{Bytes: all, Nodes: all})
	return err == nil && !slices.ContainsFunc(list.Objects, func(o linkformat.ObjectLink) bool {
		return linkformat.Hidden(o.ID)
	})
}

// locationKey joins Location-Path options without losing their borders.
func locationKey(segments []string) string { return strings.Join(segments, "\x00") }

// query returns the value of a query parameter.
func query(m coap.Message, name string) (string, bool) {
	for _, q := range m.Query() {
		if key, value, _ := strings.Cut(q, "="); key == name {
			return value, true
		}
	}
	return "", false
}

func queryOr(m coap.Message, name, otherwise string) string {
	if value, ok := query(m, name); ok {
		return value
	}
	return otherwise
}

// parseLifetime returns lt, in whole seconds.
func parseLifetime(m coap.Message, otherwise time.Duration) (time.Duration, bool) {
	text, ok := query(m, "lt")
	if !ok {
		return otherwise, true
	}
	seconds, err := strconv.ParseUint(text, 10, 32)
	return time.Duration(seconds) * time.Second, err == nil
}
