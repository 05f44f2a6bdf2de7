package token

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/interop/peer"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const (
	endpoint = "gw-0001"
	// patience bounds every wait that nothing is measured by.
	patience = 2 * time.Minute
)

// site is a device with a TPM, and who it trusts.
type site struct {
	t       *testing.T
	machine *machine
	signer  *signer
	root    *testpki.Node
	own     []byte // the device's certificate
	server  *testpki.Node
}

func newSite(t *testing.T) *site {
	m := newMachine(t)
	s := &site{t: t, machine: m, signer: newSigner(t, m), root: testpki.Root(t, "root", nil)}
	s.server = s.root.Leaf(t, "server", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	own, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: endpoint},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, s.root.Cert, s.signer.Public(), s.root.Key)
	if err != nil {
		t.Fatal(err)
	}
	s.own = own
	return s
}

// serve starts a management server, which demands the device's certificate.
func (s *site) serve() (address string) {
	s.t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(s.root.Cert)
	server := lwm2mtest.NewServer(lwm2mtest.ServerOptions{})
	server.ServeManagement(pc, lwm2mtest.X509(s.server.TLS(), clients))
	s.t.Cleanup(func() { _ = server.Close() })
	return pc.LocalAddr().String()
}

func (s *site) config(address string) holdfast.Config {
	return holdfast.Config{
		Endpoint: endpoint, StateDir: s.t.TempDir(),
		RegistrationTimeout: 5 * time.Second,
		Reconnect:           holdfast.ReconnectConfig{InitialMin: time.Second, InitialMax: time.Second, Max: 2 * time.Second},
		Server: &holdfast.Account{
			URI: "coaps://" + address, Security: holdfast.SecurityX509,
			CertificateChain: [][]byte{s.own}, Signer: s.signer, TrustAnchors: [][]byte{s.root.Cert.Raw},
		},
	}
}

// client is a running client, and what it says.
type client struct {
	*holdfast.Client
	t      *testing.T
	events <-chan holdfast.Event
}

func (s *site) start(cfg holdfast.Config) *client {
	s.t.Helper()
	inner, err := holdfast.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &client{Client: inner, t: s.t}
	c.events, _ = inner.Events(1 << 10)
	if err := inner.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = inner.Close(ctx) // a test that cares has closed it
	})
	return c
}

// next returns the next event of a type.
func (c *client) next(kind holdfast.EventType) holdfast.Event {
	c.t.Helper()
	for late := time.After(patience); ; {
		select {
		case e := <-c.events:
			if e.Type == holdfast.EventError {
				c.t.Logf("%v", e.Err())
			}
			if e.Type == kind {
				return e
			}
		case <-late:
			c.t.Fatalf("no %s", kind)
		}
	}
}

func (c *client) leave() {
	c.t.Helper()
	if err := c.Close(context.Background()); err != nil {
		c.t.Errorf("Close: %v", err)
	}
}

// The key is of the kind that a TPM gives to nobody.
func TestTheKeyCannotLeaveTheToken(t *testing.T) {
	s := newSite(t)
	if err := s.signer.with(func(tpm transport.TPM, made *tpm2.CreatePrimaryResponse) error {
		read, err := tpm2.ReadPublic{ObjectHandle: made.ObjectHandle}.Execute(tpm)
		if err != nil {
			return err
		}
		public, err := read.OutPublic.Contents()
		if err != nil {
			return err
		}
		if a := public.ObjectAttributes; !a.FixedTPM || !a.FixedParent || !a.SensitiveDataOrigin {
			t.Errorf("attributes %+v", a)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A client with its key in a TPM registers, comes back after a restart, and signs once
// for each handshake.
func TestRegisterWithAKeyInATPM(t *testing.T) {
	s := newSite(t)
	cfg := s.config(s.serve())
	for n := 1; n <= 2; n++ {
		c := s.start(cfg)
		if e := c.next(holdfast.EventRegistered); e.Attempts != 1 {
			t.Errorf("%d attempts", e.Attempts)
		}
		if got := s.signer.signatures(); got != n {
			t.Errorf("%d signatures, want %d", got, n)
		}
		c.leave()
	}
}

// Another implementation of DTLS verifies the signature, too.
func TestOpenSSLTakesASignatureOfATPM(t *testing.T) {
	s := newSite(t)
	leaf := &testpki.Leaf{Cert: s.server.Cert, Key: s.server.Key}
	authority := (&testpki.Leaf{Cert: s.root.Cert, Key: s.root.Key}).WriteFiles(t)
	p := peer.OpenSSL(t, peer.Security{Server: leaf.WriteFiles(t), CA: authority.Cert})
	c := s.start(s.config(p.Addr))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.WaitOutput(ctx, "ep="+endpoint); err != nil {
		t.Errorf("the Register in the output: %v", err)
	}
	if got := s.signer.signatures(); got == 0 {
		t.Error("nothing was signed")
	}
	if err := c.Close(context.Background()); !errors.Is(err, holdfast.ErrNotRegistered) {
		t.Errorf("Close: %v", err)
	}
}

// A token that goes away in the middle of a handshake is code 4, with what the token
// says as the cause. When it is there again, the client registers.
func TestTokenIsPulledOutInTheMiddleOfAHandshake(t *testing.T) {
	s := newSite(t)
	s.signer.atNextSignature(s.machine.kill)
	c := s.start(s.config(s.serve()))
	e := c.next(holdfast.EventError)
	if err := e.Err(); e.Code != holdfast.CodeInvalidCredentials || !errors.Is(err, holdfast.ErrInvalidCredentials) || e.NextAttempt.IsZero() {
		t.Errorf("%+v", e)
	}
	var failed *net.OpError
	if !errors.As(e.Err(), &failed) {
		t.Errorf("the cause: %v", e.Err())
	}
	s.machine.start()
	c.next(holdfast.EventRegistered)
	c.leave()
}

// A token that hangs costs an attempt, and holds nothing else up: the client says so,
// tries again, and registers when the token goes on.
func TestTokenHangsInTheMiddleOfAHandshake(t *testing.T) {
	s := newSite(t)
	s.signer.atNextSignature(s.machine.hang)
	c := s.start(s.config(s.serve()))
	e := c.next(holdfast.EventError)
	if e.Code != holdfast.CodeTimeout || e.NextAttempt.IsZero() || !strings.Contains(e.Err().Error(), "the signer that holds the private key") {
		t.Errorf("%+v", e)
	}
	s.machine.wake()
	c.next(holdfast.EventRegistered)
	c.leave()
}
