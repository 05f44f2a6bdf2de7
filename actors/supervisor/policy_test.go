package supervisor

import (
	"math"
	"testing"
	"time"
)

func TestDelayDoublesUpToOneWeekForEver(t *testing.T) {
	for _, r0 := range []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second} {
		p := Policy{Initial: r0, Max: Week}
		want := r0
		for n := range uint64(64) {
			if got := p.Delay(n); got != want {
				t.Fatalf("r0 %v: Delay(%d) = %v, want %v", r0, n, got, want)
			}
			want = min(2*want, Week)
		}
	}
}

// A delay that is computed by shifting overflows after 30 to 34 doublings.
func TestDelayNeverOverflows(t *testing.T) {
	policies := []Policy{
		{Initial: 2 * time.Second, Max: Week},
		{Initial: 1, Max: Week},
		{Initial: 1, Max: math.MaxInt64},
		{Initial: math.MaxInt64, Max: math.MaxInt64},
		{Initial: math.MaxInt64/2 + 1, Max: math.MaxInt64},
		{Initial: time.Hour, Max: time.Second},
	}
	counts := []uint64{30, 31, 32, 33, 34, 62, 63, 64, 65, 1 << 16, 1<<31 - 1, 1 << 31, math.MaxUint64}
	for _, p := range policies {
		for _, n := range counts {
			if got := p.Delay(n); got != p.Max {
				if n < 63 && got > 0 && got < p.Max { // 1 ns has not reached the cap yet
					continue
				}
				t.Errorf("%+v: Delay(%d) = %v, want the cap", p, n, got)
			}
		}
	}
}

func TestDelayNeverShrinksAsFailuresGoOn(t *testing.T) {
	p := Policy{Initial: 7 * time.Second, Max: Week}
	for n := range uint64(100) {
		if p.Delay(n) > p.Delay(n+1) {
			t.Fatalf("Delay(%d) = %v > Delay(%d) = %v", n, p.Delay(n), n+1, p.Delay(n+1))
		}
	}
}

func TestInitialDelayIsDrawnFromTheWholeInterval(t *testing.T) {
	tests := []struct {
		draw float64
		want time.Duration
	}{{0, 2 * time.Second}, {0.5, 6 * time.Second}, {math.Nextafter(1, 0), 10*time.Second - 1}}
	for _, tt := range tests {
		p := NewPolicy(2*time.Second, 10*time.Second, Week, tt.draw)
		if diff := p.Initial - tt.want; diff < -1 || diff > 1 {
			t.Errorf("draw %v: r0 = %v, want %v", tt.draw, p.Initial, tt.want)
		}
	}
	if p := NewPolicy(5*time.Second, 5*time.Second, Week, 0.7); p.Initial != 5*time.Second {
		t.Errorf("equal bounds: r0 = %v", p.Initial)
	}
}

func TestFloorsWinUpwardAndNeverExceedAWeek(t *testing.T) {
	tests := []struct{ delay, floor, want time.Duration }{
		{5 * time.Second, 0, 5 * time.Second},
		{5 * time.Second, time.Minute, time.Minute},
		{time.Hour, time.Minute, time.Hour},
		{time.Second, math.MaxUint32 * time.Second, Week},
	}
	for _, tt := range tests {
		if got := Floored(tt.delay, tt.floor); got != tt.want {
			t.Errorf("Floored(%v, %v) = %v, want %v", tt.delay, tt.floor, got, tt.want)
		}
	}
}
