package codec

import (
	"errors"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Encode writes what target names: an object, an instance, a resource or a
// resource instance, or the root where the format can address it. p is all that is
// there, and nothing else. Earlier numbers of a format stand for it
// ([lwm2m.Format.Standard]). The error is a [*FormatError], or a
// [*lwm2m.EncodeError] where this content cannot be represented.
func Encode(f lwm2m.Format, target lwm2m.Path, p lwm2m.Payload) ([]byte, error) {
	row, err := find(Read, f, target)
	if err != nil {
		return nil, err
	}
	data, err := row.encode(target, p)
	return data, named(err, f)
}

// Decode reads the payload of a Write to target, or of the answer to a Read, with the
// types of the registry. Limits that are zero mean the defaults. Earlier numbers of a
// format stand for it. The error is a [*FormatError] or a [*lwm2m.DecodeError].
func Decode(f lwm2m.Format, target lwm2m.Path, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	row, err := find(Write, f, target)
	if err != nil {
		return lwm2m.Payload{}, err
	}
	p, err := row.decode(target, data, reg, limits)
	return p, named(err, f)
}

// named has an error name the format by the number that it was asked for in.
func named(err error, f lwm2m.Format) error {
	if err == nil {
		return nil
	}
	var unfit *FormatError
	if errors.As(err, &unfit) {
		unfit.Format = f
	}
	return err
}
