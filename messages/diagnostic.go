package messages

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDiagnostic is how many bytes of a peer's diagnostic payload are kept.
const maxDiagnostic = 64

// Diagnostic makes a peer's diagnostic payload (RFC 7252 section 5.5.2) fit
// for logs and events: at most 64 bytes of valid UTF-8, without control
// characters.
func Diagnostic(payload []byte) string {
	text := strings.ToValidUTF8(string(payload[:min(len(payload), maxDiagnostic+utf8.UTFMax)]), "")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	for len(text) > maxDiagnostic {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}
