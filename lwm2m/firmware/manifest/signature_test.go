package manifest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

func pemOf(kind string, der []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func certificateOf(key *ecdsa.PrivateKey) string {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(zeros{}, template, template, &key.PublicKey, key)
	return pemOf("CERTIFICATE", der, err)
}

// zeros is a source of randomness for tests that need none.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func keyOn(c elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.ParseRawPrivateKey(c, big.NewInt(9).FillBytes(make([]byte, (c.Params().N.BitLen()+7)/8)))
	if err != nil {
		panic(err)
	}
	return key
}

func publicPEM(key any) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	return pemOf("PUBLIC KEY", der, err)
}

func TestParseTrust(t *testing.T) {
	keys, err := ParseTrust([]byte("a comment\n" + certificateOf(keyOf(7)) + publicPEM(&keyOf(8).PublicKey)))
	if err != nil || len(keys) != 2 || !keys[0].Equal(&keyOf(7).PublicKey) || !keys[1].Equal(&keyOf(8).PublicKey) {
		t.Errorf("%v, %v", keys, err)
	}
	edwards := ed25519.NewKeyFromSeed(make([]byte, 32)).Public()
	sec1, err := x509.MarshalECPrivateKey(keyOf(7))
	for text, want := range map[string]string{
		"": "no certificate and no public key",
		publicPEM(&keyOn(elliptic.P384()).PublicKey):                   "P-256",
		publicPEM(edwards):                                             "P-256",
		certificateOf(keyOn(elliptic.P384())):                          "P-256",
		pemOf("EC PRIVATE KEY", sec1, err):                             "neither a certificate nor a public key",
		pemOf("CERTIFICATE", []byte{1}, nil):                           "a certificate cannot be read",
		pemOf("PUBLIC KEY", []byte{1}, nil):                            "a public key cannot be read",
		certificateOf(keyOf(7)) + pemOf("CERTIFICATE", []byte{1}, nil): "a certificate cannot be read",
	} {
		if keys, err := ParseTrust([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %s", text, keys, err, want)
		}
	}
}

func TestParseKey(t *testing.T) {
	sec1, err := x509.MarshalECPrivateKey(keyOf(7))
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(keyOf(7))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		pemOf("EC PRIVATE KEY", sec1, nil), pemOf("PRIVATE KEY", pkcs8, nil), certificateOf(keyOf(7)) + pemOf("EC PRIVATE KEY", sec1, nil),
		pemOf("EC PARAMETERS", []byte{6, 0}, nil) + pemOf("EC PRIVATE KEY", sec1, nil), // as openssl writes it
	} {
		if key, err := ParseKey([]byte(text)); err != nil || !key.Equal(keyOf(7)) {
			t.Errorf("%s: %v", text, err)
		}
	}
	p384, err := x509.MarshalECPrivateKey(keyOn(elliptic.P384()))
	if err != nil {
		t.Fatal(err)
	}
	edwards, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	locked := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-128-CBC,00"}, Bytes: sec1}))
	for text, want := range map[string]string{
		"": "no private key", certificateOf(keyOf(7)): "no private key", locked: "encrypted",
		pemOf("ENCRYPTED PRIVATE KEY", sec1, nil): "encrypted", pemOf("PRIVATE KEY", sec1[1:], nil): "neither in PKCS #8 nor in SEC 1",
		pemOf("EC PRIVATE KEY", p384, nil): "P-256", pemOf("PRIVATE KEY", edwards, nil): "P-256",
	} {
		if _, err := ParseKey([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// A key on another curve neither signs nor counts.
func TestOtherCurvesAreRefused(t *testing.T) {
	m, _ := sample(t)
	other := keyOn(elliptic.P384())
	if _, err := Sign(m, other); err == nil {
		t.Error("signed on P-384")
	}
	s, err := Parse(signed(t, m, keyOf(7)))
	if err != nil {
		t.Fatal(err)
	}
	wantCause(t, "P-384", s.Verify(publicKeys(other)), firmware.CauseSignature)
}
