package architecture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

// self is the module's path, and the import path of its root package.
const self = "github.com/holdfast-iot/holdfast"

// module is the text of a module: the real one, or a sample.
type module struct {
	files     fs.FS
	sources   []*source
	scripts   map[string]string // Java and shell, by path
	documents map[string]string // Markdown, by path
	position  *token.FileSet
}

// source is one Go file, whatever its build constraints.
type source struct {
	path string // from the module's root, with slashes
	text string
	file *ast.File
	// position places the nodes of file.
	position *token.FileSet
}

// load reads a module. Files that do not parse are an error: nothing could be
// said about them.
func load(files fs.FS) (*module, error) {
	m := &module{files: files, scripts: map[string]string{}, documents: map[string]string{}, position: token.NewFileSet()}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && foreign(entry.Name()):
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		return m.read(name)
	})
	return m, err
}

// foreign reports whether a directory holds no source of ours: what Go itself
// passes over, and what Maven builds.
func foreign(directory string) bool {
	return slices.Contains([]string{"testdata", "vendor", "target"}, directory) ||
		strings.HasPrefix(directory, ".") || strings.HasPrefix(directory, "_")
}

func (m *module) read(name string) error {
	kind := path.Ext(name)
	if !slices.Contains([]string{".go", ".java", ".sh", ".md"}, kind) {
		return nil
	}
	text, err := fs.ReadFile(m.files, name)
	if err != nil {
		return err
	}
	switch kind {
	case ".md":
		m.documents[name] = string(text)
		return nil
	case ".java", ".sh":
		m.scripts[name] = string(text)
		return nil
	}
	file, err := parser.ParseFile(m.position, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	m.sources = append(m.sources, &source{path: name, text: string(text), file: file, position: m.position})
	return nil
}

// harness is the package of what the tests of the whole system share. Its files,
// and those below it, are ordinary ones, so that several packages of tests can
// import them; they are tests all the same, but documented like what ships.
const harness = "internal/systemtest"

// shipped returns the files that are no tests.
func (m *module) shipped() []*source {
	return slices.DeleteFunc(slices.Clone(m.sources), (*source).isTest)
}

// importable returns the files that other packages can use.
func (m *module) importable() []*source {
	return slices.DeleteFunc(slices.Clone(m.sources), (*source).isTestFile)
}

func (s *source) isTest() bool { return s.isTestFile() || below(harness, s.directory()) }

func (s *source) isTestFile() bool { return strings.HasSuffix(s.path, "_test.go") }

// directory returns the file's directory, "." for the root.
func (s *source) directory() string { return path.Dir(s.path) }

// at says where in the file a node is.
func (s *source) at(node ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.position.Position(node.Pos()).Line)
}

// lines returns the number of lines from the node's first to its last.
func (s *source) lines(node ast.Node) int {
	return s.position.Position(node.End()).Line - s.position.Position(node.Pos()).Line + 1
}

// functions returns the declared functions and methods that have a body.
func (s *source) functions() (all []*ast.FuncDecl) {
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
			all = append(all, f)
		}
	}
	return all
}

// imported returns the import path of a spec.
func imported(spec *ast.ImportSpec) string { return strings.Trim(spec.Path.Value, "`\"") }

// uses returns where within root a name of the imported package is selected,
// under whatever name the file has given that package.
func (s *source) uses(root ast.Node, importPath string) (all []*ast.SelectorExpr) {
	local := s.localName(importPath)
	if local == "" {
		return nil
	}
	ast.Inspect(root, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok && x.Name == local {
				all = append(all, selector)
			}
		}
		return true
	})
	return all
}

// localName returns what the file calls an imported package, or "" when it
// does not import it.
func (s *source) localName(importPath string) string {
	for _, spec := range s.file.Imports {
		if imported(spec) != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		base := path.Base(importPath)
		if major := strings.TrimPrefix(base, "v"); major != base && strings.Trim(major, "0123456789") == "" {
			base = path.Base(path.Dir(importPath)) // math/rand/v2 is called rand
		}
		return base
	}
	return ""
}

// matches reports whether a pattern stands for a file: path.Match's, or a
// directory with everything below it when it ends in "...".
func matches(pattern, file string) bool {
	if below, ok := strings.CutSuffix(pattern, "..."); ok {
		return strings.HasPrefix(file, below)
	}
	same, err := path.Match(pattern, file)
	return same && err == nil
}

func matchesAny(patterns []string, file string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, file) })
}

// sample is a small module, by path.
type sample map[string]string

func (s sample) load(t *testing.T) *module {
	t.Helper()
	files := fstest.MapFS{}
	for name, text := range s {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	m, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// root is the module's directory, from this package's.
const root = "../.."

// own reads the module that this test belongs to, once: no rule changes it.
var own = sync.OnceValues(func() (*module, error) { return load(os.DirFS(root)) })

// holdfast returns the module that this test belongs to.
func holdfast(t *testing.T) *module {
	t.Helper()
	m, err := own()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.shipped()) == 0 || len(m.scripts) == 0 {
		t.Fatalf("%d sources and %d scripts: is %s the module?", len(m.shipped()), len(m.scripts), root)
	}
	return m
}

// fault is one breach of a rule: where, and what is there.
type fault string

func faultf(format string, args ...any) fault { return fault(fmt.Sprintf(format, args...)) }
