package network

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

func ecKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func spki(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// rawKeys are credentials of security mode 1.
func rawKeys(t testing.TB, own *ecdsa.PrivateKey, server crypto.PublicKey) messages.Credentials {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return messages.Credentials{
		Mode: messages.SecurityRPK, Certificate: [][]byte{spki(t, own.Public())}, PrivateKey: key,
		ServerCertificates: [][]byte{spki(t, server)},
	}
}

func TestRawPublicKeysRefusedLocally(t *testing.T) {
	own, server := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384())
	other := ecKey(t, elliptic.P256())
	for name, test := range map[string]struct {
		change func(*messages.Credentials)
		reason CredentialsReason
	}{
		"no own key":         {func(c *messages.Credentials) { c.Certificate = nil }, BadPublicKey},
		"own key garbage":    {func(c *messages.Credentials) { c.Certificate = [][]byte{[]byte("garbage")} }, BadPublicKey},
		"two own keys":       {func(c *messages.Credentials) { c.Certificate = append(c.Certificate, c.Certificate[0]) }, BadPublicKey},
		"no private key":     {func(c *messages.Credentials) { c.PrivateKey = nil }, BadPrivateKey},
		"another's key":      {func(c *messages.Credentials) { c.Certificate = [][]byte{spki(t, other.Public())} }, KeyMismatch},
		"no server key":      {func(c *messages.Credentials) { c.ServerCertificates = nil }, NoServerCertificate},
		"server key garbage": {func(c *messages.Credentials) { c.ServerCertificates = [][]byte{[]byte("garbage")} }, BadServerKey},
		"server key on P-521": {func(c *messages.Credentials) {
			c.ServerCertificates = [][]byte{spki(t, ecKey(t, elliptic.P521()).Public())}
		}, BadServerKey},
	} {
		c := rawKeys(t, own, server.Public())
		test.change(&c)
		_, err := newSecurity(parse(t, "coaps://server.test"), c, times{now: time.Now()})
		if got := wantAs[*CredentialsError](t, err).Reason; got != test.reason {
			t.Errorf("%s: got reason %v, want %v", name, got, test.reason)
		}
		wantClass(t, err, messages.ClassBadCredentials)
	}
	wantAs[*SecurityModeError](t, func() error {
		_, err := newSecurity(parse(t, "coap://server.test"), rawKeys(t, own, server.Public()), times{now: time.Now()})
		return err
	}())
}

// The server is pinned to the stored key, whatever else it shows.
func TestRawPublicKeyIsPinned(t *testing.T) {
	own, server := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	config := secure(t, "coaps://server.test", rawKeys(t, own, server.Public())).config(terms{})
	if config.Certificate.VerifyChain != nil || config.Certificate.VerifyKey(spki(t, server.Public())) != nil {
		t.Error("the stored key is refused")
	}
	wantAs[*UnexpectedKeyError](t, config.Certificate.VerifyKey(spki(t, own.Public())))
	wantClass(t, &ServerCertificateError{Err: &UnexpectedKeyError{}}, messages.ClassServerCertificate)
}
