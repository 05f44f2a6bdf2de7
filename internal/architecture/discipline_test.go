package architecture

import (
	"go/ast"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var disciplineRules = []rule{
	{
		name: "sleeping",
		remedy: "wait for a message, or run the test in a bubble of testing/synctest, where a sleep takes no time " +
			"and its end is exact; shipped code sets timers",
		check: checkSleep,
		refused: []sample{
			{"a/a.go": "package a\nimport \"time\"\nfunc f() { time.Sleep(1) }"},
			{"a/a.go": "package a\nimport t \"time\"\nvar sleep = t.Sleep"},
			{"a/a_test.go": "package a\nimport \"time\"\nfunc TestF() { time.Sleep(1) }"},
			// A bubble that another package's tests define does not count here.
			{"a/a_test.go": "package a\nimport \"time\"\nfunc TestF() { bubble(func() { time.Sleep(1) }) }",
				"b/b_test.go": "package b\nimport \"testing/synctest\"\nfunc bubble(f func()) { synctest.Test(nil, f) }"},
			{"a/a_test.go": "package a\nimport \"time\"\nfunc TestF() { time.Sleep(1) }",
				"a/b_test.go": "package a\nimport \"testing/synctest\"\nfunc TestG() { synctest.Test(nil, nil) }"},
			{"a/a_test.go": "package a\nimport \"time\"\nfunc settle() { time.Sleep(1) }"},
		},
		accepted: []sample{
			{"a/a_test.go": "package a\nimport \"time\"\nfunc settle() { time.Sleep(1) }",
				"a/b_test.go": "package a\nimport \"testing/synctest\"\nfunc TestG() { synctest.Test(nil, settle) }"},
			{"a/a_test.go": "package a\nimport (\"testing/synctest\"; \"time\")\n" +
				"func TestF() { synctest.Test(nil, func() { time.Sleep(1) }) }"},
			{"a/a_test.go": "package a\nimport \"time\"\nfunc TestF() { bubble(func() { time.Sleep(1) }) }",
				"a/b_test.go": "package a\nimport \"testing/synctest\"\nfunc bubble(f func()) { synctest.Test(nil, f) }"},
			{"a/a_test.go": "package a\nimport (\"time\"; \"" + self + "/" + harness + "\")\n" +
				"func TestF() { systemtest.Bubble(func() { time.Sleep(1) }) }",
				harness + "/b.go": "package systemtest\nimport \"testing/synctest\"\nfunc Bubble(f func()) { synctest.Test(nil, f) }"},
		},
	},
	{
		name:   "unfinished work",
		remedy: "finish it, or leave it out and open an issue; what a release lacks stands in its documentation, not in a comment",
		check:  checkUnfinished,
		refused: []sample{
			{"a/a.go": "package a // TO" + "DO: the rest"},
			{"a/a_test.go": "package a // FIX" + "ME"},
			{"a/a.go": "package a\nvar s = \"not" + " implemented\""},
			{"interop/A.java": "// XX" + "X"},
			{"scripts/a.sh": "# TO" + "DO"},
		},
		accepted: []sample{
			{"a/a.go": "package a // 5.01 is called Not" + " Implemented"},
			{"a/a.go": "package a // mastodons"},
		},
	},
}

// checkSleep finds time.Sleep outside of bubbles. It cannot follow calls: a
// test file that opens a bubble, itself or by a function of its package or of the
// harness, is trusted to sleep in it, and a function that is no test is trusted to be
// called in one where the package's tests have any.
func checkSleep(m *module) (faults []fault) {
	openers, bubbly := bubbleOpeners(m), bubblyDirectories(m)
	for _, s := range m.sources {
		if s.isTestFile() && (opensBubble(s, s.file) || mentions(s.file, openers[s.directory()]) || borrows(s, openers[harness])) {
			continue
		}
		for _, d := range s.file.Decls {
			if s.isTest() && bubbly[s.directory()] && !isTestFunction(d) {
				continue
			}
			faults = append(faults, sleeps(s, d)...)
		}
	}
	return faults
}

func sleeps(s *source, within ast.Node) (faults []fault) {
	for _, use := range s.uses(within, "time") {
		if use.Sel.Name == "Sleep" {
			faults = append(faults, faultf("%s sleeps", s.at(use)))
		}
	}
	return faults
}

// isTestFunction reports whether the testing package calls a function.
func isTestFunction(d ast.Decl) bool {
	f, ok := d.(*ast.FuncDecl)
	return ok && f.Recv == nil && slices.ContainsFunc([]string{"Test", "Benchmark", "Fuzz", "Example"}, func(p string) bool {
		return strings.HasPrefix(f.Name.Name, p)
	})
}

// bubblyDirectories returns the directories whose tests open bubbles.
func bubblyDirectories(m *module) map[string]bool {
	found := map[string]bool{}
	for _, s := range m.sources {
		found[s.directory()] = found[s.directory()] || s.isTest() && opensBubble(s, s.file)
	}
	return found
}

func opensBubble(s *source, node ast.Node) bool {
	return slices.ContainsFunc(s.uses(node, "testing/synctest"), func(use *ast.SelectorExpr) bool {
		return use.Sel.Name == "Test"
	})
}

// bubbleOpeners returns, by directory, the functions that run others in a
// bubble.
func bubbleOpeners(m *module) map[string][]string {
	openers := map[string][]string{}
	for _, s := range m.sources {
		for _, f := range s.functions() {
			if s.isTest() && takesFunction(f) && opensBubble(s, f) {
				openers[s.directory()] = append(openers[s.directory()], f.Name.Name)
			}
		}
	}
	return openers
}

// borrows reports whether a file uses one of the harness's functions.
func borrows(s *source, names []string) bool {
	return slices.ContainsFunc(s.uses(s.file, self+"/"+harness), func(use *ast.SelectorExpr) bool {
		return slices.Contains(names, use.Sel.Name)
	})
}

func takesFunction(f *ast.FuncDecl) bool {
	return slices.ContainsFunc(f.Type.Params.List, func(p *ast.Field) bool {
		_, ok := p.Type.(*ast.FuncType)
		return ok
	})
}

func mentions(file *ast.File, names []string) (found bool) {
	ast.Inspect(file, func(node ast.Node) bool {
		if name, ok := node.(*ast.Ident); ok && slices.Contains(names, name.Name) {
			found = true
		}
		return !found
	})
	return found
}

// unfinishedWords are what people write into code that is not done; CoAP's
// 5.01 is spelt with capitals. Plain words are looked for first, since they are
// found much faster than the pattern.
var (
	unfinishedWords = []string{"TO" + "DO", "FIX" + "ME", "XX" + "X", "not " + "implemented"}
	unfinished      = regexp.MustCompile(`\b(` + strings.Join(unfinishedWords, "|") + `)\b`)
)

func checkUnfinished(m *module) (faults []fault) {
	texts := maps.Clone(m.scripts)
	for _, s := range m.sources {
		texts[s.path] = s.text
	}
	for _, name := range slices.Sorted(keys(texts)) {
		if slices.ContainsFunc(unfinishedWords, func(w string) bool { return strings.Contains(texts[name], w) }) {
			faults = append(faults, unfinishedLines(name, texts[name])...)
		}
	}
	return faults
}

func unfinishedLines(name, text string) (faults []fault) {
	for i, line := range strings.Split(text, "\n") {
		if unfinished.MatchString(line) {
			faults = append(faults, faultf("%s:%d: %s", name, i+1, strings.TrimSpace(line)))
		}
	}
	return faults
}

func keys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }
