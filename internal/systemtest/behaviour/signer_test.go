package behaviour_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

var errTokenGone = errors.New("the token is not there")

// token is a key that never leaves its hardware.
type token struct {
	leaf   *testpki.Leaf
	signed atomic.Int64
	gone   atomic.Bool
}

// Public implements crypto.Signer.
func (k *token) Public() crypto.PublicKey { return k.leaf.Key.Public() }

// Sign implements crypto.Signer.
func (k *token) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if k.gone.Load() {
		return nil, errTokenGone
	}
	k.signed.Add(1)
	return k.leaf.Key.Sign(random, digest, opts)
}

// site is a world whose device has a token.
type site struct {
	*systemtest.World
	ca     *testpki.Authority
	server *testpki.Leaf
	token  *token

	service *lwm2mtest.Service // of the management server
}

func newSite(t *testing.T) *site {
	w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
	ca := systemtest.Authority(t)
	s := &site{World: w, ca: ca, server: systemtest.IssueServer(t, ca)}
	s.token = &token{leaf: systemtest.Issue(t, ca, testpki.Request{Role: testpki.Client, CommonName: systemtest.Endpoint})}
	s.service = w.Serve(systemtest.DTLSPort, lwm2mtest.X509(s.server.TLS(), ca.Pool()))
	return s
}

// account is an account whose key is in the token.
func (s *site) account(uri string) *holdfast.Account {
	return &holdfast.Account{
		URI: uri, Security: holdfast.SecurityX509,
		CertificateChain: [][]byte{s.token.leaf.Cert.Raw}, Signer: s.token, TrustAnchors: [][]byte{s.ca.Cert.Raw},
	}
}

// managed is a configuration with a management account.
func (s *site) managed() holdfast.Config {
	cfg := s.NoSec()
	cfg.Server = s.account("coaps://192.0.2.1")
	return cfg
}

// delivered is a configuration with a bootstrap account, whose server writes
// an account with the private key.
func (s *site) delivered(key []byte) holdfast.Config {
	s.T.Helper()
	address := testpki.Request{Role: testpki.Server, CommonName: "bootstrap", IPs: []net.IP{systemtest.BootstrapAddr.AsSlice()}}
	bootstrap := systemtest.Issue(s.T, s.ca, address)
	s.Server.ServeBootstrap(s.ListenBootstrap(systemtest.DTLSPort), lwm2mtest.X509(bootstrap.TLS(), s.ca.Pool()))
	account := lwm2mtest.AccountConfig{
		URI: "coaps://192.0.2.1", Certificate: s.token.leaf.Cert.Raw, PrivateKey: key, ServerCertificate: s.server.Cert.Raw,
	}
	s.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{Delete: []string{"/0", "/1"}, Writes: account.Writes()})
	cfg := s.NoSec()
	cfg.Server, cfg.Bootstrap = nil, s.account("coaps://192.0.2.2")
	return cfg
}

// public returns the public half of a key, as an account refers to it.
func public(t *testing.T, leaf *testpki.Leaf) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(leaf.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// expectNoKey demands that the key is in no file of the state directory.
func (s *site) expectNoKey(cfg holdfast.Config) {
	s.T.Helper()
	secret, err := s.token.leaf.Key.Bytes()
	if err != nil {
		s.T.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(cfg.StateDir, "*"))
	if err != nil {
		s.T.Fatal(err)
	}
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && bytes.Contains(data, secret) {
			s.T.Errorf("the key is in %s", file)
		}
	}
}

// A client registers with a key that it can use and cannot have.
func TestRegisterWithAKeyInHardware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		defer s.Close()
		c := s.Start(s.managed())
		c.WaitFor(holdfast.Registered)
		if n := s.token.signed.Load(); n != 1 {
			t.Errorf("%d signatures", n)
		}
		c.ExpectClose(nil)
	})
}

// A token that is gone is code 4, with its own error as the cause; when it is
// there again, so is the client.
func TestSignerThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		defer s.Close()
		s.token.gone.Store(true)
		c := s.Start(s.managed())
		e := c.ExpectError(holdfast.CodeInvalidCredentials)
		if err := e.Err(); !errors.Is(err, holdfast.ErrInvalidCredentials) || !errors.Is(err, errTokenGone) {
			t.Errorf("%v", err)
		}
		s.token.gone.Store(false)
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
	})
}

// A bootstrap server lets the device go on with the key in its token, by naming
// its public half. The account works after a restart, and not without the token.
func TestBootstrapRefersToAKeyInHardware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		defer s.Close()
		cfg := s.delivered(public(t, s.token.leaf))
		c := s.Start(cfg)
		c.Next(holdfast.EventBootstrapped)
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
		s.expectNoKey(cfg)

		c = s.Start(cfg)
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
		if n := s.token.signed.Load(); n != 3 { // one bootstrap, two registrations
			t.Errorf("%d signatures", n)
		}

		cfg.Bootstrap = nil // its account is in the store, its signer is not
		c = s.Start(cfg)
		if e := c.ExpectError(holdfast.CodeInvalidCredentials); !errors.Is(e.Err(), holdfast.ErrInvalidCredentials) {
			t.Errorf("%+v", e)
		}
		c.ExpectClose(holdfast.ErrNotRegistered)
	})
}

// What a bootstrap server cannot do is name a key that the device does not hold:
// the configuration before stays.
func TestBootstrapCannotReferToAnotherKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		defer s.Close()
		other := systemtest.Issue(t, s.ca, testpki.Request{Role: testpki.Client, CommonName: systemtest.Endpoint})
		cert := s.token.leaf.Cert
		s.token.leaf.Cert = other.Cert // the certificate fits the key that is named
		cfg := s.delivered(public(t, other))
		s.token.leaf.Cert = cert
		cfg.Bootstrap = s.account("coaps://192.0.2.2")
		cfg.Server = s.account("coaps://192.0.2.1")
		c := s.Start(cfg)
		c.WaitFor(holdfast.Registered)
		if err := c.Bootstrap(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.ExpectError(holdfast.CodeBootstrapFailed)
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
		s.expectNoKey(cfg)
	})
}
