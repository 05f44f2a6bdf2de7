package architecture

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// embedded are the packages that a gateway's program has of this module, with all that
// they link.
var embedded = []string{".", "./configfile", "./control", "./gateway", "./lwm2m/...", "./examples/..."}

// linkedOf are the only packages of modules with advisories, or without a maintained line,
// that a gateway links (SECURITY.md, Advisories). A module that is not named may be linked.
var linkedOf = map[string][]string{
	"github.com/pion": nil,
	"github.com/plgd-dev/go-coap": {
		"github.com/plgd-dev/go-coap/v3/message", "github.com/plgd-dev/go-coap/v3/message/codes",
		"github.com/plgd-dev/go-coap/v3/pkg/math", "github.com/plgd-dev/go-coap/v3/pkg/rand", "github.com/plgd-dev/go-coap/v3/udp/coder",
	},
	"github.com/asynkron/protoactor-go": {
		"github.com/asynkron/protoactor-go/actor", "github.com/asynkron/protoactor-go/ctxext",
		"github.com/asynkron/protoactor-go/eventstream", "github.com/asynkron/protoactor-go/extensions",
		"github.com/asynkron/protoactor-go/internal/queue/goring", "github.com/asynkron/protoactor-go/internal/queue/mpsc",
		"github.com/asynkron/protoactor-go/metrics",
	},
	"golang.org/x/crypto": {
		"golang.org/x/crypto/cryptobyte", "golang.org/x/crypto/cryptobyte/asn1",
		"golang.org/x/crypto/pbkdf2", // of mdlayher/wifi, for keys of WLANs that nobody joins
	},
	"golang.org/x/net":       {"golang.org/x/net/bpf", "golang.org/x/net/dns/dnsmessage"},
	"google.golang.org/grpc": nil,
}

// linked returns the packages that patterns link, of every module, and where they are.
func linked(t *testing.T, patterns ...string) map[string]string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps", "-f", "{{.ImportPath}}\t{{.Dir}}"}, patterns...)...)
	command.Dir = root
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]string{}
	for line := range strings.Lines(string(output)) {
		name, directory, _ := strings.Cut(strings.TrimSpace(line), "\t")
		packages[name] = directory
	}
	return packages
}

// strays returns those of the packages that belong to a module of the list and are not
// in it.
func strays(packages map[string]string) (names []string) {
	for name := range packages {
		for module, may := range linkedOf {
			if below(module, name) && !slices.Contains(may, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// A gateway links nothing of pion, and of other modules with advisories what they are not
// about.
func TestGatewaysLinkNothingOfPion(t *testing.T) {
	packages := linked(t, embedded...)
	if _, found := packages[self+"/internal/dtls"]; !found {
		t.Fatal("nothing is linked")
	}
	for _, name := range strays(packages) {
		t.Errorf("%s is linked. What to do: find who imports it with go list -deps; SECURITY.md, Advisories, says what is wrong with it", name)
	}
	if len(strays(linked(t, "./lwm2mtest"))) == 0 {
		t.Error("the test finds nothing of pion where it is linked")
	}
}

// dormant is what has advisories in OpenTelemetry, which the actor library brings along: the
// detector that runs ioreg or kenv from the path, and the parsers of baggage.
var dormant = []string{"resource.WithHost", "baggage.Parse(", "propagation.Baggage", "SetTextMapPropagator("}

// What has advisories in OpenTelemetry is asked for by nobody outside of it.
func TestNobodyAsksForWhatIsDormant(t *testing.T) {
	asked := 0
	for name, directory := range linked(t, "./cmd/holdfast") {
		if !strings.Contains(name, ".") || below("go.opentelemetry.io/otel", name) && !below("go.opentelemetry.io/otel/exporters", name) {
			continue // the standard library, and who has it
		}
		files, err := filepath.Glob(filepath.Join(directory, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			if bytes.Contains(text, []byte("\"go.opentelemetry.io/otel")) {
				asked++
			}
			for _, what := range dormant {
				if bytes.Contains(text, []byte(what)) {
					t.Errorf("%s uses %s", file, what)
				}
			}
		}
	}
	if asked == 0 {
		t.Error("nobody uses OpenTelemetry: this test has nothing to look at")
	}
}
