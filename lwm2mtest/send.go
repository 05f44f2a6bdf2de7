package lwm2mtest

import (
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
)

// send answers a Send (LwM2M Core section 6.4.6). What the client has sent is in the history,
// and [Record.Samples] reads it; another answer is a matter of [Server.Misbehave].
func (c *call) send() answer {
	format := c.request.Format(coap.ContentFormat)
	switch {
	case c.endpoint == "":
		return answer{code: lwm2m.CodeNotFound}
	case format == nil || !codec.Supports(codec.Send, *format):
		return answer{code: lwm2m.CodeUnsupportedFormat}
	}
	if _, err := samples(*format, c.body, time.Now(), nil); err != nil {
		return answer{code: lwm2m.CodeBadRequest}
	}
	c.peer.server.collect(content{endpoint: c.endpoint, by: BySend, path: "/", format: format, body: c.body})
	return answer{code: lwm2m.CodeChanged}
}

func samples(f lwm2m.Format, data []byte, now time.Time, registry *lwm2m.Registry) ([]lwm2m.Sample, error) {
	all := len(data) + 1
	return codec.DecodeSamples(f, lwm2m.Path{}, data, now, registry, lwm2m.Limits{Bytes: all, Nodes: all})
}

// Samples decodes what a client has sent (Send), with the types of the registry. The
// error is a [*FormatError] or a [*lwm2m.DecodeError].
func (r Record) Samples(registry *lwm2m.Registry) ([]lwm2m.Sample, error) {
	if r.Format == nil {
		return nil, &FormatError{}
	}
	all, err := samples(*r.Format, r.Payload, r.Time, registry)
	var unfit *codec.FormatError
	if errors.As(err, &unfit) {
		return nil, &FormatError{Format: r.Format}
	}
	return all, err
}
