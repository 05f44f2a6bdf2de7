package codec

import (
	"fmt"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/senml"
	"github.com/holdfast-iot/holdfast/lwm2m/tlv"
)

// Operation is what a payload is for.
type Operation uint8

// The operations that carry the content of the object model.
const (
	Read  Operation = iota + 1 // the client's answer to a Read, which it encodes
	Write                      // a server's Write, which the client decodes
)

// String returns the operation's name.
func (o Operation) String() string {
	switch o {
	case Read:
		return "read"
	case Write:
		return "write"
	}
	return "no operation"
}

// FormatError says that a target cannot be read or written in a format: the format
// is unknown, carries no values (link-format), or carries one value where the
// target has many or another type.
type FormatError struct {
	Operation Operation
	Format    lwm2m.Format
	Path      lwm2m.Path
}

// Error names operation, path and format.
func (e *FormatError) Error() string {
	return fmt.Sprintf("lwm2m: no %s of %s in content format %d", e.Operation, e.Path, e.Format)
}

type (
	encoder func(lwm2m.Path, lwm2m.Payload) ([]byte, error)
	decoder func(lwm2m.Path, []byte, *lwm2m.Registry, lwm2m.Limits) (lwm2m.Payload, error)
)

// format is one row of the table; nil where it does not serve the operation.
type format struct {
	read  encoder
	write decoder
}

// formats is the table of formats and operations. It is never changed.
var formats = map[lwm2m.Format]format{
	lwm2m.FormatText:      {read: encodeText, write: decodeText},
	lwm2m.FormatOpaque:    {read: encodeOpaque, write: decodeOpaque},
	lwm2m.FormatTLV:       {read: tlv.Encode, write: tlv.DecodeLimited},
	lwm2m.FormatSenMLCBOR: {read: senml.EncodeCBOR, write: senml.DecodeCBORLimited},
	lwm2m.FormatSenMLJSON: {read: senml.EncodeJSON, write: senml.DecodeJSONLimited},
}

// Encode writes what target names: an object, an instance, a resource or a
// resource instance, or the root where the format can address it. p is all that is
// there, and nothing else. Earlier numbers of a format stand for it
// ([lwm2m.Format.Standard]). The error is a [*FormatError], or a
// [*lwm2m.EncodeError] where this content cannot be represented.
func Encode(f lwm2m.Format, target lwm2m.Path, p lwm2m.Payload) ([]byte, error) {
	encode := formats[f.Standard()].read
	if encode == nil {
		return nil, &FormatError{Operation: Read, Format: f, Path: target}
	}
	return encode(target, p)
}

// Decode reads a payload for target, with the types of the registry. Limits that
// are zero mean the defaults. Earlier numbers of a format stand for it. The error is a [*FormatError] or a
// [*lwm2m.DecodeError].
func Decode(f lwm2m.Format, target lwm2m.Path, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	decode := formats[f.Standard()].write
	if decode == nil {
		return lwm2m.Payload{}, &FormatError{Operation: Write, Format: f, Path: target}
	}
	return decode(target, data, reg, limits)
}
