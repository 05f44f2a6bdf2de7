package peer

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
)

const (
	startAttempts = 3
	startTimeout  = time.Minute
)

// Security is what a DTLS peer demands of its clients: the pre-shared key when
// there is one, else X.509 with a client certificate.
type Security struct {
	// PSKIdentity is the identity that GnuTLS accepts. OpenSSL only warns of
	// another, and libcoap accepts any.
	PSKIdentity string
	// PSKKey is the key. libcoap takes it as text, so it must be printable
	// there.
	PSKKey []byte

	// Server are the peer's own certificate and key.
	Server testpki.Files
	// CA is the PEM file of the authority that clients' certificates must lead
	// to. Without it none is asked for.
	CA string

	// RawPublicKey is a PEM file that GnuTLS, and libcoap's build with it, show
	// in place of the certificate, whose key it is (RFC 7250). They take any
	// raw public key of a client that has signed with it.
	RawPublicKey string

	// WithoutExtendedMasterSecret makes OpenSSL, GnuTLS, and libcoap's build
	// with OpenSSL behave as before RFC 7627.
	WithoutExtendedMasterSecret bool
}

func (s Security) psk() bool { return len(s.PSKKey) > 0 }

// A DTLSPeer is a running DTLS server.
type DTLSPeer struct {
	// Addr is the address of its DTLS endpoint, host:port.
	Addr string
	// PlainAddr is the address of its NoSec endpoint, or empty. Only libcoap
	// has one.
	PlainAddr string

	process *process
}

// Output returns the first and the last 64 KiB of what the peer printed.
func (p *DTLSPeer) Output() string { return p.process.output.String() }

// WaitOutput returns nil once the peer has printed the text. The error is the
// context's, or tells that the peer has ended.
func (p *DTLSPeer) WaitOutput(ctx context.Context, text string) error {
	return p.process.output.wait(ctx, text, p.process.exited)
}

// Say writes a line to the peer's standard input, which OpenSSL sends to its
// client. A line that begins with one of s_server's commands, such as Q, is
// obeyed instead.
func (p *DTLSPeer) Say(line string) error {
	_, err := io.WriteString(p.process.stdin, line+"\n")
	return err
}

// Kill ends the peer by SIGKILL: it says good-bye to nobody. It returns when
// the process is gone.
func (p *DTLSPeer) Kill() { p.process.kill() }

// recipe says how to run a kind of DTLS peer.
type recipe struct {
	command string
	ports   int    // how many neighbouring ports it takes
	ready   string // what it prints when it listens; empty: it answers a ping then
	env     []string
	args    func(port int) []string
}

// OpenSSL starts openssl s_server with PSK_CCM_8, or with ECDHE_ECDSA and
// CCM_8 or GCM. It serves one client after the other: a client that falls
// silent blocks it, so start one for each handshake that is to fail. Further
// arguments are appended and win over the defaults.
func OpenSSL(t testing.TB, security Security, args ...string) *DTLSPeer {
	t.Helper()
	Require(t, KindOpenSSL)
	return startDTLS(t, recipe{
		command: "openssl",
		ports:   1,
		ready:   "ACCEPT",
		env:     opensslEnv(t, security),
		args: func(port int) []string {
			all := append([]string{"s_server", "-dtls1_2", "-accept", loopback(port)}, opensslArgs(security)...)
			return append(all, args...)
		},
	})
}

// opensslEnv names a configuration of OpenSSL's library for what its commands
// have no flag for.
func opensslEnv(t testing.TB, s Security) []string {
	t.Helper()
	if !s.WithoutExtendedMasterSecret {
		return nil
	}
	const content = "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n[tls]\n" +
		"Options = -ExtendedMasterSecret\n"
	file := filepath.Join(t.TempDir(), "openssl.cnf")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"OPENSSL_CONF=" + file}
}

func opensslArgs(s Security) []string {
	if s.psk() {
		return []string{
			"-nocert", "-psk", hex.EncodeToString(s.PSKKey), "-psk_identity", s.PSKIdentity,
			"-cipher", "PSK-AES128-CCM8:@SECLEVEL=0",
		}
	}
	args := []string{
		"-cert", s.Server.Cert, "-key", s.Server.Key,
		"-cipher", "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0",
	}
	if s.CA == "" {
		return args
	}
	// Without the last, s_server asks for a certificate and then takes any.
	return append(args, "-CAfile", s.CA, "-Verify", "2", "-verify_return_error")
}

