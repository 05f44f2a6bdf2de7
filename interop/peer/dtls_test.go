package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/pion/dtls/v2"

	"github.com/holdfast-iot/holdfast/internal/testpki"
)

const (
	testEndpoint = "gw-0001"
	// handshakeTimeout is ample: nothing here depends on it unless it fails.
	handshakeTimeout = time.Minute
)

var testKey = []byte("secretPSK")

// dtlsPeers are all DTLS peers under one face.
var dtlsPeers = map[string]func(testing.TB, Security) *DTLSPeer{
	"openssl": func(t testing.TB, s Security) *DTLSPeer { return OpenSSL(t, s) },
	"gnutls":  func(t testing.TB, s Security) *DTLSPeer { return GnuTLS(t, s) },
	"libcoap-openssl": func(t testing.TB, s Security) *DTLSPeer {
		return Libcoap(t, BackendOpenSSL, s)
	},
	"libcoap-gnutls": func(t testing.TB, s Security) *DTLSPeer {
		return Libcoap(t, BackendGnuTLS, s)
	},
}

func pskConfig(identity string, key []byte) *dtls.Config {
	return &dtls.Config{
		PSK:             func([]byte) ([]byte, error) { return key, nil },
		PSKIdentityHint: []byte(identity),
		CipherSuites:    []dtls.CipherSuiteID{dtls.TLS_PSK_WITH_AES_128_CCM_8},
	}
}

func x509Config(set *testpki.Set, client *testpki.Leaf, suite dtls.CipherSuiteID) *dtls.Config {
	return &dtls.Config{
		Certificates: []tls.Certificate{client.TLS()},
		RootCAs:      set.CA.Pool(),
		ServerName:   testpki.ServerName,
		CipherSuites: []dtls.CipherSuiteID{suite},
	}
}

// dial does a handshake from a new socket, which ends with the test.
func dial(t *testing.T, addr string, config *dtls.Config) (*dtls.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), handshakeTimeout)
	defer cancel()
	return dialContext(ctx, t, addr, config)
}

func dialContext(ctx context.Context, t *testing.T, addr string, config *dtls.Config) (*dtls.Conn, error) {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	conn, err := dtls.ClientWithContext(ctx, socket, to, config)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, nil
}

// exchange sends a datagram and returns the answer.
func exchange(t *testing.T, conn net.Conn, datagram []byte) []byte {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(datagram); err != nil {
		t.Fatal(err)
	}
	// pion keeps a goroutine for a deadline until that passes or is lifted.
	defer func() { _ = conn.SetDeadline(time.Time{}) }()
	buffer := make([]byte, 2048)
	n, err := conn.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return buffer[:n]
}

func TestPSKHandshake(t *testing.T) {
	t.Parallel()
	for name, start := range dtlsPeers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, Security{PSKIdentity: testEndpoint, PSKKey: testKey})
			if _, err := dial(t, p.Addr, pskConfig(testEndpoint, testKey)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestX509Handshake(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, testEndpoint)
	security := Security{Server: set.Server.WriteFiles(t), CA: set.CA.WriteFile(t)}
	suites := map[string]dtls.CipherSuiteID{
		"ccm": dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
		"gcm": dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	}
	for name, start := range dtlsPeers {
		for suiteName, suite := range suites {
			t.Run(name+"/"+suiteName, func(t *testing.T) {
				t.Parallel()
				p := start(t, security)
				if _, err := dial(t, p.Addr, x509Config(set, set.Client, suite)); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, testEndpoint)
	security := Security{Server: set.Server.WriteFiles(t), CA: set.CA.WriteFile(t)}
	for name, start := range dtlsPeers {
		if name == "gnutls" {
			continue // says nothing: TestGnuTLSRefusesSilently
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, security)
			config := x509Config(set, set.ClientOtherCA, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
			_, err := dial(t, p.Addr, config)
			var alert interface{ IsFatalOrCloseNotify() bool }
			if !errors.As(err, &alert) {
				t.Fatalf("client of another CA: %v, want an alert", err)
			}
		})
	}
}

func TestGnuTLSRefusesSilently(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, testEndpoint)
	p := GnuTLS(t, Security{Server: set.Server.WriteFiles(t), CA: set.CA.WriteFile(t)})
	ctx, cancel := context.WithTimeout(t.Context(), handshakeTimeout)
	defer cancel()
	refused := make(chan error, 1)
	go func() {
		// The client would wait for its deadline: the refusal ends it.
		defer cancel()
		refused <- p.WaitOutput(ctx, "Error in handshake")
	}()
	config := x509Config(set, set.ClientOtherCA, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	_, err := dialContext(ctx, t, p.Addr, config)
	p.Kill()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("client of another CA: %v, want silence until it gives up", err)
	}
	if err := <-refused; err != nil {
		t.Errorf("refusal in the output: %v", err)
	}
}

func TestGnuTLSEchoes(t *testing.T) {
	t.Parallel()
	p := GnuTLS(t, Security{PSKIdentity: testEndpoint, PSKKey: testKey})
	conn, err := dial(t, p.Addr, pskConfig(testEndpoint, testKey))
	if err != nil {
		t.Fatal(err)
	}
	if got := exchange(t, conn, []byte("hello")); !bytes.Equal(got, []byte("hello")) {
		t.Errorf("echo = %q", got)
	}
}

func TestLibcoapAnswers(t *testing.T) {
	t.Parallel()
	p := Libcoap(t, BackendOpenSSL, Security{PSKKey: testKey})
	get := []byte{0x40, 0x01, 0x12, 0x34}  // CON GET /
	want := []byte{0x60, 0x45, 0x12, 0x34} // ACK 2.05
	secure, err := dial(t, p.Addr, pskConfig(testEndpoint, testKey))
	if err != nil {
		t.Fatal(err)
	}
	if got := exchange(t, secure, get); !bytes.HasPrefix(got, want) {
		t.Errorf("over DTLS: %x, want %x ...", got, want)
	}
	plain, err := net.Dial("udp4", p.PlainAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if got := exchange(t, plain, get); !bytes.HasPrefix(got, want) {
		t.Errorf("over NoSec: %x, want %x ...", got, want)
	}
}

func TestOpenSSLTellsWhatItReceives(t *testing.T) {
	t.Parallel()
	p := OpenSSL(t, Security{PSKIdentity: testEndpoint, PSKKey: testKey})
	conn, err := dial(t, p.Addr, pskConfig(testEndpoint, testKey))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("from the client\n")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), handshakeTimeout)
	defer cancel()
	if err := p.WaitOutput(ctx, "from the client"); err != nil {
		t.Fatal(err)
	}
	if err := p.Say("from the server"); err != nil {
		t.Fatal(err)
	}
	if got := exchange(t, conn, []byte("again\n")); string(got) != "from the server\n" {
		t.Errorf("received %q", got)
	}
	p.Kill()
	if err := p.WaitOutput(ctx, "never printed"); !errors.Is(err, errExited) {
		t.Errorf("after Kill: %v, want %v", err, errExited)
	}
}
