package dtls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
)

// testKey is an ECDSA key for tests.
func testKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// selfSigned returns a certificate in DER for any public key, signed by another.
func selfSigned(t testing.TB, public crypto.PublicKey, signer crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: epoch.Add(-time.Hour), NotAfter: epoch.Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// certificateConfig is a configuration that trusts every server.
func certificateConfig(t testing.TB) Config {
	key := testKey(t, elliptic.P256())
	return Config{Random: source(2), Certificate: &Certificate{
		Chain: [][]byte{selfSigned(t, key.Public(), key)}, Signer: key,
		VerifyChain: func([]*x509.Certificate, time.Time) error { return nil },
	}}
}

// hugeRSA is a public key whose modulus has that many bits.
func hugeRSA(bits uint) *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537}
}

// Sizes and kinds of keys are bounded before anything is computed with them, in
// leaf and intermediates alike.
func TestCertificatesAreBounded(t *testing.T) {
	key := testKey(t, elliptic.P256())
	good := selfSigned(t, key.Public(), key)
	for name, test := range map[string]struct {
		chain [][]byte
		want  bool
	}{
		"one":                      {[][]byte{good}, true},
		"two":                      {[][]byte{good, good}, true},
		"none":                     {nil, false},
		"garbage":                  {[][]byte{[]byte("garbage")}, false},
		"garbage behind":           {[][]byte{good, []byte("garbage")}, false},
		"trailing byte":            {[][]byte{append(good[:len(good):len(good)], 0)}, false},
		"RSA of 8,192 bits behind": {[][]byte{good, selfSigned(t, hugeRSA(8192), key)}, true},
		"RSA of 8,193 bits behind": {[][]byte{good, selfSigned(t, hugeRSA(8193), key)}, false},
		"RSA of 160,000 bytes":     {[][]byte{selfSigned(t, hugeRSA(1_280_000), key)}, false},
		"P-521 behind":             {[][]byte{good, selfSigned(t, testKey(t, elliptic.P521()).Public(), key)}, true},
		"P-224 behind":             {[][]byte{good, selfSigned(t, testKey(t, elliptic.P224()).Public(), key)}, false},
	} {
		if _, err := parseChain(test.chain); (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckKey(t *testing.T) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key  crypto.PublicKey
		want bool
	}{
		"Ed25519": {public, true}, "RSA 2048": {hugeRSA(2048), true}, "RSA 8193": {hugeRSA(8193), false},
		"P-384": {testKey(t, elliptic.P384()).Public(), true}, "P-224": {testKey(t, elliptic.P224()).Public(), false},
		"another kind": {"a key", false}, "nothing": {nil, false},
	} {
		if err := CheckKey(test.key); (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A ServerKeyExchange is signed by ECDSA on a curve of the offer.
func TestSignatureKey(t *testing.T) {
	for name, test := range map[string]struct {
		key  crypto.PublicKey
		want bool
	}{
		"P-256": {testKey(t, elliptic.P256()).Public(), true}, "P-384": {testKey(t, elliptic.P384()).Public(), true},
		"P-521": {testKey(t, elliptic.P521()).Public(), false}, "RSA": {hugeRSA(2048), false},
	} {
		if _, err := signatureKey(test.key); (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server that sends one flight after the other is worked for a few times, however many
// there are: here the key is asked for, and elsewhere certificates are verified.
func TestFlightsAreJudgedFourTimes(t *testing.T) {
	config, worked := pskConfig(), 0
	key := config.PSK.Key
	config.PSK.Key = func() []byte { worked++; return key() }
	h, _ := start(t, config)
	worked = 0 // the check of the configuration
	now := epoch
	for i := range 30 {
		now = now.Add(time.Second)
		body := pskHello()
		body[2] = byte(i + 1) // another random each time
		h.Receive(now, inClear(handshake.Message{Type: handshake.TypeServerHello, Body: body}))
		h.Receive(now, inClear(handshake.Message{Type: handshake.TypeServerHelloDone, Sequence: 1}))
	}
	if worked != maxJudged {
		t.Errorf("worked %d times for 30 flights, want %d", worked, maxJudged)
	}
}
