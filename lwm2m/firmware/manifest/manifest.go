package manifest

import (
	"fmt"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// Limits of a manifest.
const (
	// MaxSize is how long a manifest may be, in bytes: more than all fields at their limits.
	MaxSize = 4096
	// MaxURI is how long the URI may be, in bytes, as that of /5/0/1.
	MaxURI = 255
	// MaxComponent is how long the name of a component may be, in bytes.
	MaxComponent = 64
	// MaxVendorData is how much vendor data there may be, in bytes.
	MaxVendorData = 1024
	// MaxNumber is the greatest size, in bytes, and the greatest priority: the reference
	// client reads them as signed numbers of 32 bits.
	MaxNumber = 1<<31 - 1
)

// schemaVersion is the only one that is read and written.
const schemaVersion = 3

// sizeSignature is the length of a signature, in bytes: r and s with 32 each.
const sizeSignature = 64

// Format is the form of an image, the payload-format of the schema.
type Format int

// The formats. Only [FormatRaw] can be installed.
const (
	FormatRaw               Format = 1     // the image itself
	FormatDelta             Format = 5     // a difference to the installed image
	FormatCombined          Format = 6     // several images in one
	FormatEncryptedRaw      Format = 0x101 // the image, encrypted
	FormatEncryptedCombined Format = 0x106 // several images, encrypted
)

// String returns the name that the schema has for the format, or its number.
func (f Format) String() string {
	switch f {
	case FormatRaw:
		return "raw-binary"
	case FormatDelta:
		return "arm-patch-stream"
	case FormatCombined:
		return "combined"
	case FormatEncryptedRaw:
		return "encrypted-raw"
	case FormatEncryptedCombined:
		return "encrypted-combined"
	}
	return fmt.Sprintf("format %d", int(f))
}

// encrypted reports whether a key may follow the manifest.
func (f Format) encrypted() bool { return f&0xff00 != 0 }

// DefaultComponent is the component that a manifest is for where nothing is said.
const DefaultComponent = "MAIN"

// Manifest is what a manifest says.
type Manifest struct {
	Vendor    UUID
	Class     UUID
	Priority  int64 // 0 to MaxNumber, for the gateway to decide by
	Component string
	Version   Version
	Digest    [32]byte // SHA-256 of what is downloaded
	Size      int64    // bytes of what is downloaded, 1 to MaxNumber
	URI       string   // of what is downloaded; which ones are allowed is not decided here
	Format    Format
	// InstalledSignature is r || s over the installed image, for boot loaders: empty or of
	// 64 bytes. The client does not use it: the signed digest says the same.
	InstalledSignature []byte
	Metadata           *Metadata // of an image that is installed in another form than it comes in
	VendorData         []byte    // for the gateway's own use; nil when there is none
}

// Metadata is the payload-metadata of the schema.
type Metadata struct {
	InstalledSize   int64    // bytes
	InstalledDigest [32]byte // SHA-256
	Precursor       []byte   // SHA-256 of the image that a difference is made for; nil when there is none
}

// refuse makes the error for a field.
func refuse(cause firmware.Cause, format string, args ...any) error {
	return &firmware.Error{Cause: cause, Err: fmt.Errorf(format, args...)}
}

func malformed(format string, args ...any) error {
	return refuse(firmware.CauseManifestMalformed, format, args...)
}
