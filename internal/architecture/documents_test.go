package architecture

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The laws of this file are about documents that name tests. Naming a test does
// not make it cover anything, but a name that does not exist is wrong for sure.

// document reads a file of docs.
func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// testsOf returns the tests and fuzz targets of a module as "package.Name",
// where the tests of package p_test count as those of p.
func testsOf(m *module) map[string]bool {
	found := map[string]bool{}
	for _, s := range m.sources {
		in := strings.TrimSuffix(s.file.Name.Name, "_test")
		for _, f := range s.functions() {
			if name := f.Name.Name; strings.HasSuffix(s.path, "_test.go") && f.Recv == nil && testNamed.MatchString(name) {
				found[in+"."+name] = true
			}
		}
	}
	return found
}

var (
	testNamed   = regexp.MustCompile(`\b(Test|Fuzz)[A-Z0-9]\w+`)
	requirement = regexp.MustCompile(`^\| ([SR]\d+) \|.*\| ([^|]+) \|$`)
	indexed     = regexp.MustCompile("`((?:\\w+\\.)?(?:Test|Fuzz)\\w+)`")
	indexRow    = regexp.MustCompile(`(?m)^\| (\d+) \|(.*)\|$`)
)

// Every requirement has a test that exists, or a reason.
func TestRequirementsAreCovered(t *testing.T) {
	defined, numbers := map[string]bool{}, map[string]bool{}
	for name := range testsOf(holdfast(t)) {
		_, name, _ = strings.Cut(name, ".")
		defined[name] = true
	}
	for line := range strings.Lines(document(t, "requirements.md")) {
		cells := requirement.FindStringSubmatch(strings.TrimSpace(line))
		if cells == nil {
			continue
		}
		if numbers[cells[1]] {
			t.Errorf("%s stands there twice", cells[1])
		}
		numbers[cells[1]] = true
		names := testNamed.FindAllString(cells[2], -1)
		if len(names) == 0 && !strings.Contains(cells[2], "does not apply") {
			t.Errorf("%s has neither a test nor a reason", cells[1])
		}
		for _, name := range names {
			if !defined[name] {
				t.Errorf("%s names %s, which does not exist", cells[1], name)
			}
		}
	}
	if len(numbers) < 80 {
		t.Errorf("only %d requirements were found", len(numbers))
	}
}

// The index of hostile input names tests that exist, has all 44 rows, each with
// a test or a reason, and misses none of the tests that are numbered after it.
func TestHostileIndex(t *testing.T) {
	index, known := document(t, "hostile-input.md"), testsOf(holdfast(t))
	named := map[string]bool{}
	for _, m := range indexed.FindAllStringSubmatch(index, -1) {
		name := m[1]
		if !strings.Contains(name, ".") {
			name = "hostile." + name
		}
		if named[name] = true; !known[name] {
			t.Errorf("%s does not exist", name)
		}
	}
	rows := indexRow.FindAllStringSubmatch(index, -1)
	if len(rows) != 44 {
		t.Errorf("%d rows", len(rows))
	}
	for i, row := range rows {
		if row[1] != fmt.Sprint(i+1) {
			t.Errorf("row %s stands at place %d", row[1], i+1)
		}
		if !indexed.MatchString(row[2]) && !strings.Contains(row[2], "Does not apply") {
			t.Errorf("row %s has neither a test nor a reason", row[1])
		}
	}
	for name := range known {
		if strings.HasPrefix(name, "hostile.TestHostile") && !named[name] {
			t.Errorf("%s is missing in the index", name)
		}
	}
}
