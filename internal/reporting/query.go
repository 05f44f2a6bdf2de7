package reporting

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// AttributeError says why a Write-Attributes request is refused, with 4.00 Bad
// Request.
type AttributeError struct {
	Name   string // of the attribute, as the request has it; at most 32 bytes of it
	Reason AttributeReason
}

// AttributeReason is why an attribute is refused.
type AttributeReason string

// The reasons of an [AttributeError].
const (
	AttributeUnknown    AttributeReason = "is not an attribute that this client knows: it takes pmin, pmax, epmin, epmax, gt, lt, st and con"
	AttributeTwice      AttributeReason = "appears twice"
	AttributeNoPeriod   AttributeReason = "must be a whole number of seconds from 0 to 4294967295"
	AttributeNoNumber   AttributeReason = "must be a decimal number"
	AttributeNegative   AttributeReason = "must not be negative"
	AttributeNoFlag     AttributeReason = "must be 0 or 1"
	AttributeLevel      AttributeReason = "belongs to a resource or a resource instance"
	AttributeKind       AttributeReason = "needs a resource that is a number"
	AttributeIncoherent AttributeReason = "does not fit the others: lt + 2*st must be less than gt"
)

// Error names the attribute and says why.
func (e *AttributeError) Error() string { return e.Name + " " + string(e.Reason) }

// maxNameShown bounds how much of an unknown name an error repeats, in bytes.
const maxNameShown = 32

func refuse(name string, why AttributeReason) error {
	if len(name) > maxNameShown {
		name = name[:maxNameShown]
	}
	return &AttributeError{Name: strings.ToValidUTF8(name, "?"), Reason: why}
}

// Change is what one Write-Attributes request asks for.
type Change struct {
	set   Attributes
	unset []Attribute
}

// ParseQuery reads the Uri-Query options of a Write-Attributes request: "pmin=10"
// sets an attribute, "pmin" unsets it (LwM2M Core section 6.3.4). The error is an
// [*AttributeError].
func ParseQuery(query []string) (c Change, err error) {
	var seen [attributeCount]bool
	for _, q := range query {
		name, text, hasValue := strings.Cut(q, "=")
		at := Attribute(slices.Index(attributeNames[:], name))
		switch {
		case at >= attributeCount:
			return Change{}, refuse(name, AttributeUnknown)
		case seen[at]:
			return Change{}, refuse(name, AttributeTwice)
		}
		seen[at] = true
		if !hasValue {
			c.unset = append(c.unset, at)
			continue
		}
		value, why := at.parse(text)
		if why != "" {
			return Change{}, refuse(name, why)
		}
		c.set = c.set.With(at, value)
	}
	return c, nil
}

// parse reads the value of an attribute; an empty reason means success.
func (a Attribute) parse(text string) (value float64, why AttributeReason) {
	switch {
	case a == Confirm:
		return parseFlag(text)
	case !a.isThreshold():
		return parsePeriod(text)
	}
	value, ok := parseNumber(text)
	switch {
	case !ok:
		return 0, AttributeNoNumber
	case a == Step && value < 0:
		return 0, AttributeNegative
	}
	return value, ""
}

func parseFlag(text string) (float64, AttributeReason) {
	if text != "0" && text != "1" {
		return 0, AttributeNoFlag
	}
	return float64(text[0] - '0'), ""
}

func parsePeriod(text string) (float64, AttributeReason) {
	seconds, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, AttributeNoPeriod
	}
	return float64(seconds), ""
}

// parseNumber takes more than the grammar of the specification has, which knows
// neither signs nor exponents: servers send both.
func parseNumber(text string) (float64, bool) {
	if strings.Trim(text, "0123456789.-+eE") != "" {
		return 0, false // what strconv takes beside: hexadecimals, infinities, no number
	}
	value, err := strconv.ParseFloat(text, 64)
	return value + 0, err == nil && !math.IsInf(value, 0) // + 0 makes 0 of -0
}

// Apply returns the attributes of a path after the change. kind is the data type of
// the resource that the path names; it does not matter for objects and instances. The
// error is an [*AttributeError].
func (c Change) Apply(to Attributes, path lwm2m.Path, kind lwm2m.Kind) (Attributes, error) {
	for at := range c.set.All() {
		switch {
		case at.isThreshold() && path.Len() < 3:
			return to, refuse(at.String(), AttributeLevel)
		case at.isThreshold() && !isNumber(kind):
			return to, refuse(at.String(), AttributeKind)
		}
	}
	after := c.set.Over(to)
	for _, at := range c.unset {
		after = after.Without(at)
	}
	if at, ok := after.incoherent(); ok && c.set.thresholds() {
		return to, refuse(at.String(), AttributeIncoherent)
	}
	return after, nil
}

// isNumber reports whether values of the data type can be compared with a threshold.
func isNumber(kind lwm2m.Kind) bool {
	return kind == lwm2m.KindInteger || kind == lwm2m.KindUnsigned || kind == lwm2m.KindFloat
}

// incoherent reports whether the thresholds contradict each other (LwM2M Core section
// 5.1.2), and names one of those that do.
func (a Attributes) incoherent() (Attribute, bool) {
	lt, hasLT := a.Get(LessThan)
	gt, hasGT := a.Get(GreaterThan)
	st, hasST := a.Get(Step) // 0 when there is none
	if hasST {
		return Step, hasLT && hasGT && lt+2*st >= gt
	}
	return LessThan, hasLT && hasGT && lt >= gt
}
