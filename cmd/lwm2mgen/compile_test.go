package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/omatest"
)

// notGenerated are the files of the registry that define no object.
var notGenerated = []string{"10482.xml", "Common.xml", "DDF.xml", "LWM2M_senml_units.xml"}

func TestTheWholeRegistryCompiles(t *testing.T) {
	found, err := filepath.Glob(filepath.Join(omatest.Folder(t), "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range found {
		if exit, _, _ := run(f); exit == exitDone {
			files = append(files, f)
		} else if !slices.Contains(notGenerated, filepath.Base(f)) {
			t.Errorf("%s is not generated", f)
		}
	}
	if len(files) < 300 {
		t.Fatalf("%d files", len(files))
	}
	m := inModule(t, files)
	m.command("vet", "./all")
	if !testing.Short() {
		m.command("run", unoptimised, ".")
	}
}

// unoptimised makes the compiler spend no time on a program that runs once.
const unoptimised = "-gcflags=example.org/generated/...=-N -l"

func TestGeneratedCompiles(t *testing.T) {
	files := []string{"testdata/kinds.xml", "testdata/names.xml", "testdata/collide.xml", "testdata/executed.xml"}
	m := inModule(t, files)
	m.command("vet", "./...")
	m.command("run", unoptimised, ".")
}

// generated is a module with one generated package.
type generated struct {
	t   *testing.T
	dir string
}

// inModule generates one package of all files, in a module of its own beside a program that
// makes every object.
func inModule(t *testing.T, files []string) generated {
	t.Helper()
	m := generated{t, t.TempDir()}
	all := filepath.Join(m.dir, "all")
	if exit, _, stderr := run(append([]string{"-o", all}, files...)...); exit != exitDone {
		t.Fatal(stderr)
	}
	if sources, _ := filepath.Glob(filepath.Join(all, "*.go")); len(sources) != len(files) {
		t.Fatalf("%d files become %d", len(files), len(sources))
	}
	writeModule(t, m.dir, files)
	return m
}

// command runs the go command in the module. To vet is to check all that a compiler would
// refuse.
func (m generated) command(args ...string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = m.dir
	command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	if output, err := command.CombinedOutput(); err != nil {
		m.t.Fatalf("go %v: %v\n%.4000s", args, err, output)
	}
}

// writeModule writes the module file, and the program.
func writeModule(t *testing.T, module string, files []string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(manifest), "\n")
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	var program bytes.Buffer
	program.WriteString("package main\n\nimport \"example.org/generated/all\"\n\nfunc main() {\n")
	for _, o := range nameAll(sourcesOf(t, files)) {
		fmt.Fprintf(&program, "\tif _, err := all.%s(); err != nil {\n\t\tpanic(err)\n\t}\n", o.newFunc())
	}
	program.WriteString("}\n")
	for name, text := range map[string]string{
		"go.mod":  "module example.org/generated\n" + rest + "\nrequire " + modulePath + " v0.0.0\n\nreplace " + modulePath + " => " + root + "\n",
		"go.sum":  string(sums),
		"main.go": program.String(),
	} {
		if err := os.WriteFile(filepath.Join(module, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func sourcesOf(t *testing.T, files []string) []source {
	p := &program{stderr: &bytes.Buffer{}, files: files}
	sources, ok := p.load()
	if !ok {
		t.Fatal(p.stderr)
	}
	return sources
}
