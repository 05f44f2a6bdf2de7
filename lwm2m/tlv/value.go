package tlv

import (
	"encoding/binary"
	"math"
	"time"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// decodeValue decodes a value of Appendix C. An empty problem means success.
func decodeValue(kind lwm2m.Kind, b []byte) (v lwm2m.Value, problem string) {
	switch kind {
	case lwm2m.KindString, lwm2m.KindCoreLink:
		return decodeText(kind, b)
	case lwm2m.KindInteger, lwm2m.KindUnsigned, lwm2m.KindTime:
		return decodeInteger(kind, b)
	case lwm2m.KindFloat:
		return decodeFloat(b)
	case lwm2m.KindBoolean:
		if len(b) != 1 || b[0] > 1 {
			return v, "a boolean is one byte, 0 or 1"
		}
		return lwm2m.Boolean(b[0] == 1), ""
	case lwm2m.KindOpaque:
		return lwm2m.Opaque(b), ""
	case lwm2m.KindObjectLink:
		if len(b) != 4 {
			return v, "an object link is four bytes"
		}
		return lwm2m.ObjectLink(binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])), ""
	default:
		return v, "the resource has no value"
	}
}

func decodeText(kind lwm2m.Kind, b []byte) (v lwm2m.Value, problem string) {
	if !utf8.Valid(b) {
		return v, "a string is UTF-8"
	}
	if kind == lwm2m.KindCoreLink {
		return lwm2m.CoreLink(string(b)), ""
	}
	return lwm2m.String(string(b)), ""
}

func decodeInteger(kind lwm2m.Kind, b []byte) (v lwm2m.Value, problem string) {
	switch len(b) {
	case 1, 2, 4, 8:
	default:
		return v, "an integer is 1, 2, 4 or 8 bytes"
	}
	u := bigEndian(b)
	if kind == lwm2m.KindUnsigned {
		return lwm2m.Unsigned(u), ""
	}
	unused := 64 - 8*len(b)
	i := int64(u<<unused) >> unused // extends the sign
	if kind == lwm2m.KindTime {
		return lwm2m.Time(time.Unix(i, 0)), ""
	}
	return lwm2m.Integer(i), ""
}

func decodeFloat(b []byte) (v lwm2m.Value, problem string) {
	switch len(b) {
	case 4:
		return lwm2m.Float(float64(math.Float32frombits(binary.BigEndian.Uint32(b)))), ""
	case 8:
		return lwm2m.Float(math.Float64frombits(binary.BigEndian.Uint64(b))), ""
	default:
		return v, "a float is 4 or 8 bytes"
	}
}

// encodeValue is the inverse of decodeValue, in the shortest form. It reports
// false for a value without content, and for text that is not UTF-8.
func encodeValue(v lwm2m.Value) ([]byte, bool) {
	switch v.Kind() {
	case lwm2m.KindString, lwm2m.KindCoreLink:
		return []byte(v.Text()), utf8.ValidString(v.Text())
	case lwm2m.KindInteger, lwm2m.KindTime:
		return encodeInteger(v.Int()), true
	case lwm2m.KindUnsigned:
		return encodeUnsigned(v.Uint()), true
	case lwm2m.KindFloat:
		return encodeFloat(v.Float64()), true
	case lwm2m.KindBoolean:
		if v.Bool() {
			return []byte{1}, true
		}
		return []byte{0}, true
	case lwm2m.KindOpaque:
		return v.Bytes(), true
	case lwm2m.KindObjectLink:
		obj, inst := v.Link()
		return binary.BigEndian.AppendUint32(nil, uint32(obj)<<16|uint32(inst)), true
	default:
		return nil, false
	}
}

func encodeInteger(i int64) []byte {
	switch {
	case i == int64(int8(i)):
		return []byte{byte(i)}
	case i == int64(int16(i)):
		return binary.BigEndian.AppendUint16(nil, uint16(i))
	case i == int64(int32(i)):
		return binary.BigEndian.AppendUint32(nil, uint32(i))
	default:
		return binary.BigEndian.AppendUint64(nil, uint64(i))
	}
}

func encodeUnsigned(u uint64) []byte {
	switch {
	case u <= math.MaxUint8:
		return []byte{byte(u)}
	case u <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(nil, uint16(u))
	case u <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(nil, uint32(u))
	default:
		return binary.BigEndian.AppendUint64(nil, u)
	}
}

// encodeFloat uses four bytes only when they hold the same bits of information.
func encodeFloat(f float64) []byte {
	if narrow := float32(f); math.Float64bits(float64(narrow)) == math.Float64bits(f) {
		return binary.BigEndian.AppendUint32(nil, math.Float32bits(narrow))
	}
	return binary.BigEndian.AppendUint64(nil, math.Float64bits(f))
}
