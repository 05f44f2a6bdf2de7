package architecture

import (
	"go/ast"
	"slices"
)

var purityRules = []rule{
	{
		name: "pure cores",
		remedy: "a core takes the time as an argument, has randomness injected and returns effects; " +
			"what does I/O, waits or locks belongs in the actor's actor.go (docs/design.md, Core and shell)",
		check: checkPurity,
		refused: []sample{
			{"actors/update/machine.go": imports("net")},
			{"actors/update/machine.go": imports("os")},
			{"actors/update/machine.go": imports("sync/atomic")},
			{"actors/update/machine.go": imports("context")},
			{"actors/update/effects.go": "package update\nimport \"time\"\nvar t = time.Now()"},
			{"actors/update/effects.go": "package update\nimport clock \"time\"\nvar now = clock.Now"},
			{"actors/update/effects.go": "package update\nimport \"time\"\nfunc f() { time.AfterFunc(1, f) }"},
			{"actors/update/effects.go": "package update\nfunc f() { go f() }"},
			{"actors/update/effects.go": "package update\nimport \"math/rand/v2\"\nvar n = rand.IntN(6)"},
			{"actors/update/effects.go": imports("crypto/rand")},
			{"lwm2m/path.go": imports("os")},
			{"messages/event.go": "package messages\nimport \"time\"\nvar t = time.Now()"},
			{"internal/coap/decode.go": imports("net/http")},
			{"actors/network/verify.go": "package network\nimport \"net\"\nvar dial = net.Dial"},
			{"actors/network/classify.go": "package network\nimport \"syscall\"\nvar socket = syscall.Socket"},
			{"actors/coapresend/rand.go": "package coapresend\nimport \"time\"\nvar t = time.Now()"},
			{"actors/update/machine.go": imports(self + "/internal/actorkit")},
			{"actors/supervisor/machine.go": imports(self + "/actors/management")},
			{"actors/supervisor/table.go": imports("github.com/asynkron/protoactor-go/actor")},
		},
		accepted: []sample{
			{"actors/update/machine.go": "package update\nimport (\"net/netip\"; \"time\")\n" +
				"var wait = time.Second\nfunc after(t time.Time, a netip.Addr) time.Time { return t.Add(wait) }"},
			{"actors/update/machine.go": "package update\nimport \"math/rand/v2\"\n" +
				"type machine struct { random *rand.Rand }\nfunc New(s rand.Source) machine { return machine{rand.New(s)} }"},
			{"actors/update/actor.go": "package update\nimport \"time\"\nfunc f() { go f(); time.Sleep(1) }"},
			{"actors/network/runner.go": "package network\nimport \"sync\"\nvar m sync.Mutex\nfunc f() { go f() }"},
			{"actors/network/verify.go": "package network\nimport \"net\"\nvar ip = net.ParseIP(\"::1\")"},
			{"actors/network/classify.go": "package network\nimport \"syscall\"\nvar full error = syscall.ENOBUFS"},
			{"actors/update/machine_test.go": imports("os", "sync")},
			{"actors/supervisor/actor.go": imports(self+"/actors/management", self+"/internal/actorkit")},
			{"actors/supervisor/machine.go": imports(self+"/internal/core", self+"/internal/decay")},
		},
	},
}

// pure are the files without I/O, goroutine, lock, clock or global randomness:
// the cores of the actors, the protocol, and the values that all share.
var pure = []string{
	"actors/*/*.go", "lwm2m/...", "messages/*.go", "internal/core/*.go", "internal/coap/*.go", "internal/dtls/...",
	"internal/dtlstest/*.go", "internal/est/*.go", "internal/requests/*.go", "internal/decay/*.go",
	"internal/admission/queue.go",
	"internal/linkwatch/decode.go", "internal/linkwatch/state.go", "internal/linkwatch/pace.go", "internal/uplink/choose.go",
}

