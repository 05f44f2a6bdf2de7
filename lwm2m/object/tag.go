package object

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// tagName is the key of the tags of struct fields.
const tagName = "lwm2m"

// tag is what the tag of a field says.
type tag struct {
	def    lwm2m.ResourceDef
	ops    bool // it names operations
	kind   bool // it names a kind
	bounds bool // it has a range
	sample time.Duration

	sampled bool // it has a sample period
}

// misspelled finds a tag of ours that reflect does not: with other letters, with a blank
// before its value, or without quotes. Everything but go vet passes over it.
var misspelled = regexp.MustCompile(`(?i)(^|[ \t,;"])lwm2m\s*[:=]`)

// parseTag reads "5700,R,mandatory,units=Cel". The reason is for a person, and
// empty on success.
func parseTag(text string) (t tag, reason string) {
	parts := strings.Split(text, ",")
	id, err := strconv.ParseUint(parts[0], 10, 16)
	if err != nil || id == lwm2m.MaxID {
		return t, fmt.Sprintf("the tag begins with %q instead of a resource ID from 0 to 65534", parts[0])
	}
	t.def.ID, t.sample = uint16(id), DefaultSample
	for _, part := range parts[1:] {
		if reason := t.option(part); reason != "" {
			return t, reason
		}
	}
	return t, ""
}

// operations are the spellings of the registry; "-" is for what only the bootstrap
// interface touches.
var operations = map[string]lwm2m.Operations{
	"R": lwm2m.OpRead, "W": lwm2m.OpWrite, "RW": lwm2m.OpRead | lwm2m.OpWrite, "E": lwm2m.OpExecute, "-": 0,
}

func (t *tag) option(part string) (reason string) {
	if ops, found := operations[part]; found {
		if t.ops {
			return "the tag names the operations twice"
		}
		t.def.Operations, t.ops = ops, true
		return ""
	}
	name, value, hasValue := strings.Cut(part, "=")
	set, found := tagOptions[name]
	if !found || hasValue == (name == "mandatory") {
		return fmt.Sprintf("the tag has %q; what can follow the ID are R, W, RW, E or -, mandatory, "+
			"name=TEXT, units=TEXT, range=MIN..MAX, kind=KIND and sample=DURATION", part)
	}
	return set(t, value)
}

var tagOptions = map[string]func(t *tag, value string) (reason string){
	"mandatory": func(t *tag, _ string) string { t.def.Mandatory = true; return "" },
	"name":      func(t *tag, value string) string { t.def.Name = value; return "" },
	"units":     func(t *tag, value string) string { t.details().Units = value; return "" },
	"kind":      (*tag).setKind,
	"range":     (*tag).setRange,
	"sample":    (*tag).setSample,
}

func (t *tag) details() *lwm2m.Details {
	if t.def.Details == nil {
		t.def.Details = &lwm2m.Details{}
	}
	return t.def.Details
}

// kinds are the kinds that a tag can ask for, where the Go type leaves a choice.
var kinds = map[string]lwm2m.Kind{
	"string": lwm2m.KindString, "corelink": lwm2m.KindCoreLink,
	"integer": lwm2m.KindInteger, "unsigned": lwm2m.KindUnsigned,
}

func (t *tag) setKind(value string) string {
	kind, found := kinds[value]
	if !found {
		return fmt.Sprintf("the tag has the kind %q; there are string and corelink for strings, integer and unsigned for numbers", value)
	}
	t.def.Kind, t.kind = kind, true
	return ""
}

func (t *tag) setRange(value string) string {
	lowest, highest, found := strings.Cut(value, "..")
	from, err1 := strconv.ParseFloat(lowest, 64)
	to, err2 := strconv.ParseFloat(highest, 64)
	if !found || err1 != nil || err2 != nil || !(from <= to) {
		return fmt.Sprintf("the tag has the range %q; one is written as range=0..100, the smaller number first", value)
	}
	whole := lwm2m.Range{}
	whole.Min, err1 = wholeNumber(lowest, from)
	whole.Max, err2 = wholeNumber(highest, to)
	switch {
	case err1 != nil || err2 != nil:
		t.details().Floats = []lwm2m.FloatRange{{Min: from, Max: to}}
	case whole == lwm2m.Range{}: // which would mean that there is none
		t.details().Ranges = []lwm2m.Range{whole}
	default:
		t.def.Range = whole
	}
	t.bounds = true
	return ""
}

// wholeNumber reads a whole number, however it is written: 1e3 is one. float is what the
// text is otherwise.
func wholeNumber(text string, float float64) (int64, error) {
	const exact = 1 << 53 // to there a float64 has every whole number
	if float == math.Trunc(float) && math.Abs(float) <= exact {
		return int64(float), nil
	}
	return strconv.ParseInt(text, 10, 64)
}

func (t *tag) setSample(value string) string {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		return fmt.Sprintf("the tag has the sample period %q; one is written as sample=10s", value)
	}
	t.sample, t.sampled = d, true
	return ""
}
