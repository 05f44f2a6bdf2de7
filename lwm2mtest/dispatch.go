package lwm2mtest

import (
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// call is one request of a client on its way through the server.
type call struct {
	peer     *peer
	request  coap.Message
	body     []byte
	kind     Kind
	endpoint string
	key      string // of the location that an Update or de-registration names
	location string // for the history
	file     string // name of the one that a GET fetches
}

// handle processes a complete request and answers it. The lock is held.
func (s *Server) handle(b *batch, r *reply, body []byte) {
	if a, later := r.peer.laterBlock(r.request); later {
		r.send(b, a)
		return
	}
	c := s.classify(r.peer, r.request)
	c.body = body
	if c.kind == Fetch {
		s.fetch(b, r, c)
		return
	}
	f := s.behaviour(c.endpoint, c.kind)
	var a answer
	if f.processes() {
		a = s.process(c)
	}
	s.record(Record{
		Kind: c.kind, Endpoint: c.endpoint, Location: c.location, Query: r.request.Query(),
		Format: r.request.Format(coap.ContentFormat), Payload: body,
		Remote: r.peer.remote, Identity: r.peer.identity, Answer: f.answered(a),
	})
	if a.format != nil && f.processes() {
		a = r.peer.inBlocks(r.request, a)
	}
	if c.kind == BootstrapRequest && a.code == lwm2m.CodeChanged {
		r.then = func(b *batch) { s.startBootstrap(b, c) }
	}
	r.give(b, a, f)
}

// classify tells what a request is and whose. The lock is held.
func (s *Server) classify(p *peer, m coap.Message) *call {
	c := &call{peer: p, request: m, kind: Other}
	path := m.Path()
	last := ""
	if len(path) > 0 {
		last = path[len(path)-1]
	}
	kind, enrols := s.enrolmentKind(p, m)
	switch {
	case enrols:
		c.kind, c.endpoint = kind, p.identity
	case p.service.role == servesEnrolment:
	case p.service.role == servesBootstrap && m.Code == lwm2m.CodePOST && last == "bs":
		c.kind, c.endpoint = BootstrapRequest, queryOr(m, "ep", p.identity)
	case p.service.role == servesBootstrap:
	case m.Code == lwm2m.CodeGET && s.fetches(p, path):
		c.kind, c.endpoint, c.file = Fetch, s.endpointOf(p), fetchedName(path)
	case p.service.role == servesFiles:
	case m.Code == lwm2m.CodePOST && last == "rd":
		c.kind, c.endpoint = Register, queryOr(m, "ep", p.identity)
	case m.Code == lwm2m.CodePOST && last == "dp":
		c.kind, c.endpoint = Send, s.endpointOf(p)
	default:
		s.classifyLocation(c, path)
	}
	return c
}

// classifyLocation recognises Update and de-registration, also of locations
// that are not, or no longer, known.
func (s *Server) classifyLocation(c *call, path []string) {
	key := locationKey(path)
	r, former := s.registrations[key], s.former[key]
	if r == nil && former == "" && !slices.Contains(path, "rd") {
		return
	}
	switch c.request.Code {
	case lwm2m.CodePOST:
		c.kind = Update
	case lwm2m.CodeDELETE:
		c.kind = Deregister
	default:
		return
	}
	c.key, c.location, c.endpoint = key, strings.Join(path, "/"), former
	if r != nil {
		c.endpoint = r.Endpoint
	}
}

// fetches reports whether a GET is for a file: all of them are where only files are served.
func (s *Server) fetches(p *peer, path []string) bool {
	name := fetchedName(path)
	return name != "" && (p.service.role == servesFiles || s.hasFile(name))
}

// endpointOf returns the endpoint that is registered from a peer.
func (s *Server) endpointOf(p *peer) string {
	for endpoint, r := range s.endpoints {
		if r.peer == p {
			return endpoint
		}
	}
	return ""
}

// process does what a well-behaved server does. The lock is held.
func (s *Server) process(c *call) answer {
	switch c.kind {
	case Register:
		return s.register(c)
	case Update:
		return s.update(c)
	case Deregister:
		return s.deregister(c)
	case BootstrapRequest:
		return s.bootstrapRequest(c)
	case Send:
		return c.send()
	case DiscoverEnrolment, Authorities, Enrol, Reenrol:
		return s.enrolment(c)
	}
	return answer{code: lwm2m.CodeNotFound}
}
