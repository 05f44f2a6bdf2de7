package record

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/dtlstest"
)

// CCM gives what RFC 3610 and NIST have published, and opens nothing else.
func TestPublishedCCM(t *testing.T) {
	for _, v := range dtlstest.CCMVectors {
		var fields [5][]byte
		for i, text := range []string{v.Key, v.Nonce, v.Additional, v.Plain, v.Sealed} {
			b, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			fields[i] = b
		}
		key, nonce, additional, plain, sealed := fields[0], fields[1], fields[2], fields[3], fields[4]
		if len(nonce) < 8 {
			continue // lengths of 8 bytes, which an int cannot count; DTLS has 3
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		c := newCCM(block, v.Tag, len(nonce))
		if got := c.Seal(nil, nonce, plain, additional); !bytes.Equal(got, sealed) {
			t.Errorf("%s: sealed %x", v.Source, got)
		}
		if got, err := c.Open(nil, nonce, sealed, additional); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: opened %x, %v", v.Source, got, err)
		}
		for bit := range 8 * len(sealed) {
			sealed[bit/8] ^= 1 << (bit % 8)
			if _, err := c.Open(nil, nonce, sealed, additional); err == nil {
				t.Errorf("%s: opens with bit %d changed", v.Source, bit)
			}
			sealed[bit/8] ^= 1 << (bit % 8)
		}
	}
}
