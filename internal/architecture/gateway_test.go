package architecture

import (
	"fmt"
	"go/ast"
	"iter"
	"path"
	"slices"
	"strings"
)

// gatewayRules are about what who embeds a client links.
var gatewayRules = []rule{
	{
		name: "gateways",
		remedy: "what reads files of configuration belongs in configfile, what serves HTTP in control, and pion in lwm2mtest: " +
			"a gateway embeds the root, and links neither; internal/download reads responses of HTTP",
		check: checkGateway,
		refused: []sample{
			{"client.go": imports(self + "/control"), "control/server.go": imports("net/http")},
			{"client.go": imports(self + "/configfile"), "configfile/yaml.go": imports("github.com/goccy/go-yaml")},
			{"client.go": imports("net/http")},
			{"client.go": imports(self + "/internal/a"), "internal/a/a.go": imports(self + "/internal/b"), "internal/b/b.go": imports("net/http")},
			{"client.go": imports(self + "/internal/a"), "internal/a/a.go": imports("github.com/prometheus/client_golang/prometheus")},
			{"client.go": imports(self + "/internal/a"), "internal/a/a.go": imports("github.com/pion/dtls/v2/pkg/crypto/ccm")},
		},
		accepted: []sample{
			{"client.go": imports("net", self+"/internal/a"), "internal/a/a.go": imports("net/netip"),
				"control/server.go": imports(self, "net/http"), "client_test.go": imports(self+"/control", "net/http")},
			{"client.go": imports(self + "/internal/download"), "internal/download/body.go": imports("net/http")},
		},
	},
	{
		name: "root",
		remedy: "the root is what gateways embed and little else: a subject of its own is a package below internal, " +
			"a test of the whole system belongs below internal/systemtest",
		check: checkRoot,
		refused: []sample{
			files("f%d.go", mostRootFiles+1), files("f%d_test.go", mostRootTests+1),
		},
		accepted: []sample{
			files("f%d.go", mostRootFiles), files("f%d_test.go", mostRootTests), files("internal/a/f%d.go", mostRootFiles+1),
		},
	},
}

// The most files that the root may have.
const (
	mostRootFiles = 16
	mostRootTests = 10
)

// files returns a sample of so many files.
func files(pattern string, n int) sample {
	s := sample{}
	for i := range n {
		s[fmt.Sprintf(pattern, i)] = "package p\n"
	}
	return s
}

func checkRoot(m *module) (faults []fault) {
	shipped, tests := 0, 0
	for _, s := range m.sources {
		switch {
		case s.directory() != ".":
		case s.isTest():
			tests++
		default:
			shipped++
		}
	}
	if shipped > mostRootFiles {
		faults = append(faults, faultf("the root has %d files, more than %d", shipped, mostRootFiles))
	}
	if tests > mostRootTests {
		faults = append(faults, faultf("the root has %d files of tests, more than %d", tests, mostRootTests))
	}
	return faults
}

// notForGateways are packages that nothing which the root links of this module
// may import. What other modules import is not ours to say.
var notForGateways = []string{
	"net/http", "github.com/goccy/go-yaml", "github.com/prometheus", "github.com/pion", self + "/configfile", self + "/control",
}

// readsHTTP fetches firmware images by HTTP, and reads the responses as net/http does. It
// serves nothing.
const readsHTTP = "internal/download"

// checkGateway follows the imports of the root.
func checkGateway(m *module) (faults []fault) {
	reached, todo := map[string]bool{".": true}, []string{"."}
	for len(todo) > 0 {
		directory := todo[0]
		todo = todo[1:]
		for spec, s := range importsIn(m, directory) {
			name := imported(spec)
			if directory == readsHTTP && name == "net/http" {
				continue
			}
			if slices.ContainsFunc(notForGateways, func(p string) bool { return below(p, name) }) {
				faults = append(faults, faultf("%s imports %s", s.at(spec), name))
			}
			if next := path.Clean("./" + strings.TrimPrefix(name, self)); below(self, name) && !reached[next] {
				reached[next] = true
				todo = append(todo, next)
			}
		}
	}
	return faults
}

// importsIn returns the imports of a directory's shipped files.
func importsIn(m *module, directory string) iter.Seq2[*ast.ImportSpec, *source] {
	return func(yield func(*ast.ImportSpec, *source) bool) {
		for _, s := range m.shipped() {
			for _, spec := range s.file.Imports {
				if s.directory() == directory && !yield(spec, s) {
					return
				}
			}
		}
	}
}