// shells are the files below pure that do what the cores ask for.
var shells = []string{
	"actors/*/actor.go",
	// The I/O of a link, out of the way of the actor's own goroutine.
	"actors/network/turn.go",      // waits for the turn to shake hands
	"actors/network/runner.go",    // the goroutine that dials and reads
	"actors/network/session.go",   // plain UDP
	"actors/network/transport.go", // the operating system's network
	"actors/network/bind_*.go",    // which interface a socket of it leaves by
	"actors/network/dtls.go",      // the I/O of a handshake
	"actors/network/nonces.go",    // who knows what sessions have used
	"actors/network/secured.go",   // an established session on its socket
	"actors/network/datagram.go",  // one datagram in, one out
	"actors/network/ready_*.go",   // how to wait for one
	"actors/network/outbox.go",    // writes that may wait
	"actors/supervisor/links.go",  // who is where, for any goroutine
	// The jobs at the disk, each on a goroutine of its own.
	"actors/storage/work.go",
	"actors/storage/held.go", // what they share
	// Calls of the application's objects, each on a goroutine of its own.
	"actors/management/run.go",
	"actors/management/watch.go", // and what they say at any time
	// The jobs of an update at the disk, on the web, and of the Installer, each on a goroutine of its own.
	"actors/update/jobs.go",
	"actors/update/run.go",
	"actors/update/faces.go", // what servers ask of the objects, and wait for
	// What an application offers, and its locks.
	"lwm2m/object/*.go",
	// What a gateway offers: calls with a context.
	"lwm2m/firmware/installer.go",
}

// pardons are the names of otherwise forbidden packages that a file may use, as
// patterns: they do none of what the packages are forbidden for.
var pardons = map[string][]string{
	"actors/network/classify.go": { // errors to be recognised
		"net.DNSError", "net.OpError", "net.Error", "net.ErrClosed",
		"context.DeadlineExceeded", "context.Canceled", "syscall.Errno", "syscall.E[A-Z]*",
	},
	"internal/linkwatch/decode.go": {"syscall.Errno"},         // of a refusal
	"actors/network/verify.go":     {"net.ParseIP", "net.IP"}, // crypto/x509 speaks net.IP
	// The source that the shell injects where a test injects its own.
	"actors/coapresend/rand.go": {"math/rand/v2.Float64", "crypto/rand.Read"},
}

// forbidden says what a pure file may not use of the standard library: of a
// package with a nil list everything, else the names in it. Packages below one
// with a nil list are forbidden too.
var forbidden = map[string][]string{
	"net": nil, "os": nil, "sync": nil, "syscall": nil, "context": nil, "crypto/rand": nil,
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	// rand.New and the sources draw from what they are given.
	"math/rand": {
		"Int", "IntN", "Int32", "Int32N", "Int64", "Int64N", "Uint", "UintN", "Uint32", "Uint32N", "Uint64", "Uint64N",
		"Float32", "Float64", "ExpFloat64", "NormFloat64", "N", "Perm", "Shuffle",
		"Intn", "Int31", "Int31n", "Int63", "Int63n", "Read", "Seed",
	},
}

// actorLibrary are the packages that a pure file may not import because they are
// the actor library, or link it: a core runs without actors.
var actorLibrary = []string{"github.com/asynkron/protoactor-go/...", self + "/internal/actorkit", self + "/actors/*"}

// harmless are packages below forbidden ones that only hold values.
var harmless = []string{"net/netip", "net/url"}

func checkPurity(m *module) (faults []fault) {
	for _, s := range m.shipped() {
		if matchesAny(pure, s.path) && !matchesAny(shells, s.path) {
			faults = append(faults, impure(s)...)
		}
	}
	return faults
}

func impure(s *source) (faults []fault) {
	ast.Inspect(s.file, func(node ast.Node) bool {
		if statement, ok := node.(*ast.GoStmt); ok {
			faults = append(faults, faultf("%s starts a goroutine", s.at(statement)))
		}
		return true
	})
	for _, spec := range s.file.Imports {
		faults = append(faults, impureImport(s, spec)...)
	}
	return faults
}

// impureImport looks at one import and at what the file uses of it.
func impureImport(s *source, spec *ast.ImportSpec) (faults []fault) {
	name := imported(spec)
	if matchesAny(actorLibrary, name) {
		return []fault{faultf("%s imports %s, and with it the actor library", s.at(spec), name)}
	}
	names, found := bans(name)
	if !found {
		return nil
	}
	everything := names == nil
	if everything && pardons[s.path] == nil {
		return []fault{faultf("%s imports %s", s.at(spec), name)}
	}
	for _, use := range s.uses(s.file, name) {
		banned := everything || slices.Contains(names, use.Sel.Name)
		if qualified := name + "." + use.Sel.Name; banned && !matchesAny(pardons[s.path], qualified) {
			faults = append(faults, faultf("%s uses %s", s.at(use), qualified))
		}
	}
	return faults
}

// bans returns which names of a package are forbidden, nil for all of them.
func bans(name string) (names []string, found bool) {
	if slices.Contains(harmless, name) {
		return nil, false
	}
	for parent, names := range forbidden {
		if below(parent, name) {
			return names, true
		}
	}
	return nil, false
}
