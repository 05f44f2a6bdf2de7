package records

import (
	"math"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// LeastAbsolute is the first time that is Unix seconds; those below are relative to
// now, in the past where they are negative (RFC 8428 section 4.5.3).
const LeastAbsolute = 1 << 28

// LastTime is the end of the year 9999, in Unix seconds: until then a float64 has
// every millisecond.
const LastTime = 253402300799

// longestAgo bounds times relative to now, in seconds: what is longer ago than a
// century was not sampled by this device.
const longestAgo = 100 * 366 * 86400

// Samples returns the payloads of the times that the records have, in order of
// appearance. A path may be given once for each time. The error is a
// [*lwm2m.DecodeError].
func (p Pack) Samples(now time.Time, records []Record) ([]lwm2m.Sample, error) {
	s := series{pack: p, now: now, at: make(map[float64]int)}
	for i := range records {
		if path, f := s.record(&records[i]); f != strict.None {
			return nil, p.Fail(i, path, f)
		}
	}
	out := make([]lwm2m.Sample, len(s.times))
	for i, t := range s.times {
		out[i] = lwm2m.Sample{At: t.at, Payload: t.out}
	}
	return out, nil
}

// series sorts records by their time.
type series struct {
	pack  Pack
	now   time.Time
	base  cursor
	at    map[float64]int // indices into times
	times []moment
}

// moment is what the records of one time make.
type moment struct {
	*resolver
	at time.Time
}

// record hands one record to the resolver of its time, with the base name in force.
func (s *series) record(rec *Record) (lwm2m.Path, strict.Fault) {
	s.base.next(rec)
	if rec.bare() {
		return s.pack.Target, strict.None
	}
	m, f := s.moment(s.base.time + rec.Time)
	if f != strict.None {
		return s.pack.Target, f
	}
	m.base.name = s.base.name
	return m.record(&Record{Name: rec.Name, Value: rec.Value, Rounded: rec.Rounded, Null: rec.Null})
}

func (s *series) moment(seconds float64) (moment, strict.Fault) {
	if i, found := s.at[seconds]; found {
		return s.times[i], strict.None
	}
	if !(seconds >= -longestAgo && seconds <= LastTime) {
		return moment{}, strict.Refuse(lwm2m.ReasonValue, "a time out of range")
	}
	m := moment{newResolver(s.pack), s.when(seconds)}
	s.at[seconds] = len(s.times)
	s.times = append(s.times, m)
	return m, strict.None
}

// when is a resolved time, to what a float64 is sure to have of it: microseconds until
// 2106, milliseconds later.
func (s *series) when(seconds float64) time.Time {
	step := time.Microsecond
	if seconds >= 1<<32 {
		step = time.Millisecond
	}
	whole := math.Floor(seconds)
	steps := math.Round((seconds - whole) * float64(time.Second/step))
	after := time.Duration(steps) * step
	switch {
	case seconds == 0:
		return time.Time{}
	case seconds < LeastAbsolute:
		return s.now.Add(time.Duration(whole)*time.Second + after)
	}
	return time.Unix(int64(whole), 0).Add(after).UTC()
}
