package reporting

import (
	"cmp"
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
	if isNaN(told) || isNaN(now) { // compares with nothing
		return true
	}
	gt, hasGT := a.Get(GreaterThan)
	lt, hasLT := a.Get(LessThan)
	st, hasST := a.Get(Step)
	return hasGT && (compare(told, gt) > 0) != (compare(now, gt) > 0) ||
		hasLT && (compare(told, lt) < 0) != (compare(now, lt) < 0) ||
		hasST && compare(distance(told, now), st) >= 0
}

func isNaN(v lwm2m.Value) bool { return v.Kind() == lwm2m.KindFloat && math.IsNaN(v.Float64()) }

// compare returns how a number compares with a threshold: below 0 where it is less.
// Integers are not made floats for it: those of large counters would be the same.
func compare(v lwm2m.Value, threshold float64) int {
	whole := math.Floor(threshold)
	switch v.Kind() {
	case lwm2m.KindInteger:
		switch {
		case whole < math.MinInt64:
			return +1
		case whole >= math.MaxInt64: // as a float, 2^63
			return -1
		}
		return beyond(cmp.Compare(v.Int(), int64(whole)), threshold > whole)
	case lwm2m.KindUnsigned:
		switch {
		case whole < 0:
			return +1
		case whole >= math.MaxUint64: // as a float, 2^64
			return -1
		}
		return beyond(cmp.Compare(v.Uint(), uint64(whole)), threshold > whole)
	}
	return cmp.Compare(v.Float64(), threshold)
}

// beyond makes of how an integer compares with the whole part of a threshold how it
// compares with all of it.
func beyond(order int, fraction bool) int {
	if order == 0 && fraction {
		return -1
	}
	return order
}

// distance returns how far two numbers of the same kind are apart, floats at most: from
// 20.1 to 20.2 it is a step of 0.1, although the nearest floats are a little closer.
func distance(a, b lwm2m.Value) lwm2m.Value {
	switch a.Kind() {
	case lwm2m.KindInteger:
		return lwm2m.Unsigned(uint64(max(a.Int(), b.Int())) - uint64(min(a.Int(), b.Int())))
	case lwm2m.KindUnsigned:
		return lwm2m.Unsigned(max(a.Uint(), b.Uint()) - min(a.Uint(), b.Uint()))
	}
	far := max(math.Abs(a.Float64()), math.Abs(b.Float64()))
	if math.IsInf(far, 0) {
		return lwm2m.Float(far)
	}
	rounding := far - math.Nextafter(far, 0)
	return lwm2m.Float(math.Abs(a.Float64()-b.Float64()) + rounding)
}
