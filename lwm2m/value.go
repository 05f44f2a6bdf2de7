package lwm2m

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Kind is the data type of a resource (Appendix C).
type Kind uint8

// The data types. Unsigned and CoreLink exist from LwM2M 1.1 on. None is the
// type of executable resources and of the zero [Value].
const (
	KindNone Kind = iota
	KindString
	KindInteger
	KindUnsigned
	KindFloat
	KindBoolean
	KindOpaque
	KindTime
	KindObjectLink
	KindCoreLink
)

var kindNames = [...]string{
	"none", "string", "integer", "unsigned integer", "float",
	"boolean", "opaque", "time", "object link", "core link",
}

// String is the type's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Value is one scalar. It cannot be changed once made and is comparable: == and
// [Value.Equal] mean the same, and two NaN of the same bits are equal, so that a
// change can be told from a repetition. The zero Value has [KindNone].
type Value struct {
	text string // String, CoreLink, and the bytes of Opaque
	num  uint64 // everything else
	kind Kind
}

// String makes a [KindString] value. It should be UTF-8.
func String(s string) Value { return Value{kind: KindString, text: s} }

// Integer makes a [KindInteger] value.
func Integer(i int64) Value { return Value{kind: KindInteger, num: uint64(i)} }

// Unsigned makes a [KindUnsigned] value.
func Unsigned(u uint64) Value { return Value{kind: KindUnsigned, num: u} }

// Float makes a [KindFloat] value.
func Float(f float64) Value { return Value{kind: KindFloat, num: math.Float64bits(f)} }

// Boolean makes a [KindBoolean] value.
func Boolean(b bool) Value {
	v := Value{kind: KindBoolean}
	if b {
		v.num = 1
	}
	return v
}

// Opaque makes a [KindOpaque] value from a copy of b.
func Opaque(b []byte) Value { return Value{kind: KindOpaque, text: string(b)} }

// Time makes a [KindTime] value. LwM2M times are whole seconds since 1970 UTC:
// what is finer is cut off.
func Time(t time.Time) Value { return Value{kind: KindTime, num: uint64(t.Unix())} }

// ObjectLink makes a [KindObjectLink] value. 65535:65535 is the link to nothing.
func ObjectLink(obj, inst uint16) Value {
	return Value{kind: KindObjectLink, num: uint64(obj)<<16 | uint64(inst)}
}

// CoreLink makes a [KindCoreLink] value: a link of RFC 6690, unparsed.
func CoreLink(s string) Value { return Value{kind: KindCoreLink, text: s} }

// Kind is the value's data type.
func (v Value) Kind() Kind { return v.kind }

// Text is the content of a String or CoreLink, "" for other kinds.
func (v Value) Text() string {
	if v.kind != KindString && v.kind != KindCoreLink {
		return ""
	}
	return v.text
}

// Int is the content of an Integer, or the Unix seconds of a Time; 0 for other
// kinds.
func (v Value) Int() int64 {
	if v.kind != KindInteger && v.kind != KindTime {
		return 0
	}
	return int64(v.num)
}

// Uint is the content of an Unsigned, 0 for other kinds.
func (v Value) Uint() uint64 { return v.number(KindUnsigned) }

// Float64 is the content of a Float, 0 for other kinds.
func (v Value) Float64() float64 { return math.Float64frombits(v.number(KindFloat)) }

// Bool is the content of a Boolean, false for other kinds.
func (v Value) Bool() bool { return v.number(KindBoolean) == 1 }

// Bytes is a copy of the content of an Opaque, nil for other kinds.
func (v Value) Bytes() []byte {
	if v.kind != KindOpaque {
		return nil
	}
	return []byte(v.text)
}

// When is the content of a Time in UTC, the zero time for other kinds.
func (v Value) When() time.Time {
	if v.kind != KindTime {
		return time.Time{}
	}
	return time.Unix(int64(v.num), 0).UTC()
}

// Link is the object and instance of an ObjectLink, 0 and 0 for other kinds.
func (v Value) Link() (obj, inst uint16) {
	n := v.number(KindObjectLink)
	return uint16(n >> 16), uint16(n)
}

// Size is the length in bytes of a String, CoreLink or Opaque, 0 for other
// kinds.
func (v Value) Size() int { return len(v.text) }

// number is the numeric content when the value has the given kind.
func (v Value) number(k Kind) uint64 {
	if v.kind != k {
		return 0
	}
	return v.num
}

// Equal reports whether both have the same kind and content.
func (v Value) Equal(o Value) bool { return v == o }

// String is the value for a person. Of an Opaque it shows the length only: keys
// are opaque.
func (v Value) String() string {
	switch v.kind {
	case KindString, KindCoreLink:
		return v.text
	case KindInteger:
		return strconv.FormatInt(int64(v.num), 10)
	case KindUnsigned:
		return strconv.FormatUint(v.num, 10)
	case KindFloat:
		return strconv.FormatFloat(v.Float64(), 'g', -1, 64)
	case KindBoolean:
		return strconv.FormatBool(v.num == 1)
	case KindOpaque:
		return fmt.Sprintf("opaque(%d bytes)", len(v.text))
	case KindTime:
		return v.When().Format(time.RFC3339)
	case KindObjectLink:
		return v.linkText()
	default:
		return "none"
	}
}

// linkText is an ObjectLink in its text form, "66:0".
func (v Value) linkText() string {
	obj, inst := v.Link()
	return strconv.Itoa(int(obj)) + ":" + strconv.Itoa(int(inst))
}

// GoString keeps %#v from printing opaque content.
func (v Value) GoString() string { return "lwm2m.Value(" + v.kind.String() + " " + v.String() + ")" }
