package architecture

import (
	"go/ast"
	"path"
	"slices"
	"strings"
)

var importRules = []rule{
	{
		name: "dependencies",
		remedy: "reach the dependency through the package that owns it; a new one, or a new place, " +
			"is a decision: write it to docs/adr and to the table in imports_test.go",
		check: checkDependencies,
		refused: []sample{
			{"actors/network/machine.go": imports("github.com/asynkron/protoactor-go/actor")},
			{"events.go": imports("github.com/asynkron/protoactor-go/actor")},
			{"internal/testpki/leaf.go": imports("github.com/pion/dtls/v2")},
			{"interop/peer/session.go": imports("github.com/pion/dtls/v2")},
			{"actors/network/dtls.go": imports("github.com/pion/dtls/v3")},
			{"actors/coapresend/call.go": imports("github.com/plgd-dev/go-coap/v3/message")},
			{"internal/coap/decode.go": imports("github.com/plgd-dev/go-coap/v3/message/pool")},
			{"internal/coap/decode_test.go": imports("github.com/plgd-dev/go-coap/v3/udp/client")},
			{"lwm2m/path.go": imports("pgregory.net/rapid")},
			{"config.go": imports("example.org/unknown")},
			{"config.go": imports("github.com/goccy/go-yaml")},
			{"cmd/holdfast/main.go": imports("golang.org/x/term")},
			{"metrics.go": imports("github.com/prometheus/client_golang/prometheus")},
			{"client.go": imports("github.com/rs/zerolog")},
			{"config_test.go": imports("example.org/unknown")},
			{"config.go": "package holdfast\nimport . \"time\"\n"},
		},
		accepted: []sample{
			{"actors/network/actor.go": imports("context", "github.com/asynkron/protoactor-go/actor")},
			{"actors/network/machine_test.go": imports("github.com/asynkron/protoactor-go/actor")},
			{"interop/peer/dtls_test.go": imports("github.com/pion/dtls/v2")},
			{"internal/coap/decode.go": imports("github.com/plgd-dev/go-coap/v3/udp/coder")},
			{"lwm2m/path_test.go": imports("pgregory.net/rapid", self+"/lwm2m")},
			{"cmd/holdfast/prompt.go": imports("golang.org/x/term")},
		},
	},
	{
		name: "layers",
		remedy: "let the message go the other way, or move what both need further down; " +
			"docs/design.md, Layout, says which package may import which",
		check: checkLayers,
		refused: []sample{
			{"cmd/holdfast/main.go": imports(self + "/internal/store")},
			{"cmd/holdfast/main.go": imports(self + "/messages")},
			{"cmd/lwm2mgen/main.go": imports(self)},
			{"lwm2mtest/server.go": imports(self)},
			{"lwm2mtest/server.go": imports(self + "/actors/network")},
			{"messages/event.go": imports(self + "/internal/core")},
			{"messages/event.go": imports(self + "/actors/network")},
			{"lwm2m/tlv/entry.go": imports(self + "/messages")},
			{"actors/bootstrap/machine.go": imports(self + "/actors/network")},
			{"internal/core/core.go": imports(self + "/actors/network")},
			{"client.go": imports(self + "/lwm2mtest")},
			{"lwm2mtest/server.go": imports(self + "/messages")},
			{"client.go": imports(self + "/control")},
			{"configfile/file.go": imports(self + "/control")},
			{"control/server.go": imports(self + "/actors/supervisor")},
			{"somewhere/new.go": imports(self + "/lwm2m")},
			{"client.go": imports(self + "/" + harness)},
			{"internal/store/save.go": imports(self + "/" + harness + "/matrix")},
		},
		accepted: []sample{
			{"cmd/holdfast/main.go": imports("os", self, self+"/configfile", self+"/control", self+"/lwm2m/objects", self+"/lwm2mtest")},
			{"control/server.go": imports("net/http", self, self+"/internal/clientview")},
			{"lwm2mtest/server.go": imports(self+"/internal/coap", self+"/lwm2m")},
			{"messages/event.go": imports(self+"/lwm2m", self+"/lwm2m/uri")},
			{"actors/supervisor/actor.go": imports(self + "/actors/network")},
			{"actors/network/machine_test.go": imports(self + "/lwm2mtest")},
			{harness + "/world.go": imports(self, self+"/lwm2mtest")},
			{harness + "/behaviour/policy_test.go": imports(self, self+"/"+harness)},
		},
	},
}

