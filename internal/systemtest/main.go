package systemtest

import (
	"os"
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

// What the race detector's collector may leave lying around. Each collection costs it
// several times what it costs otherwise, and with what is usual a sixth of all that a
// random history takes was spent on it; the limit keeps large heaps as they are.
const (
	raceGarbage = 400     // percent of what is in use
	raceHeap    = 1 << 30 // bytes
)

// Main runs the tests of a package, and fails where a goroutine is left behind. With the
// race detector, which makes everything slow, state directories are in memory where there
// is such a file system: the disk is no part of these tests (see quickDisk), and virtual
// weeks write tens of thousands of records. Without it everything is as it is elsewhere:
// what a client weighs is measured in such a process.
func Main(m *testing.M) {
	if RaceDetector {
		if dir := memoryDir(); dir != "" {
			_ = os.Setenv("TMPDIR", dir) // the name is valid
		}
		debug.SetGCPercent(raceGarbage)
		debug.SetMemoryLimit(raceHeap)
	}
	goleak.VerifyTestMain(m)
}
