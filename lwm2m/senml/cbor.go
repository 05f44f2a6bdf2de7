package senml

import (
	"errors"
	"io"
	"math/big"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// CBOR labels of RFC 8428 section 6.
const (
	labelBaseSum     = -6
	labelBaseValue   = -5
	labelBaseUnit    = -4
	labelBaseTime    = -3
	labelBaseName    = -2
	labelBaseVersion = -1
	labelName        = 0
	labelUnit        = 1
	labelValue       = 2
	labelString      = 3
	labelBoolean     = 4
	labelSum         = 5
	labelTime        = 6
	labelUpdateTime  = 7
	labelData        = 8
)

// labelObjectLink has no number (section 7.4.4).
const labelObjectLink = "vlo"

// textLabels are the JSON labels that have a number in CBOR, where the text
// form is forbidden (RFC 8428 section 6).
var textLabels = []string{
	"bs", "bv", "bu", "bt", "bn", "bver", "n", "u", "v", "vs", "vb", "s", "t", "ut", "vd",
}

// Bounds on the CBOR itself: a pack is an array of maps, and an ignored field
// may nest a little; a record of all known labels has 16 pairs.
const (
	maxNesting    = 8
	maxPairs      = 32
	leastElements = 16 // the library takes no smaller bound
)

// DecodeCBOR decodes a SenML CBOR pack written to, or read from, target with the
// default limits. See [DecodeCBORLimited].
func DecodeCBOR(target lwm2m.Path, data []byte, reg *lwm2m.Registry) (lwm2m.Payload, error) {
	return DecodeCBORLimited(target, data, reg, lwm2m.Limits{})
}

// DecodeCBORLimited decodes a pack. Every resolved name must be target or lie
// below it; the root allows all. The registry gives the types; a resource that it
// does not define is marked Unknown and has the type that its field implies. An
// empty pack is an instance without resources when target is one. The error is a
// [*lwm2m.DecodeError] whose Offset is the record's index.
func DecodeCBORLimited(target lwm2m.Path, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	limits = limits.OrDefault()
	refuse := func(index int, f fault) (lwm2m.Payload, error) {
		r := resolver{format: formatCBOR}
		return lwm2m.Payload{}, r.fail(index, target, f)
	}
	if len(data) > limits.Bytes {
		return refuse(-1, fault{lwm2m.ReasonLimit, "input too long"})
	}
	pack, f := unmarshalPack(data, limits.Nodes)
	if f != noFault {
		return refuse(-1, f)
	}
	records := make([]record, len(pack))
	for i, fields := range pack {
		if records[i], f = readRecord(fields); f != noFault {
			return refuse(i, f)
		}
	}
	return resolve(formatCBOR, target, records, reg)
}

func unmarshalPack(data []byte, nodes int) ([]map[any]any, fault) {
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  maxNesting,
		MaxArrayElements: max(nodes, leastElements),
		MaxMapPairs:      maxPairs,
	}.DecMode()
	if err != nil {
		return nil, fault{lwm2m.ReasonLimit, "limit not supported"}
	}
	// A null in place of the array or of a record would be taken for an empty one.
	var pack []map[any]any
	if err := mode.Unmarshal(data, &pack); err != nil {
		return nil, classify(err)
	}
	if pack == nil || slices.ContainsFunc(pack, func(r map[any]any) bool { return r == nil }) {
		return nil, fault{lwm2m.ReasonStructure, "null in place of an array or a record"}
	}
	if len(pack) > nodes {
		return nil, fault{lwm2m.ReasonLimit, "too many records"}
	}
	return pack, noFault
}

// classify turns the library's errors into ours. Their texts are not passed on:
// they quote the input.
func classify(err error) fault {
	var (
		nesting  *cbor.MaxNestedLevelError
		elements *cbor.MaxArrayElementsError
		pairs    *cbor.MaxMapPairsError
		dup      *cbor.DupMapKeyError
		wrong    *cbor.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &nesting), errors.As(err, &elements), errors.As(err, &pairs):
		return fault{lwm2m.ReasonLimit, "too many levels, records or fields"}
	case errors.As(err, &dup):
		return fault{lwm2m.ReasonDuplicate, "label given twice"}
	case errors.As(err, &wrong):
		return fault{lwm2m.ReasonStructure, "not an array of maps"}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fault{lwm2m.ReasonTruncated, "ends early"}
	default:
		return fault{lwm2m.ReasonSyntax, "not one well-formed CBOR item"}
	}
}

func readRecord(fields map[any]any) (record, fault) {
	var rec record
	for label, content := range fields {
		if f := rec.readField(label, content); f != noFault {
			return record{}, f
		}
	}
	return rec, noFault
}

