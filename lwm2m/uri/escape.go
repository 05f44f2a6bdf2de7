package uri

import (
	"strconv"
	"strings"
)

// What may stand unescaped besides the unreserved characters (RFC 3986 sections
// 3.3 and 3.4, without the separators of lists).
const (
	unreserved = "-._~"
	pathExtra  = unreserved + "!$&'()*+,;=:@"
	queryExtra = unreserved + "!$'()*+,;=:@/?"
)

// unescape decodes percent-encoding and reports whether it was well formed.
func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+3 > len(s) {
			return "", false
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), true
}

// escape percent-encodes all but letters, digits and the extra characters.
func escape(s, extra string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		if isAlphanumeric(c) || strings.IndexByte(extra, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
