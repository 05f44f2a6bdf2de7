package firmware

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// namespaceDNS is the namespace of names in DNS (RFC 9562 section 6.6).
var namespaceDNS = [16]byte{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}

// maxIdentityName is the length of the longest name of a vendor or a class, in bytes.
const maxIdentityName = 255

// ErrIdentity says that a text names no vendor or class: it is empty, longer than 255 bytes,
// not UTF-8, has control characters, or looks like a UUID and is none.
var ErrIdentity = errors.New("firmware: neither a UUID nor a name of at most 255 bytes")

// VendorID returns the identity of a vendor (/10255/0/3): a UUID (RFC 9562 section 4) as it
// is, and of the vendor's domain the UUID of version 5 in the namespace of DNS. The error is
// [ErrIdentity].
func VendorID(text string) ([16]byte, error) { return identity(namespaceDNS, text) }

// ClassID returns the identity of a class of devices of a vendor (/10255/0/4): a UUID as it
// is, and of a name the UUID of version 5 in the namespace of the vendor. The error is
// [ErrIdentity].
func ClassID(vendor [16]byte, text string) ([16]byte, error) { return identity(vendor, text) }

// UUID returns an identity as a text (RFC 9562 section 4), which VendorID and ClassID read.
func UUID(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func identity(namespace [16]byte, text string) ([16]byte, error) {
	if id, ok := parseUUID(text); ok {
		return id, nil
	}
	if text == "" || len(text) > maxIdentityName || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) || meantAsUUID(text) {
		return [16]byte{}, ErrIdentity
	}
	return nameUUID(namespace, text), nil
}

// nameUUID returns a UUID of version 5 (RFC 9562 section 5.5).
func nameUUID(namespace [16]byte, name string) (id [16]byte) {
	sum := sha1.Sum(append(namespace[:], name...))
	copy(id[:], sum[:])
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return id
}

// parseUUID reads a UUID, with or without its hyphens.
func parseUUID(text string) (id [16]byte, ok bool) {
	digits := strings.ReplaceAll(text, "-", "")
	hyphened := len(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-'
	if len(digits) != 32 || !hyphened && len(text) != 32 {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(digits))
	return id, err == nil
}

// meantAsUUID reports whether nobody would give something such a name: with one digit too
// few or too many it would become another identity, silently.
func meantAsUUID(text string) bool {
	const leastLikely = 28 // bytes
	return len(text) >= leastLikely && strings.Trim(text, "0123456789abcdefABCDEF-") == ""
}
