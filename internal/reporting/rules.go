package reporting

import (
	"cmp"
	"time"
)

// ConfirmEvery is within which time a notification is confirmable, at the latest
// (RFC 7641 section 4.5): only that shows whether the server is still interested.
const ConfirmEvery = 24 * time.Hour

// Defaults are what counts where a server has set no attribute: resources 2, 3 and 26
// of its Server instance.
type Defaults struct {
	MinPeriod   time.Duration // 0 or less for none
	MaxPeriod   time.Duration // 0 or less for none
	Confirmable bool
}

// Rules are the attributes in force for an observation, without those that contradict
// each other. A period of 0 is none.
type Rules struct {
	MinPeriod     time.Duration // between two notifications, at least
	MaxPeriod     time.Duration // between two notifications, at most; 0 or at least MinPeriod
	MinEvaluation time.Duration // between two looks at the value, at least
	MaxEvaluation time.Duration // between two looks at the value, at most; 0 or at least MinEvaluation
	Confirmable   bool
}

// RulesOf returns the rules that follow from the attributes in force at a path. A
// longest period below the shortest is ignored, wherever each of them comes from
// (LwM2M Core section 5.1.2).
func RulesOf(a Attributes, d Defaults) Rules {
	period := func(at Attribute, otherwise time.Duration) time.Duration {
		if seconds, set := a.Get(at); set {
			return time.Duration(seconds) * time.Second
		}
		return max(otherwise, 0)
	}
	r := Rules{
		MinPeriod: period(MinPeriod, d.MinPeriod), MaxPeriod: period(MaxPeriod, d.MaxPeriod),
		MinEvaluation: period(MinEvaluation, 0), MaxEvaluation: period(MaxEvaluation, 0),
		Confirmable: d.Confirmable,
	}
	if con, set := a.Get(Confirm); set {
		r.Confirmable = con == 1
	}
	return r.coherent()
}

func (r Rules) coherent() Rules {
	if r.MaxPeriod < r.MinPeriod {
		r.MaxPeriod = 0
	}
	if r.MaxEvaluation < r.MinEvaluation {
		r.MaxEvaluation = 0
	}
	return r
}

// Join returns the rules of an observation that has several targets, each with its
// own: it breaks the shortest period of none of them, and tells as often as the most
// demanding wants.
func (r Rules) Join(other Rules) Rules {
	return Rules{
		MinPeriod:     max(r.MinPeriod, other.MinPeriod),
		MaxPeriod:     shorter(r.MaxPeriod, other.MaxPeriod),
		MinEvaluation: max(r.MinEvaluation, other.MinEvaluation),
		MaxEvaluation: shorter(r.MaxEvaluation, other.MaxEvaluation),
		Confirmable:   r.Confirmable || other.Confirmable,
	}.coherent()
}

// shorter returns the shorter of two periods, of which 0 is none.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return cmp.Or(a, b)
	}
	return min(a, b)
}

// every returns how often a value is looked at that changes without a word, or at
// most passes by: sample says how often where the server does not; 0 is never.
func (r Rules) every(sample time.Duration) time.Duration {
	if sample > 0 {
		sample = max(sample, r.MinEvaluation)
	}
	return shorter(sample, r.MaxEvaluation)
}
