package source

import (
	"context"
	"math"

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
		return lwm2m.ParseValue(r.Kind, text)
	}
	number, ok := lwm2m.ParseValue(lwm2m.KindFloat, text)
	f := scaled(number.Float64(), r.Scale) + r.Offset
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
