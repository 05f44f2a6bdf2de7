package manifest

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// Signed is a manifest whose frame was read, and which nobody has vouched for yet.
type Signed struct {
	body      []byte // the DER of Manifest, which is what is signed
	signature []byte // r || s
	hasKey    bool   // the key of an encrypted image follows
}

// Parse reads the frame of a manifest: schema version, what is signed, and the signature. It
// keeps nothing of data. The error has [firmware.CauseManifestMalformed] or
// [firmware.CauseUnsupportedSchema].
func Parse(data []byte) (*Signed, error) {
	if len(data) > MaxSize {
		return nil, malformed("%d bytes, more than %d", len(data), MaxSize)
	}
	input, frame := cryptobyte.String(data), cryptobyte.String(nil)
	if !input.ReadASN1(&frame, asn1.SEQUENCE) {
		return nil, malformed("not a SEQUENCE in DER")
	}
	s, err := parseFrame(frame)
	if err != nil {
		return nil, err
	}
	s.hasKey, err = parseKey(input)
	return s, err
}

func parseFrame(frame cryptobyte.String) (*Signed, error) {
	var version int
	if !frame.ReadASN1Enum(&version) {
		return nil, malformed("manifest-version is no ENUMERATED")
	}
	if version != schemaVersion {
		return nil, refuse(firmware.CauseUnsupportedSchema, "manifest-version is %d, not %d", version, schemaVersion)
	}
	var body, signature cryptobyte.String
	switch {
	case !frame.ReadASN1Element(&body, asn1.SEQUENCE):
		return nil, malformed("manifest is no SEQUENCE")
	case !frame.ReadASN1(&signature, asn1.OCTET_STRING):
		return nil, malformed("signature is no OCTET STRING")
	case len(signature) != sizeSignature:
		return nil, malformed("signature has %d bytes, not %d", len(signature), sizeSignature)
	case !frame.Empty():
		return nil, malformed("%d bytes behind the signature", len(frame))
	}
	return &Signed{body: slices.Clone(body), signature: slices.Clone(signature)}, nil
}

// parseKey looks at what follows the SignedResource: nothing, or the key of an encrypted
// image, which is not kept.
func parseKey(rest cryptobyte.String) (there bool, err error) {
	const keySize = 16
	if rest.Empty() {
		return false, nil
	}
	var key cryptobyte.String
	if !rest.ReadASN1(&key, asn1.Tag(1).ContextSpecific()) || len(key) != keySize || !rest.Empty() {
		return false, malformed("bytes behind the manifest that are no key")
	}
	return true, nil
}

// Read reads what the manifest says. Only after [Signed.Verify] is it known who says it. The
// cause of the error is that of the first field, in their order, that is not as it must be.
func (s *Signed) Read() (Manifest, error) {
	r := &reader{}
	body := cryptobyte.String(s.body)
	if !body.ReadASN1(&r.rest, asn1.SEQUENCE) {
		return Manifest{}, malformed("manifest is no SEQUENCE")
	}
	m := r.manifest()
	if r.err == nil && s.hasKey && !m.Format.encrypted() {
		r.fail(malformed("a key for an image that is not encrypted"))
	}
	if r.err != nil {
		return Manifest{}, r.err
	}
	return m, nil
}

// reader reads one field after the other, and keeps the first error.
type reader struct {
	rest cryptobyte.String
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) manifest() (m Manifest) {
	m.Vendor = r.uuid("vendor-id", firmware.CauseWrongVendor)
	m.Class = r.uuid("class-id", firmware.CauseWrongClass)
	m.Priority = r.number("update-priority", 0)
	m.Component = r.component()
	m.Version = r.version()
	m.Digest = r.digest("payload-digest")
	m.Size = r.number("payload-size", 1)
	m.URI = r.uri()
	m.Format = r.format()
	m.InstalledSignature = r.installedSignature()
	m.Metadata = r.metadata(m.Format)
	m.VendorData = r.vendorData()
	if r.err == nil && !r.rest.Empty() {
		r.fail(malformed("%d bytes behind the last field", len(r.rest)))
	}
	return m
}

// octets reads an OCTET STRING; nil after an error.
func (r *reader) octets(name string) []byte {
	var s cryptobyte.String
	if r.err == nil && !r.rest.ReadASN1(&s, asn1.OCTET_STRING) {
		r.fail(malformed("%s is no OCTET STRING", name))
	}
	return s
}

