package records

import (
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// Convert gives a value the kind of its definition as [lwm2m.Value.As] does, and
// takes an object link that was written as a string, as servers do.
func Convert(natural lwm2m.Value, kind lwm2m.Kind) (lwm2m.Value, error) {
	if kind == lwm2m.KindObjectLink && natural.Kind() == lwm2m.KindString {
		if link, ok := strict.ParseLink(natural.Text()); ok {
			return link, nil
		}
	}
	return natural.As(kind)
}
