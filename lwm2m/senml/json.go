package senml

import (
	"encoding/base64"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
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
// padding. A number is an integer when it is one exactly, however it is written;
// one that is beyond float64, or that only rounding would make an integer, is
// refused. The error is a [*lwm2m.DecodeError] whose Offset is the record's
// index.
func DecodeJSONLimited(target lwm2m.Path, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	limits = limits.OrDefault()
	records, f := scanPack(data, limits)
	if f != noFault {
		r := resolver{format: formatJSON}
		return lwm2m.Payload{}, r.fail(len(records)-1, target, f)
	}
	return resolve(formatJSON, target, records, reg)
}

// scanPack reads the array of records. With a fault, the last record is the one
// at fault, if any is.
func scanPack(data []byte, limits lwm2m.Limits) ([]record, fault) {
	if len(data) > limits.Bytes {
		return nil, fault{lwm2m.ReasonLimit, "input too long"}
	}
	s, f := newScanner(data)
	if f != noFault {
		return nil, f
	}
	if s.peek() != '[' {
		return nil, s.unlike("not an array of objects")
	}
	var records []record
	f = s.list('[', ']', func() fault {
		if len(records) == limits.Nodes {
			return fault{lwm2m.ReasonLimit, "too many records"}
		}
		records = append(records, record{})
		return records[len(records)-1].scan(s)
	})
	if f != noFault {
		return records, f
	}
	return records, s.end()
}

// scan reads one record.
func (rec *record) scan(s *scanner) fault {
	if s.peek() != '{' {
		return s.unlike("not an array of objects")
	}
	return s.object(rec.readMember)
}

// readMember reads one member of a record, by the rules for the CBOR field of
// the same meaning.
func (rec *record) readMember(label string, content any) fault {
	number, known := jsonLabels[label]
	if !known {
		return rec.readNamed(label, content)
	}
	if text, isText := content.(string); isText && number == labelData {
		data, ok := decodeBase64(text)
		if !ok {
			return fault{lwm2m.ReasonValue, "vd is base64url without padding"}
		}
		content = data
	}
	return rec.readNumbered(number, content)
}

// decodeBase64 is strict where the library is lenient: it skips line breaks.
func decodeBase64(text string) ([]byte, bool) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return data, err == nil
}
