package wire

import (
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

const (
	endpoint = "gw-0001"
	// serverPatience is ample: nothing depends on it unless it fails.
	serverPatience = time.Minute
	// listenPause is how long the socket is listened to between two looks at
	// what a server prints.
	listenPause = 20 * time.Millisecond
)

var testKey = []byte("secretPSKsecretP")

// server is one that runs.
type server struct {
	addr string
	// talk demands that data goes both ways.
	talk func(*link) error
	*peer.DTLSPeer
	*peer.LeshanPeer // of Californium
}

// stack is a kind of server.
type stack struct {
	name string
	// start runs one; the arguments are appended to the stack's own. It is nil
	// for Californium, of which there is one for all tests.
	start func(testing.TB, peer.Security, ...string) *peer.DTLSPeer
	// args go with a server that others forge datagrams for: OpenSSL's ends a
	// handshake for a wrong cookie unless it is told to listen.
	args []string
	// mtu bounds what the server sends; nil if it cannot be told.
	mtu func(int) []string
	// only restricts a server to one suite, and to one curve if that is given.
	only func(suite dtls.SuiteID, curve string) []string
	// says is what a server prints of the suite that was agreed on; nil if it
	// does not.
	says func(dtls.SuiteID) string
	talk func(*peer.DTLSPeer, *link) error
	// many: a server takes several clients at the same time, and goes on after
	// one that has fallen silent.
	many bool
	// deaf: data that comes ahead of the client's last flight makes the server
	// answer nothing for ever (libcoap 4.3.1 with OpenSSL).
	deaf bool
}

// run starts a server, which ends with the test.
func (s *stack) run(t testing.TB, security peer.Security, args ...string) *server {
	t.Helper()
	if s.start == nil {
		return californium(t)
	}
	p := s.start(t, security, args...)
	return &server{addr: p.Addr, talk: func(l *link) error { return s.talk(p, l) }, DTLSPeer: p}
}

var stacks = []*stack{
	{name: "openssl", start: peer.OpenSSL, args: []string{"-listen"}, mtu: option("-mtu"), only: onlyOpenSSL, says: saysOpenSSL, talk: talkOpenSSL},
	{name: "gnutls", start: peer.GnuTLS, mtu: option("--mtu"), only: onlyGnuTLS, says: saysGnuTLS, talk: talkEcho},
	{name: "libcoap-openssl", start: libcoap(peer.BackendOpenSSL), talk: talkPing, many: true, deaf: true},
	{name: "libcoap-gnutls", start: libcoap(peer.BackendGnuTLS), talk: talkPing, many: true},
	{name: "californium", many: true},
}

func option(name string) func(int) []string {
	return func(value int) []string { return []string{name, strconv.Itoa(value)} }
}

func libcoap(backend peer.Backend) func(testing.TB, peer.Security, ...string) *peer.DTLSPeer {
	return func(t testing.TB, s peer.Security, args ...string) *peer.DTLSPeer {
		return peer.Libcoap(t, backend, s, args...)
	}
}

// names are what OpenSSL and GnuTLS call a suite.
var names = map[dtls.SuiteID]struct{ openssl, gnutls string }{
	dtls.PSKWithAES128CCM8:             {"PSK-AES128-CCM8", "AES-128-CCM-8"},
	dtls.PSKWithAES128CCM:              {"PSK-AES128-CCM", "AES-128-CCM"},
	dtls.PSKWithAES128GCMSHA256:        {"PSK-AES128-GCM-SHA256", "AES-128-GCM"},
	dtls.ECDHEECDSAWithAES128CCM8:      {"ECDHE-ECDSA-AES128-CCM8", "AES-128-CCM-8"},
	dtls.ECDHEECDSAWithAES128CCM:       {"ECDHE-ECDSA-AES128-CCM", "AES-128-CCM"},
	dtls.ECDHEECDSAWithAES128GCMSHA256: {"ECDHE-ECDSA-AES128-GCM-SHA256", "AES-128-GCM"},
	dtls.ECDHEECDSAWithAES256GCMSHA384: {"ECDHE-ECDSA-AES256-GCM-SHA384", "AES-256-GCM"},
}

// The curves, as OpenSSL and GnuTLS call them.
const (
	anyCurve = ""
	p256     = "P-256"
	p384     = "P-384"
	x25519   = "X25519"
)

var gnutlsGroups = map[string]string{
	anyCurve: "GROUP-ALL", p256: "GROUP-SECP256R1", p384: "GROUP-SECP384R1", x25519: "GROUP-X25519",
}

func onlyOpenSSL(suite dtls.SuiteID, curve string) []string {
	args := []string{"-cipher", names[suite].openssl + ":@SECLEVEL=0", "-serverpref"}
	if curve != anyCurve {
		// The others are for keys of certificates.
		others := slices.DeleteFunc([]string{p256, p384}, func(c string) bool { return c == curve })
		args = append(args, "-groups", strings.Join(append([]string{curve}, others...), ":"))
	}
	return args
}

func saysOpenSSL(suite dtls.SuiteID) string { return "CIPHER is " + names[suite].openssl + "\n" }

func onlyGnuTLS(suite dtls.SuiteID, curve string) []string {
	kx := "ECDHE-ECDSA"
	if isPSK(suite) {
		kx = "PSK"
	}
	return []string{"--debug=4", "--priority", fmt.Sprintf("NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+%s:-CIPHER-ALL:+%s:-GROUP-ALL:+%s",
		kx, names[suite].gnutls, gnutlsGroups[curve])}
}

func saysGnuTLS(suite dtls.SuiteID) string {
	return "Selected cipher suite: GNUTLS" + strings.Replace(strings.TrimPrefix(suite.String(), "TLS"), "_WITH", "", 1) + "\n"
}

func isPSK(suite dtls.SuiteID) bool { return strings.HasPrefix(suite.String(), "TLS_PSK") }

// lines makes what tests say different from each other.
var lines atomic.Uint64

// talkOpenSSL: s_server prints what it receives, and sends what it reads.
func talkOpenSSL(p *peer.DTLSPeer, l *link) error {
	up, down := fmt.Sprintf("up %d up", lines.Add(1)), fmt.Sprintf("down %d", lines.Add(1))
	if err := tell(p, l, up); err != nil {
		return err
	}
	if err := p.Say(down); err != nil {
		return err
	}
	data, err := l.receive(time.Now().Add(serverPatience))
	if err != nil || string(data) != down+"\n" {
		return fmt.Errorf("received %q, %w", data, err)
	}
	return nil
}

// tell sends a line until the server prints it.
func tell(p *peer.DTLSPeer, l *link, line string) error {
	for range questions {
		if err := l.send([]byte(line + "\n")); err != nil {
			return err
		}
		for end := time.Now().Add(echoPatience); time.Now().Before(end); {
			if strings.Contains(p.Output(), line) {
				return nil
			}
			// the server may repeat its last flight meanwhile
			if _, err := l.receive(time.Now().Add(listenPause)); !errors.Is(err, os.ErrDeadlineExceeded) {
				return fmt.Errorf("instead of silence: %w", err)
			}
		}
	}
	return fmt.Errorf("the server does not print %q", line)
}

// printed waits for a text in a peer's output.
func printed(p *peer.DTLSPeer, text string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return p.WaitOutput(ctx, text)
}

// talkEcho: the server sends back what it receives.
func talkEcho(_ *peer.DTLSPeer, l *link) error {
	text := fmt.Appendf(nil, "echo %d\n", lines.Add(1))
	return l.ask(text, text)
}

// talkPing: a CoAP server resets an empty confirmable message (RFC 7252 section
// 4.3).
func talkPing(_ *peer.DTLSPeer, l *link) error {
	id := binary.BigEndian.AppendUint16(nil, uint16(lines.Add(1)))
	return l.ask(append([]byte{0x40, 0}, id...), append([]byte{0x70, 0}, id...))
}

// pki are the certificates of a test.
type pki struct {
	*testpki.Set
	security peer.Security
}

func newPKI(t testpki.TB) *pki {
	t.Helper()
	set := testpki.Must(t, endpoint)
	return &pki{set, peer.Security{Server: set.Server.WriteFiles(t), CA: set.CA.WriteFile(t)}}
}

// withKey issues a client's certificate for a key on a curve.
func (p *pki) withKey(t testpki.TB, curve elliptic.Curve) *testpki.Leaf {
	t.Helper()
	leaf, err := p.CA.Issue(testpki.Request{Role: testpki.Client, CommonName: endpoint, Curve: curve})
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

var pskSecurity = peer.Security{PSKIdentity: endpoint, PSKKey: testKey}

func pskClient(suites ...dtls.SuiteID) dtls.Config {
	return dtls.Config{
		Suites: suites,
		PSK:    &dtls.PSK{Identity: []byte(endpoint), Key: func() []byte { return testKey }},
	}
}

// client is the configuration of a client with a certificate.
func (p *pki) client(leaf *testpki.Leaf, suites ...dtls.SuiteID) dtls.Config {
	return dtls.Config{
		Suites: suites,
		Certificate: &dtls.Certificate{
			Chain:  [][]byte{leaf.Cert.Raw},
			Signer: leaf.Key,
			VerifyChain: func(chain []*x509.Certificate, now time.Time) error {
				_, err := chain[0].Verify(x509.VerifyOptions{
					Roots: p.CA.Pool(), DNSName: testpki.ServerName, CurrentTime: now,
				})
				return err
			},
		},
	}
}
