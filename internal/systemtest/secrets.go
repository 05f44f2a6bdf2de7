package systemtest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// Buffer collects a log that many goroutines write.
type Buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String returns what has been written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// CheckSecrets demands that no key of the tests stands in a text, in any form
// in which it might get there.
func CheckSecrets(t *testing.T, text string) {
	t.Helper()
	CheckKeys(t, text, map[string][]byte{"the server's key": Key, "the bootstrap server's key": BootstrapKey})
}

// CheckKeys is CheckSecrets for other keys, by what they are called.
func CheckKeys(t *testing.T, text string, keys map[string][]byte) {
	t.Helper()
	for name, key := range keys {
		for form, spelt := range spellings(key) {
			if strings.Contains(strings.ToLower(text), strings.ToLower(spelt)) {
				t.Errorf("%s stands in the output, in %s", name, form)
			}
		}
	}
}

// spellings returns the forms of a key that a formatting verb or an encoder
// makes of it.
func spellings(key []byte) map[string]string {
	decimal := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(key)), " "), "[]")
	return map[string]string{
		"bytes": string(key), "hexadecimal": hex.EncodeToString(key), "base64": base64.StdEncoding.EncodeToString(key),
		"base64url": base64.RawURLEncoding.EncodeToString(key), "decimal": decimal,
	}
}
