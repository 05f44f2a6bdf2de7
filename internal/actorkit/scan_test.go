package actorkit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const actorPackage = "github.com/asynkron/protoactor-go/actor"

// traps are the identifiers of protoactor that no shipped file may use, and
// what to use instead.
var traps = map[string]string{
	"Stash":                         "trap 3: a queue of the actor's own",
	"SetReceiveTimeout":             "trap 4: Timers",
	"ReceiveTimeout":                "trap 4: Timers",
	"Future":                        "trap 5: a message with a correlation id, and Timers",
	"NewFuture":                     "trap 5: a message with a correlation id, and Timers",
	"RequestFuture":                 "trap 5: a message with a correlation id, and Timers",
	"StopFuture":                    "trap 5: StopInOrder",
	"PoisonFuture":                  "trap 5: PoisonInOrder",
	"ReenterAfter":                  "trap 8: a message with a generation",
	"Bounded":                       "trap 1: Mailbox",
	"BoundedDropping":               "trap 2: Mailbox",
	"NewExponentialBackoffStrategy": "trap 9: Strategy or Guardian",
	"NewOneForOneStrategy":          "trap 9: Strategy or Guardian",
	"NewAllForOneStrategy":          "trap 9: Strategy or Guardian",
	"WithDefaultPrometheusProvider": "trap 12: Hooks",
	"WithMetricProviders":           "trap 12: Hooks",
}

// TestTraps03_04_05_08_12FeaturesAreNotUsed reads every Go file of the module
// that ships and imports protoactor.
func TestTraps03_04_05_08_12FeaturesAreNotUsed(t *testing.T) {
	root := moduleRoot(t)
	scanned := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && skipped(entry.Name()):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		scanned++
		scan(t, path)
		return nil
	})
	if err != nil || scanned == 0 {
		t.Fatalf("scanned %d files: %v", scanned, err)
	}
}

// TestScanFindsATrap makes sure that the scan can fail.
func TestScanFindsATrap(t *testing.T) {
	const source = `package p
import "` + actorPackage + `"
func f(ctx actor.Context) { ctx.Stash() }`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	if found := trapsIn(file); len(found) != 1 || found[0].Sel.Name != "Stash" {
		t.Errorf("found %v", found)
	}
}

func skipped(directory string) bool {
	return directory == "testdata" || directory == "vendor" || strings.HasPrefix(directory, ".")
}

func scan(t *testing.T, path string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return
	}
	for _, use := range trapsIn(file) {
		t.Errorf("%s uses %s; %s", files.Position(use.Pos()), use.Sel.Name, traps[use.Sel.Name])
	}
}

// trapsIn returns the selectors of file that are traps, when it imports
// protoactor.
func trapsIn(file *ast.File) (found []*ast.SelectorExpr) {
	if !imports(file, actorPackage) {
		return nil
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok && traps[selector.Sel.Name] != "" {
			found = append(found, selector)
		}
		return true
	})
	return found
}

func imports(file *ast.File, path string) bool {
	for _, spec := range file.Imports {
		if strings.Trim(spec.Path.Value, `"`) == path {
			return true
		}
	}
	return false
}

// moduleRoot walks up to go.mod.
func moduleRoot(t *testing.T) string {
	t.Helper()
	directory, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(directory, "go.mod")); err == nil {
			return directory
		}
		parent := filepath.Dir(directory)
		if parent == directory {
			t.Fatal("no go.mod above the test")
		}
		directory = parent
	}
}
