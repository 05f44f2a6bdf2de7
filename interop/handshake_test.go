package interop

import (
	"context"
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

// stack is a DTLS server that knows nothing of LwM2M.
type stack struct {
	name  string
	start func(testing.TB, peer.Security, ...string) *peer.DTLSPeer
	// greets demands the proof that a Register got through the session.
	greets func(*client, *peer.DTLSPeer)
	// restarts says that a silent client blocks the server, so that each
	// failed handshake needs a new one.
	restarts bool
}

var stacks = []stack{
	{name: "openssl", start: peer.OpenSSL, greets: showsRegister, restarts: true},
	{name: "gnutls", start: peer.GnuTLS, greets: echoes, restarts: true},
	{name: "libcoap-openssl", start: libcoap(peer.BackendOpenSSL), greets: answersRegister},
	{name: "libcoap-gnutls", start: libcoap(peer.BackendGnuTLS), greets: answersRegister},
}

func libcoap(backend peer.Backend) func(testing.TB, peer.Security, ...string) *peer.DTLSPeer {
	return func(t testing.TB, s peer.Security, args ...string) *peer.DTLSPeer {
		return peer.Libcoap(t, backend, s, args...)
	}
}

// showsRegister: s_server prints what it receives.
func showsRegister(c *client, p *peer.DTLSPeer) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if err := p.WaitOutput(ctx, "ep="+endpoint); err != nil {
		c.t.Errorf("the Register in the output: %v", err)
	}
}

// echoes: the server sends the Register back, which is a request of its own to
// us: it fails in some way, but on a link that works.
func echoes(c *client, _ *peer.DTLSPeer) {
	c.t.Helper()
	if e := c.errorEvent(); e.Code == holdfast.ErrSecureConnection.Code {
		c.t.Errorf("echoed Register: %+v", e)
	}
}

// answersRegister: the server speaks CoAP and knows no /rd.
func answersRegister(c *client, _ *peer.DTLSPeer) {
	c.t.Helper()
	if e := c.errorEvent(); e.Code != holdfast.ErrNetwork.Code || e.CoAP != "4.04" && e.CoAP != "4.05" {
		c.t.Errorf("Register at a server without /rd: %+v", e)
	}
}

// shakesHands runs a client that has to get past the handshake.
func (s stack) shakesHands(t *testing.T, p *peer.DTLSPeer, account *holdfast.Account) {
	t.Helper()
	cfg := quick(t)
	cfg.Server = account
	s.shakesHandsWith(t, p, cfg)
}

func (s stack) shakesHandsWith(t *testing.T, p *peer.DTLSPeer, cfg holdfast.Config) {
	t.Helper()
	c := start(t, cfg)
	c.inState(holdfast.Registering)
	if errs := c.errorsSeen(); len(errs) > 0 {
		t.Errorf("errors: %s", c.story())
	}
	s.greets(c, p)
	c.mustNotBeRegistered()
}

// offered demands that every ClientHello offered a Connection ID, as it does by default, and
// that the server, which knows none, has not let that disturb it: there was one handshake.
func (r *relay) offered() {
	r.t.Helper()
	seen := r.since(0)
	if seen.offers == 0 || seen.offers != seen.hellos || len(seen.randoms) != 1 {
		r.t.Errorf("%+v, want one handshake with an offer of a Connection ID", seen)
	}
}

func TestHandshakePSK(t *testing.T) {
	t.Parallel()
	for _, s := range stacks {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := s.start(t, peer.Security{PSKIdentity: endpoint, PSKKey: testKey})
			r := newRelay(t, p.Addr)
			s.shakesHands(t, p, psk(r.addr(), testKey))
			r.offered()
		})
	}
}

func TestHandshakeX509(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, endpoint)
	for _, s := range stacks {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := s.start(t, peer.Security{Server: set.Server.WriteFiles(t), CA: set.CA.WriteFile(t)})
			r := newRelay(t, p.Addr)
			s.shakesHands(t, p, x509(t, r.addr(), set.Client, set.CA))
			r.offered()
		})
	}
}
