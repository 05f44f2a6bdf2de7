package codec

import (
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// application/cbor is one value as one data item (LwM2M Core section 7.4.2 and Appendix C).

// tagEpoch is tag 1: seconds since 1970 (RFC 8949 section 3.4.2).
const tagEpoch = 1

func encodeCBOR(target lwm2m.Path, p lwm2m.Payload) ([]byte, error) {
	v, ok := onlyValue(target, p)
	if !ok {
		return nil, &FormatError{Operation: Read, Format: lwm2m.FormatCBOR, Path: target}
	}
	content := cborContent(v)
	if content == nil || !utf8.ValidString(v.Text()) {
		return nil, &lwm2m.EncodeError{Format: formatCBOR, Path: target, Reason: lwm2m.ReasonMismatch, Detail: "no value to encode, or text that is not UTF-8"}
	}
	return strict.Marshal(content)
}

// cborContent is a value as the library writes it, nil for one without content.
func cborContent(v lwm2m.Value) any {
	switch v.Kind() {
	case lwm2m.KindString, lwm2m.KindCoreLink:
		return v.Text()
	case lwm2m.KindInteger:
		return v.Int()
	case lwm2m.KindUnsigned:
		return v.Uint()
	case lwm2m.KindFloat:
		return strict.Shortest(v.Float64())
	case lwm2m.KindBoolean:
		return v.Bool()
	case lwm2m.KindOpaque:
		return v.Bytes()
	case lwm2m.KindTime:
		return cbor.Tag{Number: tagEpoch, Content: v.Int()}
	case lwm2m.KindObjectLink:
		return v.String()
	}
	return nil
}

// decodeCBOR needs no definition: the item tells a type. A resource that the registry
// does not define has it, and is marked Unknown.
func decodeCBOR(target lwm2m.Path, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	def, known := reg.Resource(target)
	if _, ok := singleTarget(target, reg); target.Len() < 3 || (known && !ok) {
		return lwm2m.Payload{}, &FormatError{Operation: Write, Format: lwm2m.FormatCBOR, Path: target}
	}
	if len(data) > limits.OrDefault().Bytes {
		return lwm2m.Payload{}, refused(formatCBOR, target, lwm2m.ReasonLimit, "too long")
	}
	item, f := strict.ReadItem(data)
	if f != strict.None {
		return lwm2m.Payload{}, refused(formatCBOR, target, f.Reason, f.Detail)
	}
	kind := def.Kind
	if !known {
		kind = itemKind(item)
	}
	v, ok := cborValue(kind, item)
	if !ok {
		return lwm2m.Payload{}, refused(formatCBOR, target, lwm2m.ReasonValue, "the item is no value of the resource's type")
	}
	p := single(target, v)
	p.Nodes[0].Unknown = !known
	return p, nil
}

// itemKind is the kind that an item implies, KindNone for one that is no value.
func itemKind(item any) lwm2m.Kind {
	switch c := item.(type) {
	case string:
		return lwm2m.KindString
	case bool:
		return lwm2m.KindBoolean
	case []byte:
		return lwm2m.KindOpaque
	case cbor.Tag:
		if c.Number == tagEpoch {
			return lwm2m.KindTime
		}
		return lwm2m.KindFloat
	}
	v, _ := strict.Number(item)
	return v.Kind()
}

// cborValue is an item as a value of a kind; false where its major type, its tag or its
// range is another.
func cborValue(kind lwm2m.Kind, item any) (v lwm2m.Value, ok bool) {
	tag, tagged := item.(cbor.Tag)
	switch {
	case tagged && tag.Number == tagEpoch:
		return wholeNumber(kind, tag.Content, kind == lwm2m.KindTime)
	case tagged:
		v, ok = strict.Number(tag)
		return as(kind, v, ok && kind == lwm2m.KindFloat)
	}
	switch c := item.(type) {
	case string:
		return cborText(kind, c)
	case bool:
		return lwm2m.Boolean(c), kind == lwm2m.KindBoolean
	case []byte:
		return lwm2m.Opaque(c), kind == lwm2m.KindOpaque
	case float64:
		return lwm2m.Float(c), kind == lwm2m.KindFloat
	case nil:
		return lwm2m.Value{}, false
	}
	return wholeNumber(kind, item, true)
}

// wholeNumber reads an item of major type 0 or 1.
func wholeNumber(kind lwm2m.Kind, item any, fits bool) (lwm2m.Value, bool) {
	v, ok := strict.Number(item)
	integer := v.Kind() == lwm2m.KindInteger || v.Kind() == lwm2m.KindUnsigned
	return as(kind, v, ok && integer && fits)
}

func cborText(kind lwm2m.Kind, text string) (lwm2m.Value, bool) {
	switch kind {
	case lwm2m.KindObjectLink:
		return strict.ParseLink(text)
	case lwm2m.KindString, lwm2m.KindCoreLink:
		return as(kind, lwm2m.String(text), true)
	}
	return lwm2m.Value{}, false
}

func as(kind lwm2m.Kind, v lwm2m.Value, ok bool) (lwm2m.Value, bool) {
	if !ok {
		return lwm2m.Value{}, false
	}
	v, err := v.As(kind)
	return v, err == nil
}
