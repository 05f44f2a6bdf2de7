package dtlstest

import (
	"bytes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"testing"

	"github.com/pion/dtls/v2/pkg/crypto/ccm"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPRF(t *testing.T) {
	hashes := map[string]func() hash.Hash{"SHA-256": sha256.New, "SHA-384": sha512.New384}
	for _, v := range PRFVectors {
		want := unhex(t, v.Output)
		if got := PRF(hashes[v.Hash], unhex(t, v.Secret), v.Label, unhex(t, v.Seed), len(want)); !bytes.Equal(got, want) {
			t.Errorf("%s: %x", v.Source, got)
		}
	}
}

func TestCCM(t *testing.T) {
	for _, v := range CCMVectors {
		check(t, v, must(ccm.NewCCM(newAES(unhex(t, v.Key)), v.Tag, len(v.Nonce)/2)))
	}
}

func TestGCM(t *testing.T) {
	for _, v := range GCMVectors {
		check(t, v, must(cipher.NewGCMWithNonceSize(newAES(unhex(t, v.Key)), len(v.Nonce)/2)))
	}
}

// check seals, opens, and opens with one bit changed.
func check(t *testing.T, v AEADVector, aead cipher.AEAD) {
	t.Helper()
	nonce, additional, want := unhex(t, v.Nonce), unhex(t, v.Additional), unhex(t, v.Sealed)
	if got := aead.Seal(nil, nonce, unhex(t, v.Plain), additional); !bytes.Equal(got, want) {
		t.Errorf("%s: sealed %x", v.Source, got)
	}
	if got, err := aead.Open(nil, nonce, want, additional); err != nil || !bytes.Equal(got, unhex(t, v.Plain)) {
		t.Errorf("%s: opened %x, %v", v.Source, got, err)
	}
	want[0] ^= 1
	if _, err := aead.Open(nil, nonce, want, additional); err == nil {
		t.Errorf("%s: opens with a bit changed", v.Source)
	}
}
