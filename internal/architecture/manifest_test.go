package architecture

import (
	"bytes"
	"go/ast"
	"go/token"
	"io/fs"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

var manifestRules = []rule{
	{
		name:   "pins",
		remedy: "restore the version; docs/adr/0001-pins.md says why it is this one, and why none that sorts higher will do",
		check:  checkPins,
		refused: []sample{
			{"go.mod": strings.Replace(goodManifest, "a5d1fac9900f", "2c36d63dd7b9", 1)},
			{"go.mod": strings.Replace(goodManifest, "v2.2.8-0.20240612181528-a5d1fac9900f", "v2.2.12", 1)},
			{"go.mod": strings.Replace(goodManifest, "v3.5.5", "v3.3.4", 1)},
			{"go.mod": strings.Replace(goodManifest, "\tgithub.com/rs/zerolog v1.35.1\n", "", 1)},
			{"go.mod": strings.Replace(goodManifest, "\tgithub.com/rs", "\t// github.com/rs", 1)},
		},
		accepted: []sample{{"go.mod": goodManifest}},
	},
	{
		name:   "no replace",
		remedy: "remove the directive: it does not reach those who import the module",
		check:  checkReplace,
		refused: []sample{
			{"go.mod": goodManifest + "replace github.com/rs/zerolog => ../zerolog\n"},
			{"go.mod": goodManifest + "replace (\n\tgithub.com/rs/zerolog => ../zerolog\n)\n"},
			{},
		},
		accepted: []sample{{"go.mod": goodManifest + "// replace nothing\n"}},
	},
	{
		name:   "layout",
		remedy: "restore the place: the layout is fixed (docs/design.md, Layout), and none of it may be missing, renamed or hollow",
		check:  checkLayout,
		refused: []sample{
			{},
			without("README.md"), without("messages/event.go"), without("cmd/holdfast/main.go"),
			without("actors/network/actor.go"), without("actors/supervisor/machine.go"),
			with("actors/coapresend/machine.go", "package coapresend\nimport \"time\"\nconst wait = time.Second\n"),
			with("README.md", "\n"),
		},
		accepted: []sample{goodLayout()},
	},
}

// pins are the versions that the module must be built with (docs/adr/0001-pins.md).
var pins = map[string]string{
	"github.com/asynkron/protoactor-go": "v0.0.0-20240822202345-3c0e61ca19c9",
	"github.com/plgd-dev/go-coap/v3":    "v3.5.5",
	"github.com/pion/dtls/v2":           "v2.2.8-0.20240612181528-a5d1fac9900f",
	"github.com/rs/zerolog":             "v1.35.1",
}

const goodManifest = `module ` + self + `

go 1.26

require (
	github.com/asynkron/protoactor-go v0.0.0-20240822202345-3c0e61ca19c9
	github.com/pion/dtls/v2 v2.2.8-0.20240612181528-a5d1fac9900f
	github.com/rs/zerolog v1.35.1
)

require github.com/plgd-dev/go-coap/v3 v3.5.5 // the codec
`

func checkPins(m *module) (faults []fault) {
	required := map[string]string{}
	for _, words := range directives(m.files, "require") {
		required[words[0]] = strings.Join(words[1:], " ")
	}
	for _, name := range slices.Sorted(keys(pins)) {
		if required[name] != pins[name] {
			faults = append(faults, faultf("go.mod: %s is %q, not %s", name, required[name], pins[name]))
		}
	}
	return faults
}

func checkReplace(m *module) (faults []fault) {
	if _, err := fs.Stat(m.files, "go.mod"); err != nil {
		return []fault{"there is no go.mod"}
	}
	for _, words := range directives(m.files, "replace") {
		faults = append(faults, faultf("go.mod: replace %s", strings.Join(words, " ")))
	}
	return faults
}

// directives returns the arguments of every directive of a kind in go.mod,
// alone or in a block (go.dev/ref/mod, "Grammar").
func directives(files fs.FS, kind string) (all [][]string) {
	text, _ := fs.ReadFile(files, "go.mod") // without one, there are none
	block := ""
	for line := range strings.Lines(string(text)) {
		code, _, _ := strings.Cut(line, "//")
		words := strings.Fields(code)
		switch {
		case len(words) == 0:
		case words[0] == ")":
			block = ""
		case len(words) == 2 && words[1] == "(":
			block = words[0]
		case block == kind:
			all = append(all, words)
		case block == "" && words[0] == kind:
			all = append(all, words[1:])
		}
	}
	return all
}

// rooms are the directories of the fixed layout, with the files in them that
// must declare something. actors/update joins them with firmware updates.
var rooms = map[string][]string{
	"actors/network":      {"machine.go", "actor.go"},
	"actors/bootstrap":    {"machine.go", "actor.go"},
	"actors/registration": {"machine.go", "actor.go"},
	"actors/coapresend":   {"machine.go", "actor.go"},
	"actors/supervisor":   {"machine.go", "actor.go"},
	"actors/management":   {"machine.go", "actor.go"},
	"messages":            {"event.go"},
	"cmd/holdfast":        {"main.go"},
}

func checkLayout(m *module) (faults []fault) {
	for _, name := range []string{"go.mod", "README.md"} {
		if text, err := fs.ReadFile(m.files, name); err != nil || len(bytes.TrimSpace(text)) == 0 {
			faults = append(faults, faultf("%s is missing or empty", name))
		}
	}
	for _, room := range slices.Sorted(keys(rooms)) {
		for _, name := range rooms[room] {
			if file := path.Join(room, name); !declares(m, file) {
				faults = append(faults, faultf("%s is missing or hollow", file))
			}
		}
	}
	return faults
}

// declares reports whether a file exists and has a function with a body, or a
// type: more than imports and constants.
func declares(m *module, name string) bool {
	return slices.ContainsFunc(m.sources, func(s *source) bool {
		return s.path == name && slices.ContainsFunc(s.file.Decls, func(d ast.Decl) bool {
			general, ok := d.(*ast.GenDecl)
			return !ok || general.Tok == token.TYPE
		})
	})
}

func goodLayout() sample {
	s := sample{"go.mod": goodManifest, "README.md": "Holdfast"}
	for room, files := range rooms {
		for _, name := range files {
			s[path.Join(room, name)] = "package p\nimport (\"fmt\"; \"time\")\ntype T int\n"
		}
	}
	return s
}

func without(name string) sample {
	s := goodLayout()
	delete(s, name)
	return s
}

func with(name, text string) sample {
	s := goodLayout()
	s[name] = text
	return s
}

// unlinkable are packages that no binary or test of the module may contain,
// by whatever way they come in.
var unlinkable = []string{
	"github.com/pion/dtls/v3", // another DTLS than the one that is pinned
	"github.com/plgd-dev/go-coap/v3/message/pool",
	"github.com/plgd-dev/go-coap/v3/net", // blockwise among them
	"github.com/plgd-dev/go-coap/v3/udp/client",
}

// TestLinkedPackages asks the go command what is linked, tests included. It
// needs no network: to run this test, the modules had to be there.
func TestLinkedPackages(t *testing.T) {
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", "./...")
	command.Dir = root
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &complaint)
	}
	packages := strings.Fields(string(output))
	if !slices.Contains(packages, "github.com/pion/dtls/v2") {
		t.Error("pion/dtls/v2 is not linked: does the list say anything?")
	}
	for _, name := range unwanted(packages) {
		t.Errorf("%s is linked. What to do: find who imports it with go list -deps, and use the codec packages only", name)
	}
}

func unwanted(packages []string) []string {
	return slices.DeleteFunc(slices.Clone(packages), func(name string) bool {
		return !slices.ContainsFunc(unlinkable, func(parent string) bool { return below(parent, name) })
	})
}

func TestUnwantedFindsPackages(t *testing.T) {
	found := unwanted([]string{
		"github.com/pion/dtls/v2", "github.com/pion/dtls/v3", "github.com/pion/dtls/v3/pkg/net",
		"github.com/plgd-dev/go-coap/v3/message", "github.com/plgd-dev/go-coap/v3/net/blockwise",
	})
	if len(found) != 3 {
		t.Errorf("found %v", found)
	}
}
