// Package decay computes how long to wait before what has failed is started
// anew: the more failures there are, the longer; the longer it has run well, the
// less they count.
//
// A Decay is a plain value without a clock or a goroutine, so that pure cores can
// hold one.
package decay

import (
	"math"
	"time"
)

// Defaults of [Decay], used for fields that are not positive.
const (
	DefaultMin      = 100 * time.Millisecond
	DefaultMax      = time.Minute
	DefaultHalfLife = 5 * time.Minute
	DefaultRepeat   = 3
)

// maxScore caps the score, so that an actor which has crashed for days is
// forgiven after a few half-lives like any other.
const maxScore = 64

// Decay computes restart delays. Each failure adds 1 to a score that halves
// every HalfLife of healthy running; the delay is Min for a score of 1 and
// doubles with each further point up to Max. The time that an actor spends
// waiting for its restart does not count as healthy, so that a long delay does
// not earn its own forgiveness.
//
// The zero value works with the defaults. A Decay is a plain value without a
// clock; it is not safe for concurrent use.
type Decay struct {
	// Min is the first delay.
	Min time.Duration
	// Max is the longest delay; never less than Min.
	Max time.Duration
	// HalfLife is the time of healthy running that halves the score.
	HalfLife time.Duration
	// Repeat is the score from which failures count as repeated.
	Repeat int

	score   float64
	resumed time.Time // when the last delay ended: healthy running since
}

// Next records a failure at the instant now. It returns the delay before the
// restart and whether the failure is a repeated one. It never gives up: it can
// be called any number of times.
func (d *Decay) Next(now time.Time) (delay time.Duration, repeated bool) {
	d.score = min(d.Score(now)+1, maxScore)
	points := int(math.Round(d.score))
	delay = doubled(d.low(), d.high(), points-1)
	d.resumed = now.Add(delay)
	return delay, points >= positive(d.Repeat, DefaultRepeat)
}

// Score returns the decayed score at the instant now, in [0, 64].
func (d *Decay) Score(now time.Time) float64 {
	healthy := max(0, now.Sub(d.resumed))
	halfLives := float64(healthy) / float64(positive(d.HalfLife, DefaultHalfLife))
	return d.score * math.Exp2(-halfLives)
}

// Quiet reports whether the past failures no longer matter at the instant now:
// the next delay will be the shortest.
func (d *Decay) Quiet(now time.Time) bool { return d.Score(now) < 0.5 }

func (d *Decay) low() time.Duration { return positive(d.Min, DefaultMin) }

func (d *Decay) high() time.Duration { return max(d.low(), positive(d.Max, DefaultMax)) }

// doubled returns low*2^times, at most high, without overflow.
func doubled(low, high time.Duration, times int) time.Duration {
	if times >= 63 || low > high>>times {
		return high
	}
	return low << max(0, times)
}

func positive[T int | time.Duration](value, fallback T) T {
	if value > 0 {
		return value
	}
	return fallback
}
