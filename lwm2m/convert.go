package lwm2m

import "math"

// As converts a value exactly: between the numeric kinds when nothing is lost,
// between String and CoreLink, and to its own kind. Formats that do not tell the
// numeric kinds apart (SenML, CBOR) rely on it. The error is a [*ConvertError].
func (v Value) As(k Kind) (Value, error) {
	if v.kind == k {
		return v, nil
	}
	out, ok := v.convert(k)
	if !ok {
		return Value{}, &ConvertError{From: v.kind, To: k}
	}
	return out, nil
}

func (v Value) convert(k Kind) (Value, bool) {
	switch k {
	case KindInteger:
		i, ok := v.exactInt()
		return Integer(i), ok
	case KindTime:
		i, ok := v.exactInt()
		return Value{kind: KindTime, num: uint64(i)}, ok
	case KindUnsigned:
		u, ok := v.exactUint()
		return Unsigned(u), ok
	case KindFloat:
		f, ok := v.exactFloat()
		return Float(f), ok
	case KindString:
		return String(v.text), v.kind == KindCoreLink
	case KindCoreLink:
		return CoreLink(v.text), v.kind == KindString
	default:
		return Value{}, false
	}
}

func (v Value) exactInt() (int64, bool) {
	switch v.kind {
	case KindInteger, KindTime:
		return int64(v.num), true
	case KindUnsigned:
		return int64(v.num), v.num <= math.MaxInt64
	case KindFloat:
		f := v.Float64()
		// 2^63 is exact as a float64, MaxInt64 is not.
		if f != math.Trunc(f) || f < -(1<<63) || f >= 1<<63 {
			return 0, false
		}
		return int64(f), true
	default:
		return 0, false
	}
}

func (v Value) exactUint() (uint64, bool) {
	switch v.kind {
	case KindUnsigned:
		return v.num, true
	case KindInteger, KindTime:
		return v.num, int64(v.num) >= 0
	case KindFloat:
		f := v.Float64()
		if f != math.Trunc(f) || f < 0 || f >= 1<<64 {
			return 0, false
		}
		return uint64(f), true
	default:
		return 0, false
	}
}

// exactFloat takes integers of any size: a peer that sends an integer for a
// Float means the nearest one.
func (v Value) exactFloat() (float64, bool) {
	switch v.kind {
	case KindInteger, KindTime:
		return float64(int64(v.num)), true
	case KindUnsigned:
		return float64(v.num), true
	default:
		return 0, false
	}
}
