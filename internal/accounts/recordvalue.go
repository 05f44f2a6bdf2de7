package accounts

import (
	"math"
	"time"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

func encodeValue(id uint16, v lwm2m.Value) valueCBOR {
	return valueCBOR{ID: id, Kind: v.Kind(), Number: number(v), Content: content(v)}
}

// number is what a value has in the field of that name.
func number(v lwm2m.Value) uint64 {
	switch v.Kind() {
	case lwm2m.KindInteger, lwm2m.KindTime:
		return uint64(v.Int())
	case lwm2m.KindUnsigned:
		return v.Uint()
	case lwm2m.KindFloat:
		return math.Float64bits(v.Float64())
	case lwm2m.KindBoolean:
		if v.Bool() {
			return 1
		}
	case lwm2m.KindObjectLink:
		obj, inst := v.Link()
		return uint64(obj)<<16 | uint64(inst)
	}
	return 0
}

// content is what a value has in the field of that name; never nil, which
// would be written as null.
func content(v lwm2m.Value) []byte {
	switch v.Kind() {
	case lwm2m.KindString, lwm2m.KindCoreLink:
		return []byte(v.Text())
	case lwm2m.KindOpaque:
		return v.Bytes()
	}
	return []byte{}
}

// decodeValue is the inverse of encodeValue; false for what no value has. A
// field that the kind does not use is caught by encoding again.
func decodeValue(vc valueCBOR) (lwm2m.Value, bool) {
	switch vc.Kind {
	case lwm2m.KindString:
		return lwm2m.String(string(vc.Content)), utf8.Valid(vc.Content)
	case lwm2m.KindCoreLink:
		return lwm2m.CoreLink(string(vc.Content)), utf8.Valid(vc.Content)
	case lwm2m.KindOpaque:
		return lwm2m.Opaque(vc.Content), true
	case lwm2m.KindInteger:
		return lwm2m.Integer(int64(vc.Number)), true
	case lwm2m.KindTime:
		return lwm2m.Time(time.Unix(int64(vc.Number), 0)), true
	case lwm2m.KindUnsigned:
		return lwm2m.Unsigned(vc.Number), true
	case lwm2m.KindFloat:
		return lwm2m.Float(math.Float64frombits(vc.Number)), true
	case lwm2m.KindBoolean:
		return lwm2m.Boolean(vc.Number == 1), vc.Number <= 1
	case lwm2m.KindObjectLink:
		return lwm2m.ObjectLink(uint16(vc.Number>>16), uint16(vc.Number)), vc.Number <= math.MaxUint32
	}
	return lwm2m.Value{}, false
}
