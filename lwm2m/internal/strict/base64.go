package strict

import (
	"encoding/base64"
	"strings"
)

// DecodeBase64 reads all of text, and is strict where the library is lenient: it
// skips line breaks and ignores the bits behind the last byte.
func DecodeBase64(encoding *base64.Encoding, text string) (data []byte, ok bool) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	data, err := encoding.Strict().DecodeString(text)
	return data, err == nil
}
