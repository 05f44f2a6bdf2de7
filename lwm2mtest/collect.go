package lwm2mtest

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Telling is how a client has told the server a value.
type Telling uint8

// The ways.
const (
	ByRead         Telling = iota + 1 // in the answer to a Read or a Read-Composite
	ByObserve                         // in the answer to the request that observes, or that cancels
	ByNotification                    // by a notification that the server has acknowledged, or that wants no acknowledgement
	BySend                            // by a Send that was answered 2.04
)

// String returns the way in a word.
func (t Telling) String() string {
	names := [...]string{"invalid", "read", "observe", "notification", "send"}
	if int(t) < len(names) {
		return names[t]
	}
	return names[0]
}

// Told is a value of a resource that a client has told the server.
type Told struct {
	Time     time.Time
	Endpoint string
	By       Telling
	Path     lwm2m.Path
	Value    lwm2m.Value
}

// Collection is what clients have told the server of certain resources since
// [Server.Collect], in the order in which the server has taken it: also across
// registrations, restarts of the client, and services of the server.
type Collection struct {
	server   *Server
	registry *lwm2m.Registry
	paths    []lwm2m.Path

	// The server's lock guards the rest.
	told []Told
	err  error
}

// Collect collects from now on what clients tell of these resources, by themselves or as a part
// of something larger. The registry gives the types that a format does not tell.
func (s *Server) Collect(registry *lwm2m.Registry, paths ...lwm2m.Path) *Collection {
	c := &Collection{server: s, registry: registry, paths: paths}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collections = append(s.collections, c)
	return c
}

// All returns what was collected so far, oldest first. [Server.Await] asks anew when there
// is more.
func (c *Collection) All() []Told {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	return slices.Clone(c.told)
}

// Of returns the values of one resource of an endpoint, oldest first; of all endpoints when it
// is empty.
func (c *Collection) Of(endpoint string, path lwm2m.Path) []lwm2m.Value {
	var values []lwm2m.Value
	for _, t := range c.All() {
		if t.Path == path && (endpoint == "" || t.Endpoint == endpoint) {
			values = append(values, t.Value)
		}
	}
	return values
}

// Err returns why something could not be decoded that was about one of the resources, or about
// something larger; nil when nothing was.
func (c *Collection) Err() error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	return c.err
}

// content is a body that a client has sent about a path.
type content struct {
	endpoint string
	by       Telling
	path     string
	format   *lwm2m.Format
	body     []byte
}

// collect gives a body to all collections. The lock is held.
func (s *Server) collect(in content) {
	for _, c := range s.collections {
		if err := c.take(in); err != nil && c.err == nil {
			c.err = err
		}
	}
	if len(s.collections) > 0 {
		s.notify()
	}
}

// take decodes a body that may have one of the resources.
func (c *Collection) take(in content) error {
	target, err := lwm2m.ParsePath(in.path)
	if err != nil || !slices.ContainsFunc(c.paths, func(p lwm2m.Path) bool { return under(p, target) }) {
		return err
	}
	if in.format == nil {
		return &FormatError{}
	}
	if in.by == BySend {
		sent, err := samples(*in.format, in.body, time.Now(), c.registry)
		for _, s := range sent {
			c.add(in, s.Payload.Nodes)
		}
		return err
	}
	payload, err := decode(*in.format, target, in.body, c.registry)
	c.add(in, payload.Nodes)
	return err
}

// under reports whether a resource is at or below a path.
func under(p, target lwm2m.Path) bool {
	return target.Len() == 0 || p == target || strings.HasPrefix(p.String(), target.String()+"/")
}

func (c *Collection) add(in content, nodes []lwm2m.Node) {
	for _, n := range nodes {
		if slices.Contains(c.paths, n.Path) {
			c.told = append(c.told, Told{time.Now(), in.endpoint, in.by, n.Path, n.Value})
		}
	}
}

// collectAnswer collects what answers a request; what came in several blocks when the last is
// there. The lock is held.
func (p *peer) collectAnswer(x *exchange, m coap.Message) {
	if len(p.server.collections) == 0 || m.Code != lwm2m.CodeContent || m.Has(coap.Block2) {
		return
	}
	request, err := coap.Decode(x.datagram)
	if err != nil {
		return // cannot be: it is the server's own
	}
	r := Request{Method: request.Code, Path: strings.Join(request.Path(), "/"), Observe: request.OptionalUint(coap.Observe)}
	p.collectBody(r, m, m.Payload)
}

// collectBlocks is collectAnswer for what came in several blocks.
func (p *peer) collectBlocks(r Request, m coap.Message, body []byte) {
	if !m.Has(coap.Block2) || m.Code != lwm2m.CodeContent {
		return
	}
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.collectBody(r, m, body)
}

// collectBody runs with the lock held.
func (p *peer) collectBody(r Request, m coap.Message, body []byte) {
	format := m.Format(coap.ContentFormat)
	if r.Method != lwm2m.CodeGET && r.Method != lwm2m.CodeFETCH || format == nil || *format == lwm2m.FormatLinkFormat {
		return
	}
	by := ByRead
	if r.Observe != nil {
		by = ByObserve
	}
	path := "/" + strings.Trim(r.Path, "/")
	p.server.collect(content{endpoint: p.server.endpointOf(p), by: by, path: path, format: format, body: body})
}

// collectNotification runs with the lock held.
func (o *ObserveRelation) collectNotification(m coap.Message, body []byte) {
	if m.Code.IsSuccess() {
		path := "/" + strings.Trim(o.request.Path, "/")
		o.server.collect(content{o.Endpoint, ByNotification, path, m.Format(coap.ContentFormat), body})
	}
}
