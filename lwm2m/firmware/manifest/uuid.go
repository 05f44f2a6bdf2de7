package manifest

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// UUID identifies a vendor or a class of devices (RFC 9562).
type UUID [16]byte

// String returns the usual form, with hyphens and in lower case.
func (u UUID) String() string {
	h := hex.EncodeToString(u[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// IsZero reports whether it is the nil UUID, which identifies nothing.
func (u UUID) IsZero() bool { return u == UUID{} }

// ParseUUID reads a UUID: 32 hexadecimal digits, without hyphens or with those of
// RFC 9562 section 4.
func ParseUUID(text string) (UUID, error) {
	var u UUID
	digits := text
	if len(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' {
		digits = text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	}
	data, err := hex.DecodeString(digits)
	if err != nil || len(data) != len(u) {
		return UUID{}, fmt.Errorf("%q is no UUID", text)
	}
	copy(u[:], data)
	return u, nil
}

// namespaceDNS is for names of the DNS (RFC 9562 section 6.6).
var namespaceDNS = UUID{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}

// VendorOf returns the vendor that a text names: by a UUID, or by a domain such as
// "example.com", whose UUID is that of version 5, as the reference client's tools make it.
func VendorOf(text string) (UUID, error) {
	if u, err := ParseUUID(text); err == nil {
		return u, nil
	}
	name, rest, found := strings.Cut(text, ".")
	if !found || name == "" || rest == "" || strings.ContainsAny(text, " \t\r\n") {
		return UUID{}, fmt.Errorf("%q is neither a UUID nor a domain such as example.com", text)
	}
	return named(namespaceDNS, text), nil
}

// ClassOf returns the class of devices of a vendor that a text names: by a UUID, or by the
// name of a model, whose UUID is that of version 5 in the vendor's.
func ClassOf(vendor UUID, text string) (UUID, error) {
	if u, err := ParseUUID(text); err == nil {
		return u, nil
	}
	if text == "" {
		return UUID{}, errors.New("there is neither a UUID nor the name of a model")
	}
	return named(vendor, text), nil
}

// named makes a UUID of version 5 (RFC 9562 section 5.5).
func named(space UUID, name string) (u UUID) {
	sum := sha1.Sum(append(space[:], name...))
	copy(u[:], sum[:])
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return u
}
