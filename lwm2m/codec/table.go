package codec

import (
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/legacyjson"
	"github.com/holdfast-iot/holdfast/lwm2m/senml"
	"github.com/holdfast-iot/holdfast/lwm2m/tlv"
)

type (
	encoder func(lwm2m.Path, lwm2m.Payload) ([]byte, error)
	decoder func(lwm2m.Path, []byte, *lwm2m.Registry, lwm2m.Limits) (lwm2m.Payload, error)
	creator func(uint16, []byte, *lwm2m.Registry, lwm2m.Limits) (lwm2m.Payload, error)
)

// format is one row of the table.
type format struct {
	number lwm2m.Format
	serves uint16 // a bit for each operation
	encode encoder
	decode decoder
	create creator
	senml  senml.Format // of composites and samples
}

func of(operations ...Operation) (set uint16) {
	for _, o := range operations {
		set |= 1 << o
	}
	return set
}

// everything is what SenML serves.
var everything = of(Read, Write, Create, ReadComposite, CompositeAnswer, WriteComposite, Send)

// formats is the table of formats and operations, in the order in which a client of
// LwM2M 1.1 prefers them. It is never changed.
var formats = []format{
	{number: lwm2m.FormatSenMLCBOR, serves: everything,
		encode: senml.EncodeCBOR, decode: senml.DecodeCBORLimited, create: senml.CBOR.DecodeCreate, senml: senml.CBOR},
	{number: lwm2m.FormatSenMLJSON, serves: everything,
		encode: senml.EncodeJSON, decode: senml.DecodeJSONLimited, create: senml.JSON.DecodeCreate, senml: senml.JSON},
	{number: lwm2m.FormatSenMLEtchCBOR, serves: of(ReadComposite, WriteComposite), senml: senml.CBOR},
	{number: lwm2m.FormatSenMLEtchJSON, serves: of(ReadComposite, WriteComposite), senml: senml.JSON},
	{number: lwm2m.FormatTLV, serves: of(Read, Write, Create), encode: tlv.Encode, decode: tlv.DecodeLimited, create: tlv.DecodeCreate},
	{number: lwm2m.FormatJSON, serves: of(Read, Write, Create), encode: legacyjson.Encode, decode: legacyjson.Decode, create: legacyjson.DecodeCreate},
	{number: lwm2m.FormatCBOR, serves: of(Read, Write), encode: encodeCBOR, decode: decodeCBOR},
	{number: lwm2m.FormatText, serves: of(Read, Write, Execute), encode: encodeText, decode: decodeText},
	{number: lwm2m.FormatOpaque, serves: of(Read, Write), encode: encodeOpaque, decode: decodeOpaque},
	{number: lwm2m.FormatLinkFormat, serves: of(Discover)},
}

// find returns the row of a format that serves an operation. Earlier numbers stand for
// the format. The error is a [*FormatError].
func find(o Operation, f lwm2m.Format, target lwm2m.Path) (*format, error) {
	number := f.Standard()
	for i := range formats {
		if row := &formats[i]; row.number == number && row.serves&of(o) != 0 {
			return row, nil
		}
	}
	return nil, &FormatError{Operation: o, Format: f, Path: target}
}

// Supports reports whether a format serves an operation, on some target. Earlier numbers
// of a format stand for it ([lwm2m.Format.Standard]).
func Supports(o Operation, f lwm2m.Format) bool {
	_, err := find(o, f, lwm2m.Path{})
	return err == nil
}

// Formats lists the formats that serve an operation, those first that a client of LwM2M
// 1.1 prefers. The slice is the caller's own.
func Formats(o Operation) (numbers []lwm2m.Format) {
	for _, row := range formats {
		if row.serves&of(o) != 0 {
			numbers = append(numbers, row.number)
		}
	}
	return numbers
}

// Preferred is the format of a client's payload for a server that states no preference;
// enabler is the version "1.0", "1.1" or "1.2" of its registration, empty when there is
// none. TLV is what every server of 1.0 knows, and SenML CBOR the shortest since (section
// 7.4). ok is false when no format serves the operation.
func Preferred(o Operation, enabler string) (f lwm2m.Format, ok bool) {
	numbers := Formats(o)
	switch {
	case len(numbers) == 0:
		return 0, false
	case (enabler == "" || enabler == "1.0") && slices.Contains(numbers, lwm2m.FormatTLV):
		return lwm2m.FormatTLV, true
	}
	return numbers[0], true
}

// CompositeFormat is the format of the answer to a Read-Composite that came in a format
// and without Accept: the representation of the request. ok is false for a format in
// which none can come.
func CompositeFormat(request lwm2m.Format) (f lwm2m.Format, ok bool) {
	row, err := find(ReadComposite, request, lwm2m.Path{})
	switch {
	case err != nil:
		return 0, false
	case row.senml == senml.JSON:
		return lwm2m.FormatSenMLJSON, true
	}
	return lwm2m.FormatSenMLCBOR, true
}
