package dtls

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/dtlstest"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The pseudo-random function gives what was published.
func TestPublishedPRF(t *testing.T) {
	hashes := map[string]crypto.Hash{"SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384}
	for _, v := range dtlstest.PRFVectors {
		want := unhex(t, v.Output)
		out := make([]byte, len(want))
		if prf(hashes[v.Hash], out, unhex(t, v.Secret), v.Label, unhex(t, v.Seed)); !bytes.Equal(out, want) {
			t.Errorf("%s: %x", v.Source, out)
		}
	}
}
