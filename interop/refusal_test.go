package interop

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

var wrongKey = []byte("anotherPSK")

// hasty is quick with attempts of 4 s, for handshakes that fall silent, and an
// r0 of 2 s, in which a server can be replaced. libcoap with GnuTLS is silent for 5 s and
// ends the handshake then: an attempt as long would end in either way.
func hasty(t *testing.T) holdfast.Config {
	cfg := quick(t)
	cfg.RegistrationTimeout = 4 * time.Second
	cfg.Reconnect = holdfast.ReconnectConfig{InitialMin: 2 * time.Second, InitialMax: 2 * time.Second}
	return cfg
}

// silentTwice demands code 6 of a first silent handshake and code 12 of the
// second; again makes the server ready for that.
func silentTwice(c *client, again func()) {
	c.t.Helper()
	first := c.errorEvent()
	if first.Code != holdfast.ErrTimeout.Code || first.Phase != "register" || first.Attempt != 1 {
		c.t.Errorf("first handshake: %+v, want code 6", first)
	}
	again()
	second := c.errorEvent()
	if second.Code != holdfast.ErrSecureConnection.Code || second.Phase != "register" || second.Attempt != 2 {
		c.t.Errorf("second handshake: %+v, want code 12", second)
	}
	if first.TLSAlert != nil || second.TLSAlert != nil {
		c.t.Errorf("alerts in %+v and %+v", first, second)
	}
}

// again replaces a server that a silent client blocks by a new one on the same
// port, while the client waits.
func (s stack) again(t *testing.T, p *peer.DTLSPeer, security peer.Security) func() {
	return func() {
		if !s.restarts {
			return
		}
		p.Kill()
		flag, value := "-accept", p.Addr
		if s.name == "gnutls" {
			flag, value = "--port", p.Addr[strings.LastIndex(p.Addr, ":")+1:]
		}
		s.start(t, security, flag, value)
	}
}

func TestWrongPSK(t *testing.T) {
	t.Parallel()
	for _, s := range stacks {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			security := peer.Security{PSKIdentity: endpoint, PSKKey: testKey}
			p := s.start(t, security)
			cfg := hasty(t)
			cfg.Server = psk(p.Addr, wrongKey)
			c := start(t, cfg)
			silentTwice(c, s.again(t, p, security))
			c.mustNotBeRegistered()
		})
	}
}

// withoutDone takes the ServerHelloDone out of a datagram of the server's.
func withoutDone(d datagram) []byte {
	var left []byte
	for rest := d.data; len(rest) > 0; {
		r, tail, ok := record.Next(rest, 0)
		if !ok {
			return append(left, rest...)
		}
		if !d.fromServer || !r.Plain() || r.Content != record.Handshake || !ends(r.Body) {
			left = append(left, rest[:len(rest)-len(tail)]...)
		}
		rest = tail
	}
	return left
}

// ends reports whether a record has a ServerHelloDone, with which flights end.
func ends(body []byte) bool {
	for {
		f, rest, ok := handshake.NextFragment(body)
		if !ok || f.Type == handshake.TypeServerHelloDone {
			return ok
		}
		body = rest
	}
}

// A server whose flight never comes whole has not refused the key, however
// wrong it is: that is code 6 each time.
func TestWrongPSKIsNotBlamedUnproven(t *testing.T) {
	t.Parallel()
	for _, s := range stacks {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			security := peer.Security{PSKIdentity: endpoint, PSKKey: testKey}
			p := s.start(t, security)
			cfg := hasty(t)
			cfg.Server = psk(newSieve(t, p.Addr, withoutDone).addr(), wrongKey)
			c := start(t, cfg)
			again := s.again(t, p, security)
			for attempt := uint64(1); attempt <= 2; attempt++ {
				e := c.errorEvent()
				if e.Code != holdfast.ErrTimeout.Code || e.Phase != "register" || e.Attempt != attempt {
					t.Errorf("attempt %d: %+v, want code 6", attempt, e)
				}
				if attempt == 1 {
					again()
				}
			}
			c.mustNotBeRegistered()
		})
	}
}

// The key is put right on the server: the client registers by itself.
func TestLeshanWrongPSKPutRight(t *testing.T) {
	t.Parallel()
	server := management(t)
	server.allowPSK(wrongKey)
	cfg := hasty(t)
	cfg.Server = psk(server.CoAPS(), testKey)
	c := start(t, cfg)
	silentTwice(c, func() {})
	server.allowPSK(testKey)
	if e := c.registered(); e.Attempts < 3 {
		t.Errorf("registered: %+v", e)
	}
	c.leave()
}

// A server whose certificate does not verify is code 12, with the cause, at
// the first attempt, and is tried again.
func TestServerCertificateRefused(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, endpoint)
	cases := []struct {
		name  string
		leaf  *testpki.Leaf
		trust *testpki.Authority
	}{
		{"unknown authority", set.Server, set.OtherCA},
		{"expired", set.ServerExpired, set.CA},
		{"another name", set.ServerOtherName, set.CA},
	}
	for _, s := range stacks {
		for _, tc := range cases {
			t.Run(s.name+"/"+tc.name, func(t *testing.T) {
				t.Parallel()
				p := s.start(t, peer.Security{Server: tc.leaf.WriteFiles(t), CA: set.CA.WriteFile(t)})
				cfg := quick(t)
				cfg.Server = x509(t, p.Addr, set.Client, tc.trust)
				c := start(t, cfg)
				e := c.errorEvent()
				t.Log(e.Detail)
				if e.Code != holdfast.ErrSecureConnection.Code || e.Attempt != 1 || e.TLSAlert != nil ||
					e.Action != "retry" || !strings.HasPrefix(e.Detail, "server-certificate") {
					t.Errorf("%+v, want code 12 for the server's certificate", e)
				}
				c.mustNotBeRegistered()
			})
		}
	}
}

// A client certificate that the server does not accept is code 12 with the
// number of the alert.
func TestClientCertificateRefused(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, endpoint)
	for _, s := range stacks {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := s.start(t, peer.Security{Server: set.Server.WriteFiles(t), CA: set.CA.WriteFile(t)})
			cfg := quick(t)
			cfg.Server = x509(t, p.Addr, set.ClientOtherCA, set.CA)
			c := start(t, cfg)
			refusedWithAlert(c)
			c.mustNotBeRegistered()
		})
	}
}

func refusedWithAlert(c *client) {
	c.t.Helper()
	e := c.errorEvent()
	if e.Code != holdfast.ErrSecureConnection.Code || e.TLSAlert == nil {
		c.t.Errorf("%+v, want code 12 and an alert", e)
		return
	}
	c.t.Logf("alert %d: %s", *e.TLSAlert, e.Detail)
}

func TestLeshanClientCertificateRefused(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, endpoint)
	files := set.Server.WriteFiles(t)
	server := management(t, "--cert", files.Cert, "--key", files.Key, "--trust", set.CA.WriteFile(t))
	server.Do(peer.Object{"op": "x509", "ep": endpoint})
	cfg := quick(t)
	cfg.Server = x509(t, server.CoAPS(), set.ClientOtherCA, set.CA)
	c := start(t, cfg)
	refusedWithAlert(c)
	c.mustNotBeRegistered()
}
