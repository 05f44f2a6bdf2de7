package source

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Reading is a value that is read from a source.
type Reading struct {
	Source *Source
	Kind   lwm2m.Kind // any but None
	// Scale and Offset make the value of a number: number * Scale + Offset. A Scale of 0 is 1.
	Scale, Offset float64
}

// Value reads the value. The errors are those of [Source.Text]; what is no value of the
// kind is an [*Error], too.
func (r Reading) Value(ctx context.Context) (lwm2m.Value, error) {
	text, err := r.Source.Text(ctx)
	if err != nil {
		return lwm2m.Value{}, err
	}
	v, ok := r.parse(text)
	if !ok {
		return v, &Error{Source: r.Source.kind, Reason: "says what is no value of the type " + r.Kind.String()}
	}
	return v, nil
}

func (r Reading) parse(text string) (lwm2m.Value, bool) {
	if r.Scale == 0 && r.Offset == 0 {
		return Parse(r.Kind, text)
	}
	f, ok := parseFloat(text)
	f = scaled(f, r.Scale) + r.Offset
	if r.Kind != lwm2m.KindFloat {
		f = math.Round(f)
	}
	v, err := lwm2m.Float(f).As(r.Kind)
	return v, ok && err == nil
}

// scaled multiplies. What is scaled by a thousandth is divided by a thousand: that has
// the digits which a person expects.
func scaled(f, scale float64) float64 {
	if scale == 0 {
		return f
	}
	if divisor := math.Round(1 / scale); divisor != 0 && 1/divisor == scale {
		return f / divisor
	}
	return f * scale
}

// Parse reads a value of a type as people write it: numbers in decimal digits, true, false, 1 or
// 0, a time in RFC 3339 or as seconds since 1970, an opaque value as hex:0a1b or base64:Chs=, an
// object link as 3303:0.
func Parse(kind lwm2m.Kind, text string) (lwm2m.Value, bool) {
	switch kind {
	case lwm2m.KindString:
		return lwm2m.String(text), true
	case lwm2m.KindCoreLink:
		return lwm2m.CoreLink(text), true
	case lwm2m.KindBoolean:
		return lwm2m.Boolean(text == "true" || text == "1"), text == "true" || text == "false" || text == "1" || text == "0"
	case lwm2m.KindOpaque:
		return parseOpaque(text)
	case lwm2m.KindTime:
		return parseTime(text)
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
	case lwm2m.KindUnsigned:
		n, err := strconv.ParseUint(text, 10, 64)
		return lwm2m.Unsigned(n), err == nil
	case lwm2m.KindFloat:
		f, ok := parseFloat(text)
		return lwm2m.Float(f), ok
	}
	return lwm2m.Value{}, false
}

// parseFloat reads a number in decimal digits, and nothing else that Go takes for one.
func parseFloat(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && strings.Trim(text, "+-.eE0123456789") == ""
}

func parseOpaque(text string) (lwm2m.Value, bool) {
	name, rest, _ := strings.Cut(text, ":")
	var data []byte
	var err error
	switch name {
	case "hex":
		data, err = hex.DecodeString(rest)
	case "base64":
		data, err = base64.StdEncoding.DecodeString(rest)
	default:
		return lwm2m.Value{}, false
	}
	return lwm2m.Opaque(data), err == nil
}

func parseTime(text string) (lwm2m.Value, bool) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return lwm2m.Time(time.Unix(seconds, 0)), true
	}
	at, err := time.Parse(time.RFC3339, text)
	return lwm2m.Time(at), err == nil
}

func parseLink(text string) (lwm2m.Value, bool) {
	object, instance, found := strings.Cut(text, ":")
	o, err := strconv.ParseUint(object, 10, 16)
	i, errInstance := strconv.ParseUint(instance, 10, 16)
	return lwm2m.ObjectLink(uint16(o), uint16(i)), found && err == nil && errInstance == nil
}
