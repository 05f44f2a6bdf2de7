package holdfast_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	testName  = regexp.MustCompile("`((?:\\w+\\.)?(?:Test|Fuzz)\\w+)`")
	indexRow  = regexp.MustCompile(`(?m)^\| (\d+) \|(.*)\|$`)
	inPackage = regexp.MustCompile(`(?m)^package (\w+)`)
)

// The index of hostile input names tests that exist, has all 44 rows, each with
// a test or a reason, and misses none of the tests that are numbered after it.
func TestHostileIndex(t *testing.T) {
	index, err := os.ReadFile("docs/hostile-input.md")
	if err != nil {
		t.Fatal(err)
	}
	known := testsInSources(t)
	named := map[string]bool{}
	for _, m := range testName.FindAllSubmatch(index, -1) {
		name := string(m[1])
		if !strings.Contains(name, ".") {
			name = "holdfast." + name
		}
		if named[name] = true; !known[name] && name != "holdfast.TestHostileIndex" {
			t.Errorf("%s does not exist", name)
		}
	}
	rows := indexRow.FindAllSubmatch(index, -1)
	if len(rows) != 44 {
		t.Errorf("%d rows", len(rows))
	}
	for i, row := range rows {
		if string(row[1]) != fmt.Sprint(i+1) {
			t.Errorf("row %s stands at place %d", row[1], i+1)
		}
		if !testName.Match(row[2]) && !strings.Contains(string(row[2]), "Does not apply") {
			t.Errorf("row %s has neither a test nor a reason", row[1])
		}
	}
	for name := range known {
		if strings.HasPrefix(name, "holdfast.TestHostile") && !named[name] {
			t.Errorf("%s is missing in the index", name)
		}
	}
}

// testsInSources lists the tests and fuzz targets of the module as
// "package.name".
func testsInSources(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(string(inPackage.FindSubmatch(source)[1]), "_test")
		for _, f := range testFunc.FindAllSubmatch(source, -1) {
			known[name+"."+string(f[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}
