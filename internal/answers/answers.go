// Package answers makes the answers to the requests that servers send: what
// actors/bootstrap and actors/management say alike, with the response codes of
// LwM2M Core section 6. Everything is pure.
package answers

import (
	"errors"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
	"github.com/holdfast-iot/holdfast/messages"
)

// Answer is what becomes of a request. Its zero value is no answer yet.
type Answer struct {
	Code    messages.CoAPCode
	Format  *messages.Format // of the payload; nil for a diagnostic one
	Payload []byte
}

// IsZero reports whether there is no answer yet.
func (a Answer) IsZero() bool { return a.Code == messages.Empty }

// Reply returns the answer as coapresend takes it.
func (a Answer) Reply(in messages.Inbound) messages.Reply {
	return messages.Reply{Epoch: in.Epoch, ID: in.ID, Code: a.Code, ContentFormat: a.Format, Payload: a.Payload}
}

// Done answers without content: 2.04, 2.02.
func Done(code messages.CoAPCode) Answer { return Answer{Code: code} }

// Refuse answers with a diagnostic payload (RFC 7252 section 5.5.2).
func Refuse(code messages.CoAPCode, text string) Answer {
	return Answer{Code: code, Payload: []byte(text)}
}

// Content answers 2.05.
func Content(format messages.Format, payload []byte) Answer {
	return Answer{Code: messages.Content, Format: &format, Payload: payload}
}

// Encode answers a Read with what is at and below path: 4.06 where the format
// cannot have the target, or one of the values (JSON has no NaN).
func Encode(format messages.Format, path lwm2m.Path, p lwm2m.Payload) Answer {
	data, err := codec.Encode(format, path, p)
	return encoded(format, data, p, err)
}

// EncodeComposite answers a Read-Composite with what was found.
func EncodeComposite(format messages.Format, p lwm2m.Payload) Answer {
	data, err := codec.EncodeComposite(format, p)
	return encoded(format, data, p, err)
}

func encoded(format messages.Format, data []byte, p lwm2m.Payload, err error) Answer {
	switch {
	case err == nil:
		return Content(format, data)
	case unfit(err), len(p.Nodes) > 0 && unlike(err):
		return Refuse(messages.NotAcceptable, "the target cannot be had in this format")
	}
	return Refuse(messages.InternalServerError, err.Error())
}

// Decode reads the payload of a Write to path; what is wrong with it is the
// answer, zero for nothing: 4.15 for a format that is missing or cannot have the
// target, 4.00 for the content.
func Decode(in messages.Inbound, path lwm2m.Path, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, Answer) {
	return decode(in, func(f messages.Format) (lwm2m.Payload, error) { return codec.Decode(f, path, in.Payload, reg, limits) })
}

// DecodeCreate is [Decode] for a Create on an object.
func DecodeCreate(in messages.Inbound, object uint16, reg *lwm2m.Registry, limits lwm2m.Limits) (codec.Creation, Answer) {
	return decode(in, func(f messages.Format) (codec.Creation, error) {
		return codec.DecodeCreate(f, object, in.Payload, reg, limits)
	})
}

// DecodePaths is [Decode] for what a Read-Composite asks for.
func DecodePaths(in messages.Inbound, limits lwm2m.Limits) ([]lwm2m.Path, Answer) {
	return decode(in, func(f messages.Format) ([]lwm2m.Path, error) { return codec.DecodePaths(f, in.Payload, limits) })
}

// DecodeWriteComposite is [Decode] for a Write-Composite.
func DecodeWriteComposite(in messages.Inbound, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, Answer) {
	return decode(in, func(f messages.Format) (lwm2m.Payload, error) {
		return codec.DecodeWriteComposite(f, in.Payload, reg, limits)
	})
}

func decode[T any](in messages.Inbound, read func(messages.Format) (T, error)) (content T, refusal Answer) {
	if in.ContentFormat == nil {
		return content, Refuse(messages.UnsupportedFormat, "a payload names its Content-Format")
	}
	content, err := read(*in.ContentFormat)
	switch {
	case err == nil:
		return content, Answer{}
	case unfit(err):
		return content, Refuse(messages.UnsupportedFormat, "not a Content-Format for this target")
	}
	return content, Refuse(messages.BadRequest, err.Error())
}

// unlike reports whether a format cannot have a value.
func unlike(err error) bool {
	e, is := errors.AsType[*lwm2m.EncodeError](err)
	return is && e.Reason == lwm2m.ReasonMismatch
}

// unfit reports whether a format cannot have a target, whatever the content.
func unfit(err error) bool {
	var unfit *codec.FormatError
	return errors.As(err, &unfit)
}
