package supervisor

import (
	"testing"
	"time"
)

func TestRatesAdmitOneInAnInterval(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var r rates
	tests := []struct {
		name     string
		interval time.Duration
		admit    func(time.Time) bool
	}{{"hints", hintInterval, r.hint}, {"undecodable messages", malformedInterval, r.undecodable}}
	for _, tt := range tests {
		if !tt.admit(now) || tt.admit(now.Add(tt.interval-1)) || !tt.admit(now.Add(tt.interval)) || tt.admit(now.Add(tt.interval)) {
			t.Errorf("%s", tt.name)
		}
	}
}

// Bootstraps that servers ask for: the first at once, the next ones ever further
// apart, up to an hour, and at once again after an hour of quiet.
func TestRatesSpaceTriggers(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := Policy{Initial: testR0, Max: Week}
	var r rates
	want := []time.Duration{0, testR0, 2 * testR0, 4 * testR0}
	for i, w := range want {
		got := r.trigger(now, p, 0)
		if got != w {
			t.Errorf("trigger %d: %v, want %v", i+1, got, w)
		}
		now = now.Add(got)
	}
	for range 20 {
		got := r.trigger(now, p, 0)
		if got > triggerQuiet {
			t.Fatalf("%v", got)
		}
		now = now.Add(got)
	}
	now = now.Add(triggerQuiet)
	if got := r.trigger(now, p, time.Minute); got != time.Minute {
		t.Errorf("after an hour: %v, want what the bootstrap server has asked for", got)
	}
}