// exact reads an OCTET STRING that has one length.
func (r *reader) exact(name string, cause firmware.Cause, into []byte) {
	data := r.octets(name)
	if r.err == nil && len(data) != len(into) {
		r.fail(refuse(cause, "%s has %d bytes, not %d", name, len(data), len(into)))
	}
	copy(into, data)
}

// uuid reads one. As for the reference client, one of another length is that of somebody
// else.
func (r *reader) uuid(name string, cause firmware.Cause) (id UUID) {
	r.exact(name, cause, id[:])
	return id
}

func (r *reader) digest(name string) (d [32]byte) {
	r.exact(name, firmware.CauseDigest, d[:])
	return d
}

func (r *reader) number(name string, least int64) (n int64) {
	switch {
	case r.err != nil:
	case !r.rest.ReadASN1Integer(&n):
		r.fail(malformed("%s is no INTEGER", name))
	case n < least || n > MaxNumber:
		r.fail(malformed("%s is %d, and must be from %d to %d", name, n, least, MaxNumber))
	}
	return n
}

// text reads a UTF8String. Control characters have no place in a name, a version or a URI,
// and would be dangerous where it is shown.
func (r *reader) text(name string) string {
	var s cryptobyte.String
	switch {
	case r.err != nil:
	case !r.rest.ReadASN1(&s, asn1.UTF8String):
		r.fail(malformed("%s is no UTF8String", name))
	case !utf8.Valid(s) || strings.ContainsFunc(string(s), unicode.IsControl):
		r.fail(malformed("%s is no UTF-8 without control characters", name))
	}
	return string(s)
}

func (r *reader) component() string {
	name := r.text("component-name")
	if r.err == nil && (name == "" || len(name) > MaxComponent) {
		r.fail(malformed("component-name has %d bytes, and must have 1 to %d", len(name), MaxComponent))
	}
	return name
}

func (r *reader) version() Version {
	text := r.text("payload-version")
	if r.err != nil {
		return Version{}
	}
	v, err := ParseVersion(text)
	if err != nil {
		r.fail(malformed("payload-version: %w", err))
	}
	return v
}

func (r *reader) uri() string {
	uri := r.text("payload-uri")
	switch {
	case r.err != nil:
	case uri == "":
		r.fail(refuse(firmware.CauseInvalidURI, "payload-uri is empty"))
	case len(uri) > MaxURI:
		r.fail(refuse(firmware.CauseURITooLong, "payload-uri has %d bytes, more than %d", len(uri), MaxURI))
	}
	return uri
}

func (r *reader) format() Format {
	var n int
	if r.err == nil && !r.rest.ReadASN1Enum(&n) {
		r.fail(malformed("payload-format is no ENUMERATED"))
	}
	if r.err == nil && (n < 1 || n > 0xffff) {
		r.fail(malformed("payload-format is %d, and must be from 1 to %d", n, 0xffff))
	}
	return Format(n)
}

func (r *reader) installedSignature() []byte {
	data := r.octets("installed-signature")
	if r.err == nil && len(data) != 0 && len(data) != sizeSignature {
		r.fail(malformed("installed-signature has %d bytes, not 0 or %d", len(data), sizeSignature))
	}
	return append([]byte(nil), data...)
}

func (r *reader) metadata(f Format) *Metadata {
	var fields cryptobyte.String
	var there bool
	switch {
	case r.err != nil:
		return nil
	case !r.rest.ReadOptionalASN1(&fields, &there, asn1.SEQUENCE):
		r.fail(malformed("payload-metadata is not in DER"))
	case !there:
		return nil
	case f == FormatRaw:
		r.fail(malformed("payload-metadata for an image that is raw-binary"))
	}
	inner := &reader{rest: fields, err: r.err}
	m := inner.metadataFields()
	r.fail(inner.err)
	return m
}

func (r *reader) metadataFields() *Metadata {
	m := &Metadata{InstalledSize: r.number("installed-size", 1), InstalledDigest: r.digest("installed-digest")}
	if r.err == nil && !r.rest.Empty() {
		precursor := r.digest("precursor-digest")
		m.Precursor = precursor[:]
	}
	if r.err == nil && !r.rest.Empty() {
		r.fail(malformed("%d bytes behind the last field of payload-metadata", len(r.rest)))
	}
	return m
}

func (r *reader) vendorData() []byte {
	if r.err != nil || r.rest.Empty() {
		return nil
	}
	data := r.octets("vendor-data")
	if r.err == nil && len(data) > MaxVendorData {
		r.fail(refuse(firmware.CauseVendorDataTooBig, "vendor-data has %d bytes, more than %d", len(data), MaxVendorData))
	}
	return append([]byte{}, data...)
}
