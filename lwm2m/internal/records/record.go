package records

import (
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// Record is one record as it was written, not yet resolved.
type Record struct {
	BaseName *string // nil when absent; an empty one resets the base
	Name     string
	Named    bool        // there is a name, which may be empty
	Value    lwm2m.Value // of the kind that the field implies; KindNone when absent
	Rounded  bool        // the value is a Float, also where it is whole
	Null     bool        // there is a value field, and it is null
	BaseTime *float64    // seconds; nil when absent
	Time     float64     // seconds after the base time
}

// bare reports whether the record only sets base fields (RFC 8428 section 4.1).
func (r *Record) bare() bool { return r.Name == "" && !r.valued() }

// valued reports whether there is a value field.
func (r *Record) valued() bool { return r.hasValue() || r.Null }

func (r *Record) hasValue() bool { return r.Value.Kind() != lwm2m.KindNone }

// Set gives the record its value, which it may have once.
func (r *Record) Set(v lwm2m.Value, ok bool) strict.Fault {
	if !ok {
		return strict.Refuse(lwm2m.ReasonValue, "the value does not fit its label")
	}
	if r.valued() {
		return severalValues()
	}
	r.Value = v
	return strict.None
}

// SetNumber gives the record a number, as [strict.Scanner.Value] and the CBOR library have
// it.
func (r *Record) SetNumber(content any) strict.Fault {
	v, rounded, ok := strict.Nearest(content)
	r.Rounded = rounded
	return r.Set(v, ok)
}

// SetNull notes a value field that is null.
func (r *Record) SetNull() strict.Fault {
	if r.valued() {
		return severalValues()
	}
	r.Null = true
	return strict.None
}

func severalValues() strict.Fault {
	return strict.Refuse(lwm2m.ReasonDuplicate, "more than one value in a record")
}
