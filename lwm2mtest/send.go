package lwm2mtest

import (
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// send answers a Send (LwM2M Core section 6.4.5). What the client has sent is in the history,
// and [Record.Decode] reads it; another answer is a matter of [Server.Misbehave].
func (c *call) send() answer {
	format := c.request.Format(coap.ContentFormat)
	switch {
	case c.endpoint == "":
		return answer{code: lwm2m.CodeNotFound}
	case format == nil || !sendable(*format):
		return answer{code: lwm2m.CodeUnsupportedFormat}
	}
	if _, err := decode(*format, lwm2m.Path{}, c.body, nil); err != nil {
		return answer{code: lwm2m.CodeBadRequest}
	}
	return answer{code: lwm2m.CodeChanged}
}

// sendable reports whether a Send may have a format.
func sendable(f lwm2m.Format) bool {
	return f == lwm2m.FormatSenMLJSON || f == lwm2m.FormatSenMLCBOR
}

// Decode decodes what a client has sent (Send), with the types of the registry. The
// error is that of [Response.Decode].
func (r Record) Decode(registry *lwm2m.Registry) (lwm2m.Payload, error) {
	return Response{Format: r.Format, Payload: r.Payload}.Decode("/", registry)
}
