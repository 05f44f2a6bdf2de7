package manifest

import (
	"encoding/hex"
	"strings"
)

// UUID identifies a vendor or a class of devices (RFC 9562). [firmware.VendorID] and
// [firmware.ClassID] make one of a text.
type UUID [16]byte

// String returns the usual form, with hyphens and in lower case.
func (u UUID) String() string {
	h := hex.EncodeToString(u[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