// imports returns the text of a file with these imports.
func imports(paths ...string) string {
	return "package p\nimport (\n\t_ \"" + strings.Join(paths, "\"\n\t_ \"") + "\"\n)\n"
}

// dependency says where a module that is not ours may be imported.
type dependency struct {
	module string // the import path begins with it
	// packages are the only ones to be imported; none means all of them.
	packages []string
	files    []string // patterns of shipped files
	tests    []string // patterns of test files
}

var everywhere = []string{"..."}

// dependencies keeps each dependency in few places (docs/design.md, Layout).
var dependencies = []dependency{
	{
		// actorkit keeps its traps away from everybody; an actor's shell is an
		// actor; runtime.go and client.go hold the actor system and the PID of
		// the supervisor, the two ends that a facade cannot do without; probes
		// of lwm2mtest may name actors.
		module: "github.com/asynkron/protoactor-go",
		files:  []string{"internal/actorkit/*.go", "actors/*/actor.go", "runtime.go", "client.go", "lwm2mtest/*.go"},
		tests:  everywhere,
	},
	{
		// The codec only: message/pool and all that stands on it link dtls/v3.
		module: "github.com/plgd-dev/go-coap",
		packages: []string{
			"github.com/plgd-dev/go-coap/v3/message",
			"github.com/plgd-dev/go-coap/v3/message/codes",
			"github.com/plgd-dev/go-coap/v3/udp/coder",
		},
		files: []string{"internal/coap/*.go"},
		tests: []string{"internal/coap/*.go"},
	},
	{
		// A block mode that the standard library lacks, and no protocol.
		module: "github.com/pion/dtls/v2/pkg/crypto/ccm",
		files:  []string{"lwm2mtest/*.go", "internal/dtlstest/*.go"},
		tests:  []string{"internal/dtls/...", "internal/dtlstest/*.go"},
	},
	{
		// The server's side, for trials and tests. The client has its own.
		module: "github.com/pion/dtls/v2",
		files:  []string{"lwm2mtest/*.go"},
		tests: []string{
			"actors/network/*.go", "internal/dtls/...", "internal/dtlstest/*.go", "lwm2mtest/*.go", "interop/peer/*.go",
			"interop/wire/*.go",
		},
	},
	{
		// pion's logger is what silences it.
		module: "github.com/pion/logging",
		files:  []string{"lwm2mtest/*.go"},
		tests:  []string{"actors/network/*.go", "internal/dtls/...", "lwm2mtest/*.go", "interop/wire/*.go"},
	},
	{
		// Reading and composing with lengths, as crypto/tls does it. Manifests and
		// certs-only PKCS #7 are read by it as crypto/x509 reads certificates: encoding/asn1 accepts what is not DER.
		module:   "golang.org/x/crypto",
		packages: []string{"golang.org/x/crypto/cryptobyte", "golang.org/x/crypto/cryptobyte/asn1"},
		files:    []string{"internal/dtls/...", "internal/est/*.go", "lwm2m/firmware/manifest/*.go"},
		tests:    []string{"internal/dtls/..."},
	},
	// The tests of keys in hardware, in a module of their own.
	{module: "github.com/google/go-tpm", tests: []string{"interop/token/*.go"}},
	{module: "github.com/pion/transport/v3", tests: []string{"actors/network/*.go", "lwm2mtest/*.go"}},
	{
		// The command's logger. The library logs to the *slog.Logger that it is
		// given.
		module: "github.com/rs/zerolog",
		files:  []string{"cmd/holdfast/*.go"},
		tests:  everywhere,
	},
	{module: "github.com/goccy/go-yaml", files: []string{"configfile/*.go"}, tests: []string{"configfile/*.go"}},
	{
		module: "github.com/fxamacker/cbor/v2",
		files:  []string{"lwm2m/...", "internal/accounts/*.go", "internal/reporting/*.go"},
		tests:  []string{"lwm2m/...", "internal/accounts/*.go"},
	},
	{module: "github.com/gofrs/flock", files: []string{"internal/store/*.go"}, tests: []string{"internal/store/*.go"}},
	// Metrics of the control API, from a registry of each client's own.
	{module: "github.com/prometheus/client_golang", files: []string{"control/*.go"}, tests: []string{"control/*.go"}},
	// What a gateway says of its radio: ModemManager over D-Bus, and the kernel's nl80211
	// (docs/adr/0030-radio.md).
	{module: "github.com/godbus/dbus/v5", files: []string{"gateway/*_linux.go"}, tests: []string{"gateway/*_linux_test.go"}},
	{module: "github.com/mdlayher/wifi", files: []string{"gateway/*_linux.go"}, tests: []string{"gateway/*_linux_test.go"}},
	// What a gateway's kernel says of it.
	{module: "github.com/prometheus/procfs", files: []string{"gateway/*_linux.go"}, tests: []string{"gateway/*_linux_test.go"}},
	// The clock that goes on while the machine is suspended, the kernel's word that the wall clock was set, and
	// whether a terminal is behind a descriptor.
	{
		module: "golang.org/x/sys",
		files:  []string{"internal/bootclock/clock_*.go", "internal/wallclock/waiter_linux.go", "cmd/holdfast/terminal_linux.go"},
		tests:  []string{"internal/store/*.go", "internal/wallclock/waiter_linux_test.go", "cmd/holdfast/terminal_linux_test.go", "cmd/holdfast/prompt_linux_test.go"},
	},
	// A line that is typed at the server: history, completion, and what is printed meanwhile
	// above it.
	{module: "golang.org/x/term", files: []string{"cmd/holdfast/prompt.go"}},
	// Questions to name servers, and the name server of tests.
	{
		module: "golang.org/x/net/dns/dnsmessage",
		files:  []string{"internal/dns/*.go", "lwm2mtest/nameserver.go"}, tests: []string{"internal/dns/*.go", "lwm2mtest/nameserver_test.go"},
	},
	// Reads and rewrites the scenarios; it brings go-difflib along, for diffs.
	{module: "github.com/cockroachdb/datadriven", tests: []string{"internal/systemtest/scenario/*.go"}},
	{module: "github.com/google/go-cmp", tests: everywhere},
	{module: "go.uber.org/goleak", tests: everywhere},
	{
		// What tests of several packages draw is drawn in one place.
		module: "pgregory.net/rapid",
		files:  []string{"internal/valuetest/*.go"},
		tests:  everywhere,
	},
}

