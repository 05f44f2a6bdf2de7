package wallclock

import (
	"runtime/debug"
	"sync"
	"time"
)

// Built returns the time of the revision that this program was built from, as the
// go command notes it; zero where it does not, as for a test. It is that of the
// gateway's program where this module is a part of one. A clock that stands before
// it is wrong.
var Built = sync.OnceValue(func() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	return revisionTime(info.Settings)
})

func revisionTime(settings []debug.BuildSetting) time.Time {
	for _, s := range settings {
		if s.Key == "vcs.time" {
			at, _ := time.Parse(time.RFC3339, s.Value) // zero for nonsense
			return at
		}
	}
	return time.Time{}
}
