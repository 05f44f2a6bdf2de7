package peer

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// RequireVariable is the environment variable that makes a missing peer a
// failure when it is "1".
const RequireVariable = "HOLDFAST_REQUIRE_PEERS"

// A Kind names what must be installed for a peer.
type Kind string

// The kinds of peers.
const (
	KindLeshan  Kind = "leshan"
	KindOpenSSL Kind = "openssl"
	KindGnuTLS  Kind = "gnutls"
	KindLibcoap Kind = "libcoap"
)

// need is what a kind of peer takes to run.
type need struct {
	commands []string
	install  string
}

var needs = map[Kind]need{
	KindLeshan: {
		commands: []string{"bash", "java", "javac", "mvn"},
		install:  "a JDK 17 or later and Maven (Debian: apt-get install default-jdk-headless maven)",
	},
	KindOpenSSL: {
		commands: []string{"openssl"},
		install:  "OpenSSL (Debian: apt-get install openssl)",
	},
	KindGnuTLS: {
		commands: []string{"gnutls-serv"},
		install:  "GnuTLS's commands (Debian: apt-get install gnutls-bin)",
	},
	KindLibcoap: {
		commands: []string{"coap-server-openssl", "coap-server-gnutls", "coap-client-openssl", "coap-client-gnutls"},
		install:  "libcoap's commands (Debian: apt-get install libcoap3-bin)",
	},
}

// Require skips the test unless the commands of all these kinds are installed;
// with HOLDFAST_REQUIRE_PEERS=1 it fails the test instead. An unknown kind
// always fails it.
func Require(t testing.TB, kinds ...Kind) {
	t.Helper()
	for _, kind := range kinds {
		n, known := needs[kind]
		if !known {
			t.Fatalf("peer: unknown kind %q", kind)
		}
		if missing := missingCommands(n.commands); len(missing) > 0 {
			unavailable(t, "peer: %s needs %s, which is not installed: install %s",
				kind, strings.Join(missing, ", "), n.install)
		}
	}
}

func missingCommands(commands []string) []string {
	var missing []string
	for _, command := range commands {
		if _, err := exec.LookPath(command); err != nil {
			missing = append(missing, command)
		}
	}
	return missing
}

// unavailable ends the test of a peer that cannot be had.
func unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(RequireVariable) == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
