package codec

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Names of the formats in errors.
const (
	formatText   = "text/plain"
	formatOpaque = "opaque"
	formatCBOR   = "cbor"
)

// appendText appends a value in text/plain (LwM2M Core section 7.4 and Appendix
// C); false for what has no text: no content, floats that are no decimal number, and
// what is not UTF-8.
func appendText(b []byte, v lwm2m.Value) ([]byte, bool) {
	switch v.Kind() {
	case lwm2m.KindString, lwm2m.KindCoreLink:
		return append(b, v.Text()...), utf8.ValidString(v.Text())
	case lwm2m.KindInteger, lwm2m.KindTime:
		return strconv.AppendInt(b, v.Int(), 10), true
	case lwm2m.KindUnsigned:
		return strconv.AppendUint(b, v.Uint(), 10), true
	case lwm2m.KindFloat:
		f := v.Float64()
		return strconv.AppendFloat(b, f, 'f', -1, 64), finite(f)
	case lwm2m.KindBoolean:
		if v.Bool() {
			return append(b, '1'), true
		}
		return append(b, '0'), true
	case lwm2m.KindOpaque:
		return base64.StdEncoding.AppendEncode(b, v.Bytes()), true
	case lwm2m.KindObjectLink:
		return append(b, v.String()...), true
	}
	return b, false
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// parseText is the inverse of appendText; false for what is no value of the kind.
func parseText(kind lwm2m.Kind, text string) (lwm2m.Value, bool) {
	switch kind {
	case lwm2m.KindString:
		return lwm2m.String(text), utf8.ValidString(text)
	case lwm2m.KindCoreLink:
		return lwm2m.CoreLink(text), utf8.ValidString(text)
	case lwm2m.KindBoolean:
		return lwm2m.Boolean(text == "1"), text == "0" || text == "1"
	case lwm2m.KindOpaque:
		return parseOpaque(text)
	case lwm2m.KindObjectLink:
		return parseLink(text)
	}
	return parseNumber(kind, text)
}

func parseNumber(kind lwm2m.Kind, text string) (lwm2m.Value, bool) {
	switch kind {
	case lwm2m.KindInteger:
		n, err := strconv.ParseInt(text, 10, 64)
		return lwm2m.Integer(n), err == nil
	case lwm2m.KindTime:
		n, err := strconv.ParseInt(text, 10, 64)
		return lwm2m.Time(time.Unix(n, 0)), err == nil
	case lwm2m.KindUnsigned:
		n, err := strconv.ParseUint(text, 10, 64)
		return lwm2m.Unsigned(n), err == nil
	case lwm2m.KindFloat:
		f, err := strconv.ParseFloat(text, 64)
		return lwm2m.Float(f), err == nil && decimal(text)
	}
	return lwm2m.Value{}, false
}

// decimal reports whether a float that Go can parse is written in digits: neither
// hexadecimal nor the name of something that is no number.
func decimal(text string) bool { return strings.Trim(text, "+-.eE0123456789") == "" }

// parseOpaque reads base64. The standard decoder skips line breaks, which nobody
// has to send.
func parseOpaque(text string) (lwm2m.Value, bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	return lwm2m.Opaque(b), err == nil && !strings.ContainsAny(text, "\r\n")
}

// parseLink reads "object:instance".
func parseLink(text string) (lwm2m.Value, bool) {
	left, right, found := strings.Cut(text, ":")
	obj, errObj := strconv.ParseUint(left, 10, 16)
	inst, errInst := strconv.ParseUint(right, 10, 16)
	return lwm2m.ObjectLink(uint16(obj), uint16(inst)), found && errObj == nil && errInst == nil
}