// GnuTLS starts gnutls-serv as a UDP echo server, with PSK_CCM_8, or with
// ECDHE_ECDSA and CCM_8 or GCM. Further arguments are appended.
//
// It sends no alert to a client that shows no certificate, or holds another
// key, and spins from then on until it is killed: do that as soon as the test
// has seen what it wants. A client whose certificate leads to another authority
// gets access_denied, and then the server dies of a segmentation fault (GnuTLS
// 3.7.9).
func GnuTLS(t testing.TB, security Security, args ...string) *DTLSPeer {
	t.Helper()
	Require(t, KindGnuTLS)
	own := gnutlsArgs(t, security)
	return startDTLS(t, recipe{
		command: "gnutls-serv",
		ports:   1,
		ready:   "...done", // "listening on IPv4" comes before the port is bound
		args: func(port int) []string {
			all := append([]string{"--udp", "--echo", "--port", strconv.Itoa(port)}, own...)
			return append(all, args...)
		},
	})
}

func gnutlsArgs(t testing.TB, s Security) []string {
	t.Helper()
	priority := "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:"
	if s.WithoutExtendedMasterSecret {
		priority += "%NO_SESSION_HASH:"
	}
	if s.psk() {
		passwords := filepath.Join(t.TempDir(), "psk.txt")
		line := fmt.Sprintf("%s:%x\n", s.PSKIdentity, s.PSKKey)
		if err := os.WriteFile(passwords, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"--pskpasswd=" + passwords, "--priority", priority + "+PSK:-CIPHER-ALL:+AES-128-CCM-8"}
	}
	if s.RawPublicKey != "" {
		return []string{
			"--rawpkfile=" + s.RawPublicKey, "--rawpkkeyfile=" + s.Server.Key, "--require-client-cert",
			"--priority", priority + "+ECDHE-ECDSA:-CIPHER-ALL:+AES-128-CCM-8:-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK",
		}
	}
	args := []string{
		"--x509certfile=" + s.Server.Cert, "--x509keyfile=" + s.Server.Key,
		"--priority", priority + "+ECDHE-ECDSA:-CIPHER-ALL:+AES-128-CCM-8:+AES-128-GCM",
	}
	if s.CA == "" {
		return append(args, "--disable-client-cert")
	}
	return append(args, "--x509cafile="+s.CA, "--require-client-cert", "--verify-client-cert")
}

// A Backend is the TLS library that a libcoap server was built with.
type Backend string

// libcoap's backends.
const (
	BackendOpenSSL Backend = "openssl"
	BackendGnuTLS  Backend = "gnutls"
)

// Libcoap starts libcoap's example server. Its CoAP endpoint answers GET / on
// both of its addresses. Further arguments are appended.
func Libcoap(t testing.TB, backend Backend, security Security, args ...string) *DTLSPeer {
	t.Helper()
	Require(t, KindLibcoap)
	p := startDTLS(t, recipe{
		command: "coap-server-" + string(backend),
		ports:   2, // DTLS is on the port after that of NoSec
		ready:   "created DTLS endpoint",
		env:     opensslEnv(t, security),
		args: func(port int) []string {
			all := []string{"-A", "127.0.0.1", "-p", strconv.Itoa(port), "-v", "7"}
			all = append(all, libcoapArgs(security)...)
			return append(all, args...)
		},
	})
	p.onNextPort(t)
	return p
}

func libcoapArgs(s Security) []string {
	if s.psk() {
		return []string{"-k", string(s.PSKKey), "-h", ""}
	}
	switch {
	case s.RawPublicKey != "":
		return []string{"-M", s.RawPublicKey}
	case s.CA == "":
		return []string{"-c", s.Server.Bundle, "-n"}
	}
	return []string{"-c", s.Server.Bundle, "-C", s.CA}
}

// startDTLS runs a recipe on free ports until it works.
func startDTLS(t testing.TB, r recipe) *DTLSPeer {
	t.Helper()
	var failures string
	for range startAttempts {
		p, err := tryDTLS(t, r)
		if err == nil {
			return p
		}
		failures += err.Error() + "\n"
	}
	t.Fatalf("peer: %s does not start:\n%s", r.command, failures)
	return nil
}

func tryDTLS(t testing.TB, r recipe) (*DTLSPeer, error) {
	t.Helper()
	port, err := freePorts(r.ports)
	if err != nil {
		return nil, err
	}
	process, err := start(t, nil, r.env, r.command, r.args(port)...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := r.await(ctx, process, loopback(port)); err != nil {
		process.kill()
		return nil, fmt.Errorf("%w, having printed:\n%s", err, process.output)
	}
	return &DTLSPeer{Addr: loopback(port), process: process}, nil
}

// await returns when the peer listens.
func (r recipe) await(ctx context.Context, p *process, addr string) error {
	if r.ready == "" {
		return awaitPing(ctx, addr, p.exited)
	}
	return p.output.wait(ctx, r.ready, p.exited)
}

func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

func splitAddr(t testing.TB, addr string) (string, int) {
	t.Helper()
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}
