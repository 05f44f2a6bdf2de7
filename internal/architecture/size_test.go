package architecture

import (
	"cmp"
	"slices"
	"strings"
)

// Limits, in lines.
const (
	longestFile     = 500
	longestTestFile = 900
	// usualFunction bounds the length of 95 of 100 functions, and
	// typicalFunction the median of those that ship.
	usualFunction   = 50
	typicalFunction = 10
)

var sizeRules = []rule{
	{
		name:   "file length",
		remedy: "split the file along its subjects; tests of one subject belong in a file of its name",
		check:  checkFiles,
		refused: []sample{
			{"a/a.go": "package a\n" + strings.Repeat("//\n", longestFile)},
			{"a/a_test.go": "package a\n" + strings.Repeat("//\n", longestTestFile)},
		},
		accepted: []sample{
			{"a/a.go": "package a\n" + strings.Repeat("//\n", longestFile-1)},
			{"a/a_test.go": "package a\n" + strings.Repeat("//\n", longestTestFile-1)},
		},
	},
	{
		name:   "function length",
		remedy: "give the parts of the long functions names of their own; a table often does it",
		check:  checkFunctions,
		refused: []sample{
			{"a/a.go": "package a\n" + functionOf(usualFunction+1)},
			{"a/a_test.go": "package a\n" + functionOf(usualFunction+1)},
			{"a/a.go": "package a\n" + functionOf(typicalFunction+1)},
		},
		accepted: []sample{
			{"a/a.go": "package a\n" + functionOf(typicalFunction)},
			{"a/a_test.go": "package a\n" + functionOf(usualFunction)},
			{"a/a.go": "package a\n" + strings.Repeat(functionOf(3), 19) + functionOf(200)},
		},
	},
}

// functionOf returns a function with that many lines.
func functionOf(lines int) string {
	return "func f() {\n" + strings.Repeat("\t_ = 0\n", lines-2) + "}\n"
}

func checkFiles(m *module) (faults []fault) {
	for _, s := range m.sources {
		limit := longestFile
		if s.isTest() {
			limit = longestTestFile
		}
		if n := strings.Count(s.text, "\n"); n > limit {
			faults = append(faults, faultf("%s has %d lines, more than %d", s.path, n, limit))
		}
	}
	return faults
}

// function is the length of one function, and where it stands.
type function struct {
	at    string
	lines int
}

// checkFunctions looks at the distribution: now and then a long table is the
// clearest form.
func checkFunctions(m *module) (faults []fault) {
	all, shipped := measure(m.sources), measure(m.shipped())
	if p95 := quantile(all, 95); p95.lines > usualFunction {
		faults = append(faults, faultf("of 100 functions more than 5 have over %d lines, the longest:", usualFunction))
		for _, f := range all[max(0, len(all)-10):] {
			faults = append(faults, faultf("%s: %d lines", f.at, f.lines))
		}
	}
	if median := quantile(shipped, 50); median.lines > typicalFunction {
		faults = append(faults, faultf("the median of the shipped functions has %d lines, more than %d", median.lines, typicalFunction))
	}
	return faults
}

// measure returns the functions of some files, the longest last.
func measure(sources []*source) (all []function) {
	for _, s := range sources {
		for _, f := range s.functions() {
			all = append(all, function{s.at(f) + " " + f.Name.Name, s.lines(f)})
		}
	}
	slices.SortFunc(all, func(a, b function) int { return cmp.Compare(a.lines, b.lines) })
	return all
}

// quantile returns the function of which so many percent are no longer, by the
// nearest rank.
func quantile(sorted []function, percent int) function {
	if len(sorted) == 0 {
		return function{}
	}
	rank := (len(sorted)*percent + 99) / 100
	return sorted[rank-1]
}