// readField dispatches on the label, which the library gives as uint64 when it
// is not negative, int64 when it is, and string.
func (rec *record) readField(label, content any) fault {
	switch l := label.(type) {
	case uint64:
		return rec.readNumbered(int64(min(l, 1<<32)), content)
	case int64:
		return rec.readNumbered(l, content)
	case string:
		return rec.readNamed(l, content)
	default:
		return fault{lwm2m.ReasonStructure, "a label is an integer or text"}
	}
}

func (rec *record) readNumbered(label int64, content any) fault {
	switch label {
	case labelBaseName:
		s, ok := content.(string)
		rec.baseName = &s
		return must(ok, "bn is text")
	case labelName:
		s, ok := content.(string)
		rec.name = s
		return must(ok, "n is text")
	case labelBaseVersion:
		return checkVersion(content)
	case labelBaseTime, labelTime, labelUpdateTime:
		_, ok := number(content)
		return must(ok, "a time is a number")
	case labelBaseUnit, labelUnit:
		_, ok := content.(string)
		return must(ok, "a unit is text")
	case labelValue, labelString, labelBoolean, labelData:
		return rec.setValue(valueOf(label, content))
	case labelBaseValue, labelBaseSum, labelSum:
		return fault{lwm2m.ReasonUnknown, "bv, bs and s are not part of the LwM2M profile"}
	default:
		return noFault
	}
}

func (rec *record) readNamed(label string, content any) fault {
	switch {
	case label == labelObjectLink:
		text, _ := content.(string)
		v, ok := parseLink(text)
		return rec.setValue(v, ok)
	case strings.HasSuffix(label, "_"):
		return fault{lwm2m.ReasonUnknown, "a label that ends in an underscore must be understood"}
	case slices.Contains(textLabels, label):
		return fault{lwm2m.ReasonStructure, "a label that has a number must use it"}
	default:
		return noFault
	}
}

func must(ok bool, detail string) fault {
	if !ok {
		return fault{lwm2m.ReasonValue, detail}
	}
	return noFault
}

func checkVersion(content any) fault {
	v, ok := content.(uint64)
	switch {
	case !ok || v == 0:
		return fault{lwm2m.ReasonValue, "bver is a positive integer"}
	case v > maxVersion:
		return fault{lwm2m.ReasonVersion, "bver above 10"}
	default:
		return noFault
	}
}

func (rec *record) setValue(v lwm2m.Value, ok bool) fault {
	if !ok {
		return fault{lwm2m.ReasonValue, "the value does not fit its label"}
	}
	if rec.value != nil {
		return fault{lwm2m.ReasonDuplicate, "more than one value in a record"}
	}
	rec.value = &v
	return noFault
}

// valueOf reads the value fields that have a number.
func valueOf(label int64, content any) (lwm2m.Value, bool) {
	switch c := content.(type) {
	case string:
		return lwm2m.String(c), label == labelString
	case bool:
		return lwm2m.Boolean(c), label == labelBoolean
	case []byte:
		return lwm2m.Opaque(c), label == labelData
	default:
		v, ok := number(content)
		return v, ok && label == labelValue
	}
}

// number reads an integer, a float or a decimal fraction (RFC 8428 section 6).
func number(content any) (lwm2m.Value, bool) {
	switch c := content.(type) {
	case uint64:
		if i := int64(c); i >= 0 {
			return lwm2m.Integer(i), true
		}
		return lwm2m.Unsigned(c), true
	case int64:
		return lwm2m.Integer(c), true
	case float64:
		return lwm2m.Float(c), true
	case cbor.Tag:
		return decimalFraction(c)
	default: // *big.Int among others: no LwM2M number is that large
		return lwm2m.Value{}, false
	}
}

// tagDecimalFraction is tag 4: mantissa * 10^exponent (RFC 8949 section 3.4.4).
const tagDecimalFraction = 4

// maxExponent bounds the work; no float64 needs more.
const maxExponent = 400

// decimalFraction gives an Integer when the fraction is one, else the nearest
// Float.
func decimalFraction(t cbor.Tag) (lwm2m.Value, bool) {
	parts, ok := t.Content.([]any)
	if t.Number != tagDecimalFraction || !ok || len(parts) != 2 {
		return lwm2m.Value{}, false
	}
	exponent, okE := bigInt(parts[0])
	mantissa, okM := bigInt(parts[1])
	if !okE || !okM || exponent.CmpAbs(big.NewInt(maxExponent)) > 0 {
		return lwm2m.Value{}, false
	}
	scale := new(big.Int).Exp(big.NewInt(10), new(big.Int).Abs(exponent), nil)
	r := new(big.Rat).SetInt(mantissa)
	if exponent.Sign() < 0 {
		r.Quo(r, new(big.Rat).SetInt(scale))
	} else {
		r.Mul(r, new(big.Rat).SetInt(scale))
	}
	if r.IsInt() && r.Num().IsInt64() {
		return lwm2m.Integer(r.Num().Int64()), true
	}
	f, _ := r.Float64()
	return lwm2m.Float(f), true
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
