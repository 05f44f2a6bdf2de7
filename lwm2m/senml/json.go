package senml

import (
	"encoding/base64"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/records"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// jsonLabels gives the number that each JSON label has in CBOR (RFC 8428
// section 6), by which the fields are read.
var jsonLabels = map[string]int64{
	"bn": labelBaseName, "bt": labelBaseTime, "bu": labelBaseUnit, "bv": labelBaseValue,
	"bs": labelBaseSum, "bver": labelBaseVersion,
	"n": labelName, "u": labelUnit, "v": labelValue, "vs": labelString, "vb": labelBoolean,
	"vd": labelData, "s": labelSum, "t": labelTime, "ut": labelUpdateTime,
}

// DecodeJSON decodes a SenML JSON pack written to, or read from, target with the
// default limits. See [DecodeJSONLimited].
func DecodeJSON(target lwm2m.Path, data []byte, reg *lwm2m.Registry) (lwm2m.Payload, error) {
	return DecodeJSONLimited(target, data, reg, lwm2m.Limits{})
}

// DecodeJSONLimited decodes a pack by the rules of [DecodeCBORLimited]. The JSON
// must be that of RFC 8259 without a byte order mark, in valid UTF-8, without
// duplicate members and lone surrogates. Opaque values are base64url without
// padding. A number is an integer when it is one exactly, however it is written, and
// never when only rounding would make it one; a Float is the float64 next to it. One
// beyond float64 is refused. The error is a [*lwm2m.DecodeError] whose Offset is the record's
// index.
func DecodeJSONLimited(target lwm2m.Path, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	return JSON.decode(packFor(JSON, target, reg), data, limits)
}

// readJSON reads the array of records. With a fault, the last record is the one
// at fault, if any is.
func readJSON(data []byte, nodes int) ([]records.Record, strict.Fault) {
	s, f := strict.NewScanner(data)
	if f != strict.None {
		return nil, f
	}
	if s.Peek() != '[' {
		return nil, s.Unlike("not an array of objects")
	}
	var read []records.Record
	f = s.List('[', ']', func() strict.Fault {
		if len(read) == nodes {
			return strict.Refuse(lwm2m.ReasonLimit, "too many records")
		}
		read = append(read, records.Record{})
		return scan(&read[len(read)-1], s)
	})
	if f != strict.None {
		return read, f
	}
	return read, s.End()
}

// scan reads one record.
func scan(rec *records.Record, s *strict.Scanner) strict.Fault {
	if s.Peek() != '{' {
		return s.Unlike("not an array of objects")
	}
	return s.Object(func(label string, content any) strict.Fault { return readMember(rec, label, content) })
}

// readMember reads one member of a record, by the rules for the CBOR field of
// the same meaning.
func readMember(rec *records.Record, label string, content any) strict.Fault {
	number, known := jsonLabels[label]
	if !known {
		return readNamed(rec, label, content)
	}
	if text, isText := content.(string); isText && number == labelData {
		data, ok := strict.DecodeBase64(base64.RawURLEncoding, text)
		if !ok {
			return strict.Refuse(lwm2m.ReasonValue, "vd is base64url without padding")
		}
		content = data
	}
	return readNumbered(rec, number, content)
}
