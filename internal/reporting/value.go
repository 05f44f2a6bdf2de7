package reporting

import (
	"math"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Differ reports whether values that are read now are worth telling to a server that
// was told others: one has come or gone, or one has changed as far as its thresholds
// want. Without thresholds, nil, any change counts. Both are sorted by path.
func Differ(told, now []lwm2m.Node, thresholds func(lwm2m.Path) Attributes) bool {
	if len(told) != len(now) {
		return true
	}
	for i, n := range now {
		was := told[i]
		if was.Path != n.Path {
			return true
		}
		if was.Value != n.Value && (thresholds == nil || thresholds(n.Path).worth(was.Value, n.Value)) {
			return true
		}
	}
	return false
}

// worth reports whether a value that has changed is to be told: it has crossed a
// threshold, or has gone a step from what was last told. Without any, it is.
func (a Attributes) worth(told, now lwm2m.Value) bool {
	if !a.thresholds() || told.Kind() != now.Kind() || !isNumber(now.Kind()) {
		return true
	}
	was, is := number(told), number(now)
	if math.IsNaN(was) || math.IsNaN(is) { // compares with nothing
		return true
	}
	gt, hasGT := a.Get(GreaterThan)
	lt, hasLT := a.Get(LessThan)
	st, hasST := a.Get(Step)
	return hasGT && (was > gt) != (is > gt) ||
		hasLT && (was < lt) != (is < lt) ||
		hasST && distance(told, now) >= st
}

// number returns a number as a float; what does not fit loses its last digits.
func number(v lwm2m.Value) float64 {
	switch v.Kind() {
	case lwm2m.KindInteger:
		return float64(v.Int())
	case lwm2m.KindUnsigned:
		return float64(v.Uint())
	}
	return v.Float64()
}

// distance returns how far two numbers of the same kind are apart. Integers are
// subtracted as such: those of large counters are the same as floats.
func distance(a, b lwm2m.Value) float64 {
	switch a.Kind() {
	case lwm2m.KindInteger:
		return float64(uint64(max(a.Int(), b.Int())) - uint64(min(a.Int(), b.Int())))
	case lwm2m.KindUnsigned:
		return float64(max(a.Uint(), b.Uint()) - min(a.Uint(), b.Uint()))
	}
	return math.Abs(a.Float64() - b.Float64())
}