func checkDependencies(m *module) (faults []fault) {
	for _, s := range m.sources {
		for _, spec := range s.file.Imports {
			name := imported(spec)
			if spec.Name != nil && spec.Name.Name == "." {
				faults = append(faults, faultf("%s imports %s with a dot, which hides from these rules what is used of it", s.at(spec), name))
			}
			if isForeign(name) && !allowed(s, name) {
				faults = append(faults, faultf("%s imports %s", s.at(spec), name))
			}
		}
	}
	return faults
}

// isForeign reports whether an import path is neither ours nor the standard
// library's, whose paths begin with a word without a dot.
func isForeign(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return strings.Contains(first, ".") && !below(self, name)
}

// below reports whether a path is that of a module or package, or of one below
// it.
func below(parent, name string) bool {
	return name == parent || strings.HasPrefix(name, parent+"/")
}

func allowed(s *source, name string) bool {
	i := slices.IndexFunc(dependencies, func(d dependency) bool { return below(d.module, name) })
	if i < 0 {
		return false
	}
	d := dependencies[i]
	if len(d.packages) > 0 && !slices.Contains(d.packages, name) {
		return false
	}
	if s.isTest() {
		return matchesAny(d.tests, s.path)
	}
	return matchesAny(d.files, s.path)
}

// layer says which packages of this module the shipped files of some may
// import. Test files may look further.
type layer struct {
	packages []string // patterns of directories, "." for the root
	may      []string // patterns of directories
}

