package definitions

import (
	"math"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// interval is a range as it is written, both ends included.
type interval struct {
	low, high string
	number    bool // one number, and no range
}

// bounds reads the RangeEnumeration into a definition.
func (p *part) bounds(def *lwm2m.ResourceDef, d *lwm2m.Details) {
	n := p.field("RangeEnumeration")
	if n.text == "" {
		return
	}
	read, applies := rangeReaders[def.Kind]
	if !applies {
		p.remark(n.line, p.where+", RangeEnumeration", "is %q, and a resource that is %s has no range", clip(n.text), def.Kind)
		return
	}
	text := n.text
	if isLength(def.Kind) {
		text = withoutUnit(text)
	}
	intervals, ok := split(text)
	if !ok || !read(intervals, def, d) {
		p.remark(n.line, p.where+", RangeEnumeration", "is %q, which is no range such as 0..100, nor a list; values are not bounded", clip(n.text))
	}
}

// rangeReaders read the intervals of a kind, and report whether they make sense.
var rangeReaders = map[lwm2m.Kind]func([]interval, *lwm2m.ResourceDef, *lwm2m.Details) bool{
	lwm2m.KindInteger:  wholeRanges,
	lwm2m.KindUnsigned: wholeRanges,
	lwm2m.KindTime:     wholeRanges,
	lwm2m.KindString:   lengthRanges,
	lwm2m.KindOpaque:   lengthRanges,
	lwm2m.KindCoreLink: lengthRanges,
	lwm2m.KindFloat:    floatRanges,
}

func isLength(k lwm2m.Kind) bool {
	return k == lwm2m.KindString || k == lwm2m.KindOpaque || k == lwm2m.KindCoreLink
}

// withoutUnit takes "bytes" off a length.
func withoutUnit(text string) string {
	for _, unit := range []string{"bytes", "byte"} {
		if at := len(text) - len(unit); at > 0 && strings.EqualFold(text[at:], unit) {
			return strings.TrimSpace(text[:at])
		}
	}
	return text
}

// split reads a list of intervals, each of which may have a text behind a colon.
func split(text string) (intervals []interval, ok bool) {
	for part := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == ',' || c == ';' || c == '\n' }) {
		number, _, _ := strings.Cut(part, ":")
		low, high, isRange := strings.Cut(strings.TrimSpace(number), "..")
		if !isRange {
			high = low
		}
		intervals = append(intervals, interval{strings.TrimSpace(low), strings.TrimSpace(high), !isRange})
	}
	return intervals, len(intervals) > 0
}

// alone reports whether there is one number and nothing else. That may be the highest, the
// only one, or how many there are.
func alone(intervals []interval) bool {
	return len(intervals) == 1 && intervals[0].number
}

func wholeRanges(intervals []interval, def *lwm2m.ResourceDef, d *lwm2m.Details) bool {
	ranges, ok := whole(intervals)
	if ok = ok && !alone(intervals); ok {
		bound(ranges, def, d)
	}
	return ok
}

// lengthRanges reads lengths. One alone is the longest: that bounds what it means in
// every reading.
func lengthRanges(intervals []interval, def *lwm2m.ResourceDef, d *lwm2m.Details) bool {
	ranges, ok := whole(intervals)
	for _, r := range ranges {
		ok = ok && r.Min >= 0
	}
	if ok && alone(intervals) {
		ranges[0].Min = 0
	}
	if ok {
		bound(ranges, def, d)
	}
	return ok
}

// bound puts ranges where they belong.
func bound(ranges []lwm2m.Range, def *lwm2m.ResourceDef, d *lwm2m.Details) {
	if len(ranges) == 1 && ranges[0] != (lwm2m.Range{}) {
		def.Range = ranges[0]
		return
	}
	d.Ranges = ranges
}

// whole reads whole numbers. What an Unsigned Integer can be at most is no bound.
func whole(intervals []interval) (ranges []lwm2m.Range, ok bool) {
	for _, i := range intervals {
		low, err1 := strconv.ParseInt(i.low, 10, 64)
		high, err2 := strconv.ParseInt(i.high, 10, 64)
		if i.high == strconv.FormatUint(math.MaxUint64, 10) && low == 0 && len(intervals) == 1 {
			return nil, true
		}
		if err1 != nil || err2 != nil || low > high {
			return nil, false
		}
		ranges = append(ranges, lwm2m.Range{Min: low, Max: high})
	}
	return ranges, true
}

func floatRanges(intervals []interval, def *lwm2m.ResourceDef, d *lwm2m.Details) bool {
	ranges, fits := whole(intervals)
	if fits && len(ranges) == 1 && !alone(intervals) {
		bound(ranges, def, d)
		return true
	}
	var floats []lwm2m.FloatRange
	for _, i := range intervals {
		low, err1 := strconv.ParseFloat(i.low, 64)
		high, err2 := strconv.ParseFloat(i.high, 64)
		if err1 != nil || err2 != nil || !(low <= high) || alone(intervals) {
			return false
		}
		floats = append(floats, lwm2m.FloatRange{Min: low, Max: high})
	}
	d.Floats = floats
	return true
}
