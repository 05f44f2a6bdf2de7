package strict

import (
	"errors"
	"io"
	"math/big"

	"github.com/fxamacker/cbor/v2"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// MaxNesting and MaxPairs bound what surrounds the values, in both representations: a
// SenML pack is an array of maps, and an ignored field may nest a little; a record of all
// known labels has 16 pairs.
const (
	MaxNesting    = 8
	MaxPairs      = 32
	leastElements = 16 // the library takes no smaller bound
)

// Unmarshal reads one CBOR item (RFC 8949) into v as the library does, where nothing
// follows it, no map has a label twice, and no array has more elements than given.
func Unmarshal(data []byte, elements int, v any) Fault {
	if !fits(data) {
		return truncated
	}
	mode := usualMode
	if elements != lwm2m.DefaultMaxNodes {
		var err error
		if mode, err = packOptions(elements).DecMode(); err != nil {
			return Refuse(lwm2m.ReasonLimit, "limit not supported")
		}
	}
	return itemFault(mode.Unmarshal(data, v))
}

// usualMode spares most payloads the making of a mode.
var usualMode = newDecMode(packOptions(lwm2m.DefaultMaxNodes))

func packOptions(elements int) cbor.DecOptions {
	return cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  MaxNesting,
		MaxArrayElements: max(elements, leastElements),
		MaxMapPairs:      MaxPairs,
	}
}

// classify turns the library's errors into ours. Their texts are not passed on:
// they quote the input.
func classify(err error) Fault {
	var (
		nesting  *cbor.MaxNestedLevelError
		elements *cbor.MaxArrayElementsError
		pairs    *cbor.MaxMapPairsError
		dup      *cbor.DupMapKeyError
		wrong    *cbor.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &nesting), errors.As(err, &elements), errors.As(err, &pairs):
		return Refuse(lwm2m.ReasonLimit, "too many levels, elements or labels")
	case errors.As(err, &dup):
		return Refuse(lwm2m.ReasonDuplicate, "label given twice")
	case errors.As(err, &wrong):
		return Refuse(lwm2m.ReasonStructure, "of another structure")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return truncated
	default:
		return Refuse(lwm2m.ReasonSyntax, "not one well-formed CBOR item")
	}
}

// Number is the value of an integer, a float or a decimal fraction (RFC 8428 section
// 6), as the CBOR library and [Scanner.Value] give it: an Integer where it fits one,
// else Unsigned or Float; ok is false for what is no number.
func Number(content any) (v lwm2m.Value, ok bool) {
	v, _, ok = Nearest(content)
	return v, ok
}

// Nearest is [Number], and says whether the value is only next to the number: then it is
// a Float, and no Integer, also where it is whole.
func Nearest(content any) (v lwm2m.Value, rounded, ok bool) {
	switch c := content.(type) {
	case uint64:
		return unsigned(c), false, true
	case int64:
		return lwm2m.Integer(c), false, true
	case float64:
		return lwm2m.Float(c), false, true
	case Rounded:
		return lwm2m.Float(float64(c)), true, true
	case cbor.Tag:
		return decimalFraction(c)
	default: // *big.Int among others: no LwM2M number is that large
		return lwm2m.Value{}, false, false
	}
}

// unsigned is an Integer where it fits one.
func unsigned(u uint64) lwm2m.Value {
	if i := int64(u); i >= 0 {
		return lwm2m.Integer(i)
	}
	return lwm2m.Unsigned(u)
}

// TagDecimalFraction is tag 4: mantissa * 10^exponent (RFC 8949 section 3.4.4).
const TagDecimalFraction = 4

// maxExponent bounds the work; no float64 needs more.
const maxExponent = 400

// decimalFraction gives an Integer or Unsigned when the fraction is one, else the nearest
// Float.
func decimalFraction(t cbor.Tag) (v lwm2m.Value, rounded, ok bool) {
	parts, ok := t.Content.([]any)
	if t.Number != TagDecimalFraction || !ok || len(parts) != 2 {
		return lwm2m.Value{}, false, false
	}
	exponent, okE := bigInt(parts[0])
	mantissa, okM := bigInt(parts[1])
	if !okE || !okM || exponent.CmpAbs(big.NewInt(maxExponent)) > 0 {
		return lwm2m.Value{}, false, false
	}
	scale := new(big.Int).Exp(big.NewInt(10), new(big.Int).Abs(exponent), nil)
	r := new(big.Rat).SetInt(mantissa)
	if exponent.Sign() < 0 {
		r.Quo(r, new(big.Rat).SetInt(scale))
	} else {
		r.Mul(r, new(big.Rat).SetInt(scale))
	}
	switch {
	case r.IsInt() && r.Num().IsUint64():
		return unsigned(r.Num().Uint64()), false, true
	case r.IsInt() && r.Num().IsInt64():
		return lwm2m.Integer(r.Num().Int64()), false, true
	}
	f, exact := r.Float64()
	return lwm2m.Float(f), !exact, true
}

func bigInt(content any) (*big.Int, bool) {
	switch c := content.(type) {
	case uint64:
		return new(big.Int).SetUint64(c), true
	case int64:
		return big.NewInt(c), true
	default:
		return nil, false
	}
}

var encMode = newEncMode(cbor.EncOptions{
	NaNConvert: cbor.NaNConvertNone,
	InfConvert: cbor.InfConvertNone,
})

func newEncMode(o cbor.EncOptions) cbor.EncMode {
	mode, err := o.EncMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
}

// Marshal writes v as the library does, but keeps the width of floats, of NaN and
// infinities too.
func Marshal(v any) ([]byte, error) { return encMode.Marshal(v) }

// Shortest is a float32 where that loses nothing. Half floats are left alone:
// small decoders do not read them.
func Shortest(f float64) any {
	if narrow := float32(f); float64(narrow) == f {
		return narrow
	}
	return f
}

// ReadItem reads a value that is one CBOR item and nothing else, of definite length, as
// the library does; a tagged one is a [cbor.Tag] whose content is not tagged.
func ReadItem(data []byte) (any, Fault) {
	const majorTag = 6
	if len(data) == 0 || !fits(data) {
		return nil, truncated
	}
	var item any
	if data[0]>>5 != majorTag {
		err := itemMode.Unmarshal(data, &item)
		return item, itemFault(err)
	}
	var tag cbor.RawTag
	if err := itemMode.Unmarshal(data, &tag); err != nil {
		return nil, itemFault(err)
	}
	if tag.Content[0]>>5 == majorTag {
		return nil, Refuse(lwm2m.ReasonStructure, "a tag in a tag")
	}
	err := itemMode.Unmarshal(tag.Content, &item)
	return cbor.Tag{Number: tag.Number, Content: item}, itemFault(err)
}

// itemMode reads single values: a decimal fraction is an array of two.
var itemMode = newDecMode(cbor.DecOptions{
	MaxNestedLevels:  4, // the least that the library takes
	MaxArrayElements: leastElements,
	MaxMapPairs:      leastElements,
	IndefLength:      cbor.IndefLengthForbidden,
})

func newDecMode(o cbor.DecOptions) cbor.DecMode {
	mode, err := o.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
}

func itemFault(err error) Fault {
	if err == nil {
		return None
	}
	return classify(err)
}
