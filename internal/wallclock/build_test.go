package wallclock

import (
	"runtime/debug"
	"testing"
	"time"
)

func TestRevisionTime(t *testing.T) {
	want := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Time{"2026-03-01T12:00:00Z": want, "yesterday": {}} {
		settings := []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.time", Value: value}}
		if got := revisionTime(settings); !got.Equal(want) {
			t.Errorf("%q: %v", value, got)
		}
	}
	if at := revisionTime(nil); !at.IsZero() {
		t.Errorf("built at %v without a note of it", at)
	}
}
