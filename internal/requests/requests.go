package requests

import (
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

// Version10 is the LwM2M version that knows neither a preferred content format
// nor Bootstrap-Read, and in which U is the default binding.
const Version10 = "1.0"

// MaxEndpoint is the longest endpoint client name, in bytes.
const MaxEndpoint = 64

// Register returns a Register (LwM2M Core section 6.2.1) with the object list
// as its payload. Path and query of the server's URI stand before ours. queue says
// that the client is in queue mode.
func Register(server uri.URI, endpoint, version string, lifetime time.Duration, queue bool, objects []byte) messages.Request {
	query := append(slices.Clone(server.Query), "ep="+endpoint, lifetimeQuery(lifetime), "lwm2m="+version)
	if queue || version != Version10 { // 1.0 has U as its default
		query = append(query, Binding(version, queue)...)
	}
	return messages.Request{
		Code:          messages.POST,
		Path:          below(server, "rd"),
		Query:         query,
		ContentFormat: new(messages.FormatLinkFormat),
		Payload:       objects,
	}
}

// below returns the path of a resource of the server. A slash at the end of the
// server's URI is the border to it, not an empty segment (RFC 3986 section 5.2.3).
func below(server uri.URI, resource string) []string {
	base := server.Path
	if n := len(base); n > 0 && base[n-1] == "" {
		base = base[:n-1]
	}
	return append(slices.Clone(base), resource)
}

// Binding returns the arguments that say how the client can be reached: over UDP, and
// whether it is in queue mode. In 1.0 that is part of the binding, later it is an
// argument of its own (sections 6.2.1 and 6.2.2).
func Binding(version string, queue bool) []string {
	switch {
	case !queue:
		return []string{"b=U"}
	case version == Version10:
		return []string{"b=UQ"}
	}
	return []string{"b=U", "Q"}
}

// SupportedBinding is what a client of a version says of itself in /3/0/16: UDP, and that it
// can be in queue mode, which later versions say apart (Appendix E.4).
func SupportedBinding(version string) string {
	if version == Version10 {
		return "UQ"
	}
	return "U"
}

// Update returns an Update (section 6.2.2) of a Location, with what has
// changed: a lifetime that is not nil, a [Binding], and an object list that is not nil.
func Update(location []string, lifetime *time.Duration, binding []string, objects []byte) messages.Request {
	r := messages.Request{Code: messages.POST, Path: location}
	if lifetime != nil {
		r.Query = []string{lifetimeQuery(*lifetime)}
	}
	r.Query = append(r.Query, binding...)
	if objects != nil {
		r.ContentFormat, r.Payload = new(messages.FormatLinkFormat), objects
	}
	return r
}

// Deregister returns a De-register (section 6.2.3) of a Location.
func Deregister(location []string) messages.Request {
	return messages.Request{Code: messages.DELETE, Path: location}
}

// Send returns a Send (section 6.4.6), below the path of the server's URI.
func Send(server uri.URI, format messages.Format, payload []byte) messages.Request {
	return messages.Request{
		Code: messages.POST, Path: below(server, "dp"), Query: slices.Clone(server.Query), ContentFormat: &format, Payload: payload,
	}
}

// Bootstrap returns a Bootstrap-Request (section 6.1.7), with the preferred
// content format unless that is nil.
func Bootstrap(server uri.URI, endpoint string, preferred *messages.Format) messages.Request {
	query := append(slices.Clone(server.Query), "ep="+endpoint)
	if preferred != nil {
		query = append(query, "pct="+strconv.Itoa(int(*preferred)))
	}
	return messages.Request{Code: messages.POST, Path: below(server, "bs"), Query: query}
}

// WithEcho returns a request that answers a freshness challenge (RFC 9175 section
// 2.3) with a copy of its Echo value.
func WithEcho(r messages.Request, echo []byte) messages.Request {
	r.Echo = slices.Clone(echo)
	return r
}

func lifetimeQuery(d time.Duration) string {
	return "lt=" + strconv.FormatInt(int64(d/time.Second), 10)
}

// moreOptions is how many options a request may get beside those of its URI:
// Accept, Echo, Content-Format, Block1 and Size1.
const moreOptions = 5

// Message returns a request as CoAP has it, but without type, message ID, token
// and payload, and without the options that describe a payload.
func Message(r messages.Request) coap.Message {
	msg := coap.Message{Code: r.Code, Options: make([]coap.Option, 0, len(r.Path)+len(r.Query)+moreOptions)}
	msg.AddStrings(coap.URIPath, r.Path)
	msg.AddStrings(coap.URIQuery, r.Query)
	msg.AddFormat(coap.Accept, r.Accept)
	if r.Echo != nil {
		msg.AddOption(coap.Echo, r.Echo)
	}
	return msg
}
