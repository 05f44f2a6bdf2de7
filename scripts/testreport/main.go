// Command testreport reads the output of "go test -json" and prints it for
// people: one line for each package, and what a failed test printed. It exits
// with status 1 when a test or a build failed, and also when tests that should
// have run did not, which go test itself takes for success:
//
//   - a package with tests ran none of them, or skipped them all,
//   - a test was skipped in a package that -no-skip names, unless the test has
//     said why in the words of -excuse,
//   - nothing was run at all.
//
// Usage: go test -json ./... | testreport [-no-skip SUBSTRING] [-excuse TEXT]
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	noSkip := flag.String("no-skip", "", "a `substring` of the import paths in which no test may be skipped")
	excuse := flag.String("excuse", "", "a `text` in the output of a skipped test that excuses it")
	flag.Parse()
	r := newReport(*noSkip)
	r.excuse = *excuse
	if err := r.read(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	if faults := r.faults(); len(faults) > 0 {
		fmt.Println(strings.Join(faults, "\n"))
		os.Exit(1)
	}
}

// event is what go test -json prints (go doc test2json).
type event struct {
	Action  string
	Package string
	// ImportPath is given instead of Package by the build.
	ImportPath string
	Test       string
	Elapsed    float64
	Output     string
}

// tally is what became of one package.
type tally struct {
	passed, skipped, failed int
	noTestFiles             bool
	done                    string // the last action: pass, fail or skip
	output                  strings.Builder
	tests                   map[string]*strings.Builder // output of running tests
	skips                   []string
	excused                 int // further skips, which -excuse allows
}

type report struct {
	noSkip   string
	excuse   string // empty excuses nothing
	packages map[string]*tally
	broken   []string // import paths that were not built
}

func newReport(noSkip string) *report {
	return &report{noSkip: noSkip, packages: make(map[string]*tally)}
}

func (r *report) read(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			r.line(line, out)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// line takes in one line; what is no JSON comes from the go command itself and
// is passed on.
func (r *report) line(line []byte, out io.Writer) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		fmt.Fprintf(out, "%s", line)
		return
	}
	switch {
	case e.Action == "build-output":
		fmt.Fprint(out, e.Output)
	case e.Action == "build-fail":
		r.broken = append(r.broken, e.ImportPath)
	case e.Package == "":
	case e.Test == "":
		r.packageEvent(e, out)
	default:
		r.testEvent(e, out)
	}
}

func (r *report) tally(path string) *tally {
	t, known := r.packages[path]
	if !known {
		t = &tally{tests: make(map[string]*strings.Builder)}
		r.packages[path] = t
	}
	return t
}

func (r *report) packageEvent(e event, out io.Writer) {
	t := r.tally(e.Package)
	switch e.Action {
	case "output":
		t.noTestFiles = t.noTestFiles || strings.Contains(e.Output, "[no test files]")
		t.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		t.done = e.Action
		if e.Action == "fail" {
			fmt.Fprint(out, t.output.String())
			t.flush(out)
		}
		fmt.Fprintf(out, "%-4s %s: %d passed, %d skipped, %d failed (%.1fs)\n",
			e.Action, e.Package, t.passed, t.skipped, t.failed, e.Elapsed)
	}
}

// flush prints the output of tests that never ended, as after a panic.
func (t *tally) flush(out io.Writer) {
	for _, text := range t.tests {
		fmt.Fprint(out, text.String())
	}
}

func (r *report) testEvent(e event, out io.Writer) {
	t := r.tally(e.Package)
	switch e.Action {
	case "run":
		t.tests[e.Test] = new(strings.Builder)
	case "output":
		if text := t.tests[e.Test]; text != nil {
			text.WriteString(e.Output)
		}
	case "pass", "fail":
		t.count(e, out)
	case "skip":
		t.skip(e, r.excuse)
	}
}

// skip notes that a test was skipped, by its fault or with an excuse.
func (t *tally) skip(e event, excuse string) {
	t.skipped++
	text := t.tests[e.Test]
	if excuse != "" && text != nil && strings.Contains(text.String(), excuse) {
		t.excused++
	} else {
		t.skips = append(t.skips, e.Test)
	}
	delete(t.tests, e.Test)
}

func (t *tally) count(e event, out io.Writer) {
	switch e.Action {
	case "pass":
		t.passed++
	case "fail":
		t.failed++
		if text := t.tests[e.Test]; text != nil {
			fmt.Fprint(out, text.String())
		}
	}
	delete(t.tests, e.Test)
}

// faults returns why the run is no success, empty when it is one.
func (r *report) faults() []string {
	var faults []string
	for _, path := range r.broken {
		faults = append(faults, path+": was not built")
	}
	ran := 0
	for path, t := range r.packages {
		ran += t.passed
		faults = append(faults, t.faults(path, r.noSkip)...)
	}
	if ran == 0 {
		faults = append(faults, "no test was run")
	}
	slices.Sort(faults)
	return faults
}

func (t *tally) faults(path, noSkip string) []string {
	var faults []string
	switch {
	case t.done == "":
		faults = append(faults, path+": did not end")
	case t.done == "fail":
		faults = append(faults, path+": failed")
	case t.noTestFiles:
	case t.passed == 0 && (t.excused == 0 || len(t.skips) > 0):
		faults = append(faults, path+": has tests, but none was run")
	}
	if noSkip != "" && strings.Contains(path, noSkip) {
		for _, test := range t.skips {
			faults = append(faults, path+": "+test+" was skipped")
		}
	}
	return faults
}
