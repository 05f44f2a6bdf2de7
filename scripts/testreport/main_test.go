package main

import (
	"strings"
	"testing"
)

func read(t *testing.T, noSkip string, lines ...string) (*report, string) {
	t.Helper()
	r := newReport(noSkip)
	var out strings.Builder
	if err := r.read(strings.NewReader(strings.Join(lines, "\n")), &out); err != nil {
		t.Fatal(err)
	}
	return r, out.String()
}

const (
	passA   = `{"Action":"pass","Package":"a","Test":"TestA"}`
	skipA   = `{"Action":"skip","Package":"a","Test":"TestB"}`
	endA    = `{"Action":"pass","Package":"a","Elapsed":1}`
	noTests = `{"Action":"output","Package":"b","Output":"?   \tb\t[no test files]\n"}`
	endB    = `{"Action":"skip","Package":"b","Elapsed":0}`
)

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		noSkip string
		lines  []string
		want   string
	}{
		"success":              {"", []string{passA, skipA, endA, noTests, endB}, ""},
		"nothing":              {"", nil, "no test was run"},
		"no test in a package": {"", []string{passA, endA, `{"Action":"pass","Package":"c"}`}, "c: has tests, but none was run"},
		"all skipped":          {"", []string{skipA, endA}, "a: has tests, but none was run\nno test was run"},
		"forbidden skip":       {"a", []string{passA, skipA, endA}, "a: TestB was skipped"},
		"failed":               {"", []string{passA, `{"Action":"fail","Package":"a","Test":"TestC"}`, `{"Action":"fail","Package":"a"}`}, "a: failed"},
		"not built":            {"", []string{passA, endA, `{"Action":"build-fail","ImportPath":"d"}`}, "d: was not built"},
		"cut short":            {"", []string{passA}, "a: did not end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := read(t, c.noSkip, c.lines...)
			if got := strings.Join(r.faults(), "\n"); got != c.want {
				t.Errorf("faults = %q, want %q", got, c.want)
			}
		})
	}
}

func TestExcusedSkips(t *testing.T) {
	t.Parallel()
	const (
		runB    = `{"Action":"run","Package":"a","Test":"TestB"}`
		excuseB = `{"Action":"output","Package":"a","Test":"TestB","Output":"x_test.go:1: the moon is full: really\n"}`
		otherB  = `{"Action":"output","Package":"a","Test":"TestB","Output":"x_test.go:1: no time\n"}`
	)
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"excused":                 {[]string{passA, runB, excuseB, skipA, endA}, ""},
		"another reason":          {[]string{passA, runB, otherB, skipA, endA}, "a: TestB was skipped"},
		"no reason":               {[]string{passA, runB, skipA, endA}, "a: TestB was skipped"},
		"all of a package":        {[]string{`{"Action":"pass","Package":"c","Test":"TestC"}`, `{"Action":"pass","Package":"c"}`, runB, excuseB, skipA, endA}, ""},
		"excused, and not at all": {[]string{runB, excuseB, skipA, endA}, "no test was run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReport("a")
			r.excuse = "the moon is full"
			if err := r.read(strings.NewReader(strings.Join(c.lines, "\n")), &strings.Builder{}); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(r.faults(), "\n"); got != c.want {
				t.Errorf("faults = %q, want %q", got, c.want)
			}
		})
	}
}

func TestPrintsOnlyWhatFailed(t *testing.T) {
	t.Parallel()
	_, out := read(t, "",
		`{"Action":"run","Package":"a","Test":"TestGood"}`,
		`{"Action":"output","Package":"a","Test":"TestGood","Output":"good\n"}`,
		`{"Action":"pass","Package":"a","Test":"TestGood"}`,
		`{"Action":"run","Package":"a","Test":"TestBad"}`,
		`{"Action":"output","Package":"a","Test":"TestBad","Output":"bad\n"}`,
		`{"Action":"fail","Package":"a","Test":"TestBad"}`,
		`{"Action":"run","Package":"a","Test":"TestPanics"}`,
		`{"Action":"output","Package":"a","Test":"TestPanics","Output":"panic\n"}`,
		`{"Action":"fail","Package":"a","Elapsed":2}`,
		`not JSON`,
	)
	want := "bad\npanic\nfail a: 1 passed, 0 skipped, 1 failed (2.0s)\nnot JSON"
	if out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
}
