package holdfast_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testNamed   = regexp.MustCompile(`\bTest[A-Z]\w+`)
	testDefined = regexp.MustCompile(`(?m)^func (Test[A-Z]\w+)\(`)
	requirement = regexp.MustCompile(`^\| ([SR]\d+) \|.*\| ([^|]+) \|$`)
)

// Every requirement has a test that exists, or a reason.
func TestRequirementsAreCovered(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("docs", "requirements.md"))
	if err != nil {
		t.Fatal(err)
	}
	defined, numbers := definedTests(t), map[string]bool{}
	for line := range strings.Lines(string(page)) {
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

// definedTests returns the names of all tests of the module.
func definedTests(t *testing.T) map[string]bool {
	t.Helper()
	defined := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range testDefined.FindAllSubmatch(text, -1) {
			defined[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return defined
}
