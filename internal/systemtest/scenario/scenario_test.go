package scenario

import (
	"os"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/datadriven"

	"github.com/holdfast-iot/holdfast/internal/systemtest"
)

func TestMain(m *testing.M) { systemtest.Main(m) }

// TestScenarios plays every script under testdata and compares what it
// narrates.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		t.Parallel()
		narrations := play(t, parse(t, path))
		datadriven.RunTest(t, path, func(*testing.T, *datadriven.TestData) string {
			narration := narrations[0]
			narrations = narrations[1:]
			return narration
		})
	})
}

// parse reads a script. datadriven itself watches the duration of each command
// with a timer, which would fire all the time in a bubble: so the commands are
// collected first, played in the bubble, and compared outside of it.
func parse(t *testing.T, path string) (script []*command) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	datadriven.RunTestFromString(t, string(text), func(_ *testing.T, d *datadriven.TestData) string {
		script = append(script, newCommand(path, d))
		return d.Expected
	})
	return script
}

// play plays a script and returns the narration of each command.
func play(t *testing.T, script []*command) []string {
	t.Helper()
	narrations := make([]string, 0, len(script))
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		for _, c := range script {
			narrations = append(narrations, s.perform(c))
		}
	})
	return slices.Clip(narrations)
}
