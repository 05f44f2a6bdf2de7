package decay

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func TestDecayDoublesToTheCapWithExactDelays(t *testing.T) {
	decay := Decay{Min: time.Second, Max: 10 * time.Second, HalfLife: time.Minute, Repeat: 3}
	now := epoch
	for i, want := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
		delay, repeated := decay.Next(now)
		if delay != want*time.Second {
			t.Errorf("failure %d: delay %v, want %v", i+1, delay, want*time.Second)
		}
		if repeated != (i+1 >= 3) {
			t.Errorf("failure %d: repeated = %v", i+1, repeated)
		}
		now = now.Add(delay)
	}
}

func TestDecayHalvesTheScoreOfHealthyRunning(t *testing.T) {
	decay := Decay{Min: time.Second, Max: time.Hour, HalfLife: time.Minute}
	now := epoch
	for range 4 {
		delay, _ := decay.Next(now)
		now = now.Add(delay)
	}
	for _, step := range []struct {
		healthy time.Duration
		score   float64
	}{{0, 4}, {time.Minute, 2}, {2 * time.Minute, 1}, {3 * time.Minute, 0.5}} {
		if got := decay.Score(now.Add(step.healthy)); got != step.score {
			t.Errorf("score after %v = %v, want %v", step.healthy, got, step.score)
		}
	}
	if decay.Quiet(now.Add(3*time.Minute)) || !decay.Quiet(now.Add(3*time.Minute+time.Second)) {
		t.Error("quiet begins below a score of 0.5")
	}
	if delay, _ := decay.Next(now.Add(2 * time.Minute)); delay != 2*time.Second {
		t.Errorf("delay after two healthy half-lives = %v, want 2s", delay)
	}
}

func TestDecayDoesNotCountTheWaitAsHealthy(t *testing.T) {
	decay := Decay{Min: time.Hour, Max: 16 * time.Hour, HalfLife: time.Second}
	now := epoch
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 16} {
		delay, _ := decay.Next(now)
		if delay != want*time.Hour {
			t.Fatalf("delay %v, want %v", delay, want*time.Hour)
		}
		now = now.Add(delay)
	}
}

func TestDecaySurvivesAnyCountAndBackwardClocks(t *testing.T) {
	decay := Decay{Min: 1, Max: math.MaxInt64}
	for range 100000 {
		if delay, _ := decay.Next(epoch); delay <= 0 {
			t.Fatalf("delay %v", delay)
		}
	}
	if score := decay.Score(epoch.Add(-time.Hour)); score != maxScore {
		t.Errorf("score = %v, want %v", score, maxScore)
	}
}

func TestDecayForgivesACrashLoopAfterAFewHalfLives(t *testing.T) {
	decay := Decay{HalfLife: time.Minute}
	for range 100000 {
		decay.Next(epoch)
	}
	if !decay.Quiet(epoch.Add(DefaultMax + 8*time.Minute)) {
		t.Error("eight half-lives do not forgive 100000 failures")
	}
}

func TestDecayZeroValueUsesTheDefaults(t *testing.T) {
	var decay Decay
	for i := range 20 {
		delay, repeated := decay.Next(epoch)
		want := min(DefaultMin<<i, DefaultMax)
		if delay != want || repeated != (i+1 >= DefaultRepeat) {
			t.Errorf("failure %d: %v, %v, want %v", i+1, delay, repeated, want)
		}
	}
}

func TestDecayStaysWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		duration := rapid.Int64Range(math.MinInt64, math.MaxInt64)
		decay := Decay{
			Min:      time.Duration(duration.Draw(t, "min")),
			Max:      time.Duration(duration.Draw(t, "max")),
			HalfLife: time.Duration(duration.Draw(t, "half-life")),
		}
		now := epoch
		for _, step := range rapid.SliceOf(duration).Draw(t, "steps") {
			now = now.Add(time.Duration(step))
			delay, _ := decay.Next(now)
			if delay < decay.low() || delay > decay.high() {
				t.Fatalf("delay %v not in [%v, %v]", delay, decay.low(), decay.high())
			}
			if score := decay.Score(now); !(score >= 1 && score <= maxScore) {
				t.Fatalf("score %v", score)
			}
		}
	})
}
