package supervisor

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/messages"
)

func seconds(n uint64) *time.Duration { return new(time.Duration(n) * time.Second) }

// series returns the first delays of a schedule in seconds, and the failures
// with which it is exhausted.
func series(s Schedule, n int) (delays []int, exhausted []int) {
	for i := range n {
		d, over := s.Delay(uint64(i))
		delays = append(delays, int(d/time.Second))
		if over {
			exhausted = append(exhausted, i)
		}
	}
	return delays, exhausted
}

// LwM2M Core section 6.2.1.2: five attempts, 60 s doubled between them, one
// sequence; a day between sequences.
func TestSequencesFollowTheRetryResources(t *testing.T) {
	const week = 604800
	tests := []struct {
		name      string
		retry     messages.Retry
		restarts  bool
		delays    []int
		exhausted []int
	}{
		{"defaults, and no bootstrap: on at the cap", messages.Retry{}, false,
			[]int{60, 120, 240, 480, week, week, week}, []int{4, 5, 6}},
		{"defaults, and a bootstrap: the series begins anew", messages.Retry{}, true,
			[]int{60, 120, 240, 480, 0, 60, 120, 240, 480, 0}, []int{4, 9}},
		{"two sequences", messages.Retry{Count: new(uint64(3)), Timer: seconds(10), SequenceDelay: seconds(1000), SequenceCount: new(uint64(2))}, false,
			[]int{10, 20, 1000, 10, 20, week, week}, []int{5, 6}},
		{"two sequences, then a bootstrap", messages.Retry{Count: new(uint64(2)), Timer: seconds(10), SequenceDelay: seconds(1000), SequenceCount: new(uint64(2))}, true,
			[]int{10, 1000, 10, 0, 10, 1000, 10, 0}, []int{3, 7}},
		{"a count of 0 counts as 1", messages.Retry{Count: new(uint64(0)), SequenceCount: new(uint64(0))}, false,
			[]int{week, week}, []int{0, 1}},
		{"never again means the cap", messages.Retry{Count: new(uint64(2)), SequenceDelay: new(accounts.Never), SequenceCount: new(uint64(9))}, false,
			[]int{60, week, week, week}, []int{1, 2, 3}},
		{"never again, and a bootstrap", messages.Retry{Count: new(uint64(2)), SequenceDelay: new(accounts.Never), SequenceCount: new(uint64(9))}, true,
			[]int{60, 0, 60, 0}, []int{1, 3}},
		{"a timer of 0 is no busy loop", messages.Retry{Count: new(uint64(4)), Timer: seconds(0), SequenceDelay: seconds(0), SequenceCount: new(uint64(2))}, false,
			[]int{1, 2, 4, 2, 2, 4, 8, week}, []int{7}},
		{"a timer of 1 s counts as 2 s after three attempts", messages.Retry{Count: new(uint64(1)), Timer: seconds(1), SequenceDelay: seconds(1), SequenceCount: new(uint64(1 << 32))}, false,
			[]int{1, 1, 1, 2, 2, 2}, nil},
		{"also where the series begins anew", messages.Retry{Count: new(uint64(2)), Timer: seconds(0)}, true,
			[]int{1, 0, 1, 0, 2, 0, 2, 0}, []int{1, 3, 5, 7}},
		{"and for a series of one attempt", messages.Retry{Count: new(uint64(1)), Timer: seconds(0)}, true,
			[]int{0, 1, 2, 8, 16}, []int{0, 1, 2, 3, 4}},
		{"timers of 2 s stay", messages.Retry{Count: new(uint64(9)), Timer: seconds(2)}, false,
			[]int{2, 4, 8, 16, 32}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSequences(tt.retry, tt.restarts, Week)
			delays, exhausted := series(s, len(tt.delays))
			if !slices.Equal(delays, tt.delays) || !slices.Equal(exhausted, tt.exhausted) {
				t.Errorf("delays %v, exhausted %v, want %v, %v", delays, exhausted, tt.delays, tt.exhausted)
			}
		})
	}
}

// What a server writes cannot overflow anything.
func TestSequencesWithExtremeNumbers(t *testing.T) {
	extremes := []uint64{0, 1, 2, 1<<31 - 1, 1 << 31, 1<<32 - 1, math.MaxUint64}
	for _, count := range extremes {
		for _, sequences := range extremes {
			for _, restarts := range []bool{false, true} {
				s := NewSequences(messages.Retry{
					Count: &count, Timer: seconds(1<<32 - 2), SequenceDelay: seconds(1<<32 - 2), SequenceCount: &sequences,
				}, restarts, Week)
				for _, n := range extremes {
					d, over := s.Delay(n)
					if d < 0 || d > Week || d == 0 && !(over && restarts) {
						t.Fatalf("%+v: Delay(%d) = %v, %v", s, n, d, over)
					}
				}
			}
		}
	}
}