// layers goes from the bottom to the top; the first that matches counts.
var layers = []layer{
	{[]string{"lwm2m", "lwm2m/..."}, []string{"lwm2m", "lwm2m/..."}},
	{[]string{"messages"}, []string{"lwm2m", "lwm2m/..."}},
	{[]string{"internal/..."}, []string{"internal/...", "messages", "lwm2m", "lwm2m/..."}},
	// The server's logic must stay independent of the client's, and what tests
	// rely on of the words that actors use.
	// Its options for tests replace what is below the client: network and disk.
	{[]string{"lwm2mtest"}, []string{"internal/alarm", "internal/coap", "internal/linkwatch", "internal/testpki", "internal/option", "internal/store", "lwm2m", "lwm2m/..."}},
	// The supervisor starts its siblings; these know each other by messages.
	{[]string{"actors/supervisor"}, []string{"actors/*", "internal/...", "messages", "lwm2m", "lwm2m/..."}},
	{[]string{"actors/*"}, []string{"internal/...", "messages", "lwm2m", "lwm2m/..."}},
	{[]string{"."}, []string{"actors/*", "internal/...", "messages", "lwm2m", "lwm2m/..."}},
	// Objects like those that gateways define for themselves.
	{[]string{"gateway"}, []string{"lwm2m", "lwm2m/..."}},
	// They stand on the root, which gateways embed without them. A configuration may say
	// what objects there are.
	{[]string{"configfile"}, []string{".", "gateway", "internal/localaddr", "internal/source", "lwm2m", "lwm2m/..."}},
	// It opens sockets, and says which limit keeps it from that.
	{[]string{"control"}, []string{".", "internal/clientview", "internal/descriptors", "internal/journal", "internal/localaddr", "messages"}},
	// Faults of the demo are made in the network, the server, the
	// configuration or real files, never inside the client.
	// The commands of its server have the paths, values and definitions of lwm2m.
	{[]string{"cmd/holdfast"}, []string{".", "configfile", "control", "lwm2m", "lwm2m/...", "lwm2mtest", "cmd/holdfast/..."}},
	{[]string{"cmd/holdfast/..."}, []string{".", "lwm2m", "lwm2m/...", "lwm2mtest", "cmd/holdfast/..."}},
	// It writes Go and runs no client.
	{[]string{"cmd/lwm2mgen"}, []string{"lwm2m", "lwm2m/..."}},
	// What anybody could write who embeds a client.
	{[]string{"examples/..."}, []string{".", "configfile", "control", "gateway", "lwm2m", "lwm2m/..."}},
	{[]string{"interop/..."}, []string{"internal/testpki", "lwm2m", "lwm2m/..."}},
	{[]string{"scripts/..."}, nil},
}

func checkLayers(m *module) (faults []fault) {
	for _, s := range m.shipped() {
		for _, spec := range s.file.Imports {
			if name := imported(spec); below(self, name) && !mayImport(s, spec) {
				faults = append(faults, faultf("%s imports %s", s.at(spec), name))
			}
		}
	}
	return faults
}

func mayImport(s *source, spec *ast.ImportSpec) bool {
	target := path.Clean("./" + strings.TrimPrefix(imported(spec), self))
	i := slices.IndexFunc(layers, func(l layer) bool { return matchesAny(l.packages, s.directory()) })
	return i >= 0 && !below(harness, target) && matchesAny(layers[i].may, target)
}
