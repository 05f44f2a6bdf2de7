package reporting

import (
	"iter"
	"strconv"
)

// Attribute is one of the attributes of LwM2M Core section 5.1.2 that say when a
// server wants to be notified.
type Attribute uint8

// The attributes. Confirm is of LwM2M 1.2; it is taken from any server.
const (
	MinPeriod     Attribute = iota // pmin: s between two notifications, at least
	MaxPeriod                      // pmax: s between two notifications, at most
	MinEvaluation                  // epmin: s between two looks at the value, at least
	MaxEvaluation                  // epmax: s between two looks at the value, at most
	GreaterThan                    // gt: notify when the value crosses it
	LessThan                       // lt: notify when the value crosses it
	Step                           // st: notify when the value differs by that much from what was last told
	Confirm                        // con: 1 for confirmable notifications
	attributeCount
)

var attributeNames = [attributeCount]string{"pmin", "pmax", "epmin", "epmax", "gt", "lt", "st", "con"}

// String returns the name that the attribute has in a query.
func (a Attribute) String() string {
	if a < attributeCount {
		return attributeNames[a]
	}
	return "attribute(" + strconv.Itoa(int(a)) + ")"
}

// isThreshold reports whether the attribute compares values, which only numbers can
// have.
func (a Attribute) isThreshold() bool { return a == GreaterThan || a == LessThan || a == Step }

// Attributes are those that a server has set at one path, or those in force there.
// The zero value has none. They are comparable.
type Attributes struct {
	set    uint8 // one bit for each attribute
	values [attributeCount]float64
}

// Get returns an attribute, in seconds where it is a period; false when it is not set.
func (a Attributes) Get(at Attribute) (float64, bool) {
	return a.values[at], a.set&(1<<at) != 0
}

// With returns the attributes with one of them set.
func (a Attributes) With(at Attribute, value float64) Attributes {
	a.set |= 1 << at
	a.values[at] = value
	return a
}

// Without returns the attributes with one of them not set.
func (a Attributes) Without(at Attribute) Attributes {
	a.set &^= 1 << at
	a.values[at] = 0
	return a
}

// IsZero reports whether none is set.
func (a Attributes) IsZero() bool { return a.set == 0 }

// All yields the attributes that are set, in the order of the constants.
func (a Attributes) All() iter.Seq2[Attribute, float64] {
	return func(yield func(Attribute, float64) bool) {
		for at := range attributeCount {
			if value, set := a.Get(at); set && !yield(at, value) {
				return
			}
		}
	}
}

// Over returns a, with what is not set there taken from b: a is the more specific.
func (a Attributes) Over(b Attributes) Attributes {
	for at, value := range b.All() {
		if _, set := a.Get(at); !set {
			a = a.With(at, value)
		}
	}
	return a
}

// AppendLink appends the attributes as Discover shows them (RFC 6690), each behind a
// semicolon.
func (a Attributes) AppendLink(b []byte) []byte {
	for at, value := range a.All() {
		b = append(append(append(b, ';'), at.String()...), '=')
		b = strconv.AppendFloat(b, value, 'f', -1, 64)
	}
	return b
}

// SameThresholds reports whether a and b find the same changes worth telling.
func (a Attributes) SameThresholds(b Attributes) bool {
	for _, at := range []Attribute{GreaterThan, LessThan, Step} {
		x, hasX := a.Get(at)
		if y, hasY := b.Get(at); x != y || hasX != hasY {
			return false
		}
	}
	return true
}

// thresholds reports whether any attribute is set that compares values.
func (a Attributes) thresholds() bool {
	return a.set&(1<<GreaterThan|1<<LessThan|1<<Step) != 0
}
