package network

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/messages"
)

func TestOwnCredentialsRefusedLocally(t *testing.T) {
	set := newSet(t)
	x509With := func(change func(*messages.Credentials)) messages.Credentials {
		c := x509Client(t, set, set.Client)
		change(&c)
		return c
	}
	garbage := [][]byte{[]byte("garbage")}
	ed := ed25519Key(t)
	tests := []struct {
		name        string
		credentials messages.Credentials
		reason      CredentialsReason
	}{
		{"empty PSK key", messages.Credentials{Mode: messages.SecurityPSK, Identity: "x"}, EmptyKey},
		{"long PSK identity", messages.Credentials{Mode: messages.SecurityPSK, Identity: strings.Repeat("x", 129), Key: messages.Secret("k")}, BadIdentity},
		{"PSK identity not UTF-8", messages.Credentials{Mode: messages.SecurityPSK, Identity: "\xff", Key: messages.Secret("k")}, BadIdentity},
		{"no certificate", x509With(func(c *messages.Credentials) { c.Certificate = nil }), NoCertificate},
		{"certificate garbage", x509With(func(c *messages.Credentials) { c.Certificate = garbage }), BadCertificate},
		{"intermediate garbage", x509With(func(c *messages.Credentials) { c.Certificate = append(c.Certificate, garbage...) }), BadCertificate},
		{"no key", x509With(func(c *messages.Credentials) { c.PrivateKey = nil }), BadPrivateKey},
		{"key garbage", x509With(func(c *messages.Credentials) { c.PrivateKey = messages.Secret("garbage") }), BadPrivateKey},
		{"key of another kind", x509With(func(c *messages.Credentials) { c.PrivateKey = ed }), BadPrivateKey},
		{"key of another certificate", x509With(func(c *messages.Credentials) { c.PrivateKey = x509Client(t, set, set.ClientOtherCA).PrivateKey }), KeyMismatch},
		{"no server certificate, usage 2", x509With(func(c *messages.Credentials) { c.ServerCertificates = nil }), NoServerCertificate},
		{"no server certificate, usage 3", x509With(func(c *messages.Credentials) { c.Usage, c.ServerCertificates = 3, nil }), NoServerCertificate},
		{"server certificate garbage", x509With(func(c *messages.Credentials) { c.ServerCertificates = garbage }), BadServerCertificate},
		{"usage 4", x509With(func(c *messages.Credentials) { c.Usage = 4 }), UnsupportedUsage},
		{"a digest of no length", x509With(func(c *messages.Credentials) { c.Matching, c.ServerCertificates = messages.MatchSHA256, garbage }), BadDigest},
		{"matching type 4", x509With(func(c *messages.Credentials) { c.Matching = 4 }), BadDigest},
		{"usage 9", x509With(func(c *messages.Credentials) { c.Usage = 9 }), UnsupportedUsage},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := newSecurity(parse(t, "coaps://server.test"), test.credentials, times{now: time.Now()})
			if got := wantAs[*CredentialsError](t, err).Reason; got != test.reason {
				t.Errorf("got reason %v, want %v", got, test.reason)
			}
			wantClass(t, err, messages.ClassBadCredentials)
			if text := err.Error(); strings.Contains(text, "garbage") {
				t.Errorf("the error shows key material: %s", text)
			}
		})
	}
}

func ed25519Key(t testing.TB) messages.Secret {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestSEC1KeyIsAccepted(t *testing.T) {
	set := newSet(t)
	c := x509Client(t, set, set.Client)
	der, err := x509.MarshalECPrivateKey(set.Client.Key)
	if err != nil {
		t.Fatal(err)
	}
	c.PrivateKey = der
	if _, err := newSecurity(parse(t, "coaps://server.test"), c, times{now: time.Now()}); err != nil {
		t.Error(err)
	}
}

// RFC 6066 section 3: no literals, no root dot.
func TestServerNameIndication(t *testing.T) {
	for _, test := range []struct{ target, name, want string }{
		{"coaps://server.test", "", "server.test"},
		{"coaps://server.test.", "", "server.test"},
		{"coaps://192.0.2.1", "", ""},
		{"coaps://[2001:db8::1]", "", ""},
		{"coaps://192.0.2.1", "server.test", "server.test"},
		{"coaps://server.test", "192.0.2.1", ""},
		{"coaps://[fe80::1%25eth0]", "", ""},
	} {
		c := psk()
		c.ServerName = test.name
		if got := secure(t, test.target, c).serverName; got != test.want {
			t.Errorf("%s, %q: SNI %q, want %q", test.target, test.name, got, test.want)
		}
	}
}

// leafFor returns a certificate with these names, of the set's authority.
func leafFor(t testing.TB, set *testpki.Set, request testpki.Request) *x509.Certificate {
	t.Helper()
	leaf, err := set.CA.Issue(request)
	if err != nil {
		t.Fatal(err)
	}
	return leaf.Cert
}

func TestVerifyName(t *testing.T) {
	set := newSet(t)
	leaf := leafFor(t, set, testpki.Request{
		CommonName: "cn.test", DNSNames: []string{"Server.test", "*.wild.test", "192.0.2.2"}, IPs: []net.IP{net.IPv4(192, 0, 2, 1), net.ParseIP("fe80::1")},
	})
	for name, want := range map[string]bool{
		"server.test": true, "SERVER.TEST": true, "192.0.2.1": true, "fe80::1%eth0": true, "fe80::2%eth0": false, "::ffff:192.0.2.1": true,
		"other.test": false, "x.wild.test": false, "cn.test": false, "": false,
		"192.0.2.2": false, "192.0.2.3": false, "2001:db8::1": false, "a.server.test": false,
	} {
		if err := verifyName(leaf, name); (err == nil) != want {
			t.Errorf("%q: got %v, want a match: %v", name, err, want)
		}
	}
}

// The chain may go through an intermediate that the server presents.
func TestIntermediate(t *testing.T) {
	set := newSet(t)
	v := trusting(times{}, set.CA)
	chain := []*x509.Certificate{set.Server.Cert, set.OtherCA.Cert} // a stray one does no harm
	if err := v.verify(chain, time.Now()); err != nil {
		t.Error(err)
	}
	// an authority that only the server presents is not trusted
	chain = []*x509.Certificate{set.ServerOtherCA.Cert, set.OtherCA.Cert}
	wantAs[x509.UnknownAuthorityError](t, v.verify(chain, time.Now()))
}

// No way of printing what holds credentials shows a key.
func TestSecurityPrintsNoKey(t *testing.T) {
	s := secure(t, "coaps://server.test", psk())
	m := New(testPeer, testEpoch)
	m.Step(now, connect(t, "coaps://server.test", func(c *messages.Connect) { c.Credentials = psk() }))
	decimal := strings.Trim(fmt.Sprint([]byte(psk().Key)), "[]")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, value := range []any{s, *s, m, *m, open{security: s}, messages.Connect{Credentials: psk()}} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, string(psk().Key)) || strings.Contains(text, decimal) || strings.Contains(text, fmt.Sprintf("%x", []byte(psk().Key))) {
				t.Errorf("%s of %T shows the key", verb, value)
			}
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if text := (&keyTypeError{key: key}).Error(); text != "the key is a *ecdsa.PrivateKey" {
		t.Errorf("got %q", text)
	}
}
