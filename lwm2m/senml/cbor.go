package senml

import (
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/records"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
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
	return CBOR.decode(packFor(CBOR, target, reg), data, limits)
}

// readCBOR reads the records of a pack. With a fault, the last record is the one at
// fault, if any is.
func readCBOR(data []byte, nodes int) ([]records.Record, strict.Fault) {
	pack, f := unmarshalPack(data, nodes)
	if f != strict.None {
		return nil, f
	}
	read := make([]records.Record, len(pack))
	for i, fields := range pack {
		if f := readFields(&read[i], fields); f != strict.None {
			return read[:i+1], f
		}
	}
	return read, strict.None
}

func unmarshalPack(data []byte, nodes int) ([]map[any]any, strict.Fault) {
	// A null in place of the array or of a record would be taken for an empty one.
	var pack []map[any]any
	if f := strict.Unmarshal(data, nodes, &pack); f != strict.None {
		return nil, f
	}
	if pack == nil || slices.ContainsFunc(pack, func(r map[any]any) bool { return r == nil }) {
		return nil, strict.Refuse(lwm2m.ReasonStructure, "null in place of an array or a record")
	}
	if len(pack) > nodes {
		return nil, strict.Refuse(lwm2m.ReasonLimit, "too many records")
	}
	return pack, strict.None
}

func readFields(rec *records.Record, fields map[any]any) strict.Fault {
	for label, content := range fields {
		if f := readField(rec, label, content); f != strict.None {
			return f
		}
	}
	return strict.None
}

// readField dispatches on the label, which the library gives as uint64 when it
// is not negative, int64 when it is, and string.
func readField(rec *records.Record, label, content any) strict.Fault {
	switch l := label.(type) {
	case uint64:
		return readNumbered(rec, int64(min(l, 1<<32)), content)
	case int64:
		return readNumbered(rec, l, content)
	case string:
		return readNamed(rec, l, content)
	default:
		return strict.Refuse(lwm2m.ReasonStructure, "a label is an integer or text")
	}
}

func readNumbered(rec *records.Record, label int64, content any) strict.Fault {
	switch label {
	case labelBaseName, labelName:
		return readName(rec, label, content)
	case labelBaseVersion:
		return checkVersion(content)
	case labelBaseTime, labelTime, labelUpdateTime:
		return readTime(rec, label, content)
	case labelBaseUnit, labelUnit:
		_, ok := content.(string)
		return strict.Must(ok, "a unit is text")
	case labelValue, labelString, labelBoolean, labelData:
		return readValue(rec, label, content)
	case labelBaseValue, labelBaseSum, labelSum:
		return strict.Refuse(lwm2m.ReasonUnknown, "bv, bs and s are not part of the LwM2M profile")
	default:
		return strict.None
	}
}

func readName(rec *records.Record, label int64, content any) strict.Fault {
	name, ok := content.(string)
	if label == labelBaseName {
		rec.BaseName = &name
	} else {
		rec.Name, rec.Named = name, true
	}
	return strict.Must(ok, "bn and n are text")
}

func readTime(rec *records.Record, label int64, content any) strict.Fault {
	v, ok := strict.Number(content)
	if !ok {
		return strict.Refuse(lwm2m.ReasonValue, "a time is a number")
	}
	return setTime(rec, label, v)
}

func readNamed(rec *records.Record, label string, content any) strict.Fault {
	switch {
	case label == labelObjectLink && content == nil:
		return rec.SetNull()
	case label == labelObjectLink:
		text, _ := content.(string)
		return rec.Set(strict.ParseLink(text))
	case strings.HasSuffix(label, "_"):
		return strict.Refuse(lwm2m.ReasonUnknown, "a label that ends in an underscore must be understood")
	case slices.Contains(textLabels, label):
		return strict.Refuse(lwm2m.ReasonStructure, "a label that has a number must use it")
	default:
		return strict.None
	}
}

func checkVersion(content any) strict.Fault {
	v, ok := content.(uint64)
	switch {
	case !ok || v == 0:
		return strict.Refuse(lwm2m.ReasonValue, "bver is a positive integer")
	case v > maxVersion:
		return strict.Refuse(lwm2m.ReasonVersion, "bver above 10")
	default:
		return strict.None
	}
}

// readValue reads the value fields whose label is a number.
func readValue(rec *records.Record, label int64, content any) strict.Fault {
	switch c := content.(type) {
	case nil:
		return rec.SetNull()
	case string:
		return rec.Set(lwm2m.String(c), label == labelString)
	case bool:
		return rec.Set(lwm2m.Boolean(c), label == labelBoolean)
	case []byte:
		return rec.Set(lwm2m.Opaque(c), label == labelData)
	}
	if label != labelValue {
		return rec.Set(lwm2m.Value{}, false)
	}
	return rec.SetNumber(content)
}
