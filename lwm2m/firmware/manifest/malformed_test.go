package manifest

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

func hexOf(data []byte) string { return hex.EncodeToString(data) }

// tlv makes one element of DER by hand.
func tlv(tag byte, content ...[]byte) []byte {
	body := slices.Concat(content...)
	switch n := len(body); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
}

func sequence(content ...[]byte) []byte   { return tlv(0x30, content...) }
func octets(data []byte) []byte           { return tlv(0x04, data) }
func text(s string) []byte                { return tlv(0x0c, []byte(s)) }
func integer(content ...byte) []byte      { return tlv(0x02, content) }
func enumerated(content ...byte) []byte   { return tlv(0x0a, content) }
func fieldsBut(at int, f []byte) [][]byte { all := fields(); all[at] = f; return all }

// fields are those of a manifest in their order, made by hand.
func fields() [][]byte {
	return [][]byte{
		octets(make([]byte, 16)), octets(make([]byte, 16)), integer(3), text("MAIN"), text("2.1.0"), octets(make([]byte, 32)),
		integer(0x13, 0x88), text("coap://h/i"), enumerated(1), octets(nil),
	}
}

// signBody puts a signature to a body that may be anything.
func signBody(t testing.TB, body []byte, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	digest := sha256.Sum256(body)
	signature, err := signRaw(key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return sequence(enumerated(3), body, octets(signature))
}

// Each fault of a field, by itself and correctly signed, ends with the cause of that field.
func TestFieldsAreReadStrictly(t *testing.T) {
	bad := func(at int, f []byte) [][]byte { return fieldsBut(at, f) }
	and := func(more ...[]byte) [][]byte { return append(fields(), more...) }
	metadata := sequence(integer(1), octets(make([]byte, 32)))
	for name, test := range map[string]struct {
		fields [][]byte
		cause  firmware.Cause
	}{
		"vendor-id of 15 bytes":              {bad(0, octets(make([]byte, 15))), firmware.CauseWrongVendor},
		"vendor-id of 17 bytes":              {bad(0, octets(make([]byte, 17))), firmware.CauseWrongVendor},
		"vendor-id as text":                  {bad(0, text(strings.Repeat("v", 16))), firmware.CauseManifestMalformed},
		"class-id of 17 bytes":               {bad(1, octets(make([]byte, 17))), firmware.CauseWrongClass},
		"priority negative":                  {bad(2, integer(0xff)), firmware.CauseManifestMalformed},
		"priority of more than 31 bits":      {bad(2, integer(0, 0x80, 0, 0, 0)), firmware.CauseManifestMalformed},
		"priority with a zero too many":      {bad(2, integer(0, 3)), firmware.CauseManifestMalformed},
		"priority without content":           {bad(2, integer()), firmware.CauseManifestMalformed},
		"component-name empty":               {bad(3, text("")), firmware.CauseManifestMalformed},
		"component-name too long":            {bad(3, text(strings.Repeat("c", MaxComponent+1))), firmware.CauseManifestMalformed},
		"component-name as IA5String":        {bad(3, tlv(0x16, []byte("MAIN"))), firmware.CauseManifestMalformed},
		"component-name not UTF-8":           {bad(3, text("MA\xff")), firmware.CauseManifestMalformed},
		"component-name with a control":      {bad(3, text("MA\x1b[2J")), firmware.CauseManifestMalformed},
		"version of two numbers":             {bad(4, text("2.1")), firmware.CauseManifestMalformed},
		"version too long":                   {bad(4, text("1.0.0-"+strings.Repeat("a", MaxVersion))), firmware.CauseManifestMalformed},
		"digest of 20 bytes":                 {bad(5, octets(make([]byte, 20))), firmware.CauseDigest},
		"size of nothing":                    {bad(6, integer(0)), firmware.CauseManifestMalformed},
		"size negative":                      {bad(6, integer(0x93, 0x88)), firmware.CauseManifestMalformed},
		"size of 32 bits":                    {bad(6, integer(0, 0xff, 0xff, 0xff, 0xff)), firmware.CauseManifestMalformed},
		"size of 9 bytes":                    {bad(6, integer(0x7f, 1, 1, 1, 1, 1, 1, 1, 1)), firmware.CauseManifestMalformed},
		"uri empty":                          {bad(7, text("")), firmware.CauseInvalidURI},
		"uri too long":                       {bad(7, text("coap://h/"+strings.Repeat("u", MaxURI-8))), firmware.CauseURITooLong},
		"uri with a line feed":               {bad(7, text("coap://h/\r\nx")), firmware.CauseManifestMalformed},
		"format as INTEGER":                  {bad(8, integer(1)), firmware.CauseManifestMalformed},
		"format 0":                           {bad(8, enumerated(0)), firmware.CauseManifestMalformed},
		"format negative":                    {bad(8, enumerated(0xff)), firmware.CauseManifestMalformed},
		"format with a zero too many":        {bad(8, enumerated(0, 1)), firmware.CauseManifestMalformed},
		"installed-signature of 63 bytes":    {bad(9, octets(make([]byte, 63))), firmware.CauseManifestMalformed},
		"without installed-signature":        {fields()[:9], firmware.CauseManifestMalformed},
		"metadata for raw-binary":            {and(metadata), firmware.CauseManifestMalformed},
		"vendor-data too long":               {and(octets(make([]byte, MaxVendorData+1))), firmware.CauseVendorDataTooBig},
		"vendor-data twice":                  {and(octets(nil), octets(nil)), firmware.CauseManifestMalformed},
		"vendor-data as text":                {and(text("v")), firmware.CauseManifestMalformed},
		"vendor-data before metadata":        {append(bad(8, enumerated(5)), octets(nil), metadata), firmware.CauseManifestMalformed},
		"metadata without digest":            {append(bad(8, enumerated(5)), sequence(integer(1))), firmware.CauseManifestMalformed},
		"metadata with a short digest":       {append(bad(8, enumerated(5)), sequence(integer(1), octets(nil))), firmware.CauseDigest},
		"metadata with more than its fields": {append(bad(8, enumerated(5)), sequence(integer(1), octets(make([]byte, 32)), octets(make([]byte, 32)), integer(1))), firmware.CauseManifestMalformed},
		"an element of indefinite length":    {bad(9, []byte{0x24, 0x80, 0, 0}), firmware.CauseManifestMalformed},
		"a length with a byte too many":      {bad(3, append([]byte{0x0c, 0x81, 4}, "MAIN"...)), firmware.CauseManifestMalformed},
		"a length that goes too far":         {bad(9, []byte{0x04, 0x05}), firmware.CauseManifestMalformed},
		"no fields":                          {nil, firmware.CauseManifestMalformed},
	} {
		_, err := Accept(signBody(t, sequence(test.fields...), keyOf(7)), publicKeys(keyOf(7)), Device{})
		wantCause(t, name, err, test.cause)
	}
	if _, err := Parse(signBody(t, sequence(fields()...), keyOf(7))); err != nil {
		t.Error(err)
	}
}

// The frame is read before the signature is looked at.
func TestFrameIsReadStrictly(t *testing.T) {
	body, signature := sequence(fields()...), octets(make([]byte, 64))
	for name, test := range map[string]struct {
		data  []byte
		cause firmware.Cause
	}{
		"nothing":                  {nil, firmware.CauseManifestMalformed},
		"a SET":                    {tlv(0x31, enumerated(3), body, signature), firmware.CauseManifestMalformed},
		"version 1":                {sequence(enumerated(1), body, signature), firmware.CauseUnsupportedSchema},
		"version 4":                {sequence(enumerated(4), nil), firmware.CauseUnsupportedSchema},
		"version as INTEGER":       {sequence(integer(3), body, signature), firmware.CauseManifestMalformed},
		"version in two bytes":     {sequence(enumerated(0, 3), body, signature), firmware.CauseManifestMalformed},
		"no manifest":              {sequence(enumerated(3), signature), firmware.CauseManifestMalformed},
		"no signature":             {sequence(enumerated(3), body), firmware.CauseManifestMalformed},
		"signature of 63 bytes":    {sequence(enumerated(3), body, octets(make([]byte, 63))), firmware.CauseManifestMalformed},
		"signature in DER":         {sequence(enumerated(3), body, octets(make([]byte, 70))), firmware.CauseManifestMalformed},
		"something behind it":      {sequence(enumerated(3), body, signature, integer(1)), firmware.CauseManifestMalformed},
		"a length of four bytes":   {append([]byte{0x30, 0x84, 0, 0, 0, 0}, body...), firmware.CauseManifestMalformed},
		"a length without an end":  {[]byte{0x30, 0x80}, firmware.CauseManifestMalformed},
		"a length of many letters": {[]byte{0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1}, firmware.CauseManifestMalformed},
	} {
		_, err := Parse(test.data)
		wantCause(t, name, err, test.cause)
	}
}

// Formats that cannot be installed are told apart from what is malformed, also unknown ones.
func TestOtherFormatsAreUnsupported(t *testing.T) {
	metadata := sequence(integer(1), octets(make([]byte, 32)))
	d := Device{Components: map[string]Version{"MAIN": {}}}
	for format, content := range map[Format][]byte{
		FormatDelta: {5}, FormatCombined: {6}, FormatEncryptedRaw: {1, 1}, FormatEncryptedCombined: {1, 6}, 0x105: {1, 5}, 2: {2},
	} {
		for _, more := range [][][]byte{nil, {metadata}} {
			body := sequence(append(fieldsBut(8, enumerated(content...)), more...)...)
			_, err := Accept(signBody(t, body, keyOf(7)), publicKeys(keyOf(7)), d)
			wantCause(t, format.String(), err, firmware.CauseUnsupportedPayload)
		}
	}
}

// An error names the field, and what would be right.
func TestErrorsNameTheField(t *testing.T) {
	_, err := Accept(signBody(t, sequence(fieldsBut(6, integer(0))...), keyOf(7)), publicKeys(keyOf(7)), Device{})
	if want := "the manifest is malformed: payload-size is 0, and must be from 1 to 2147483647"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if e, ok := errors.AsType[*firmware.Error](err); !ok || e.Cause.Result() != firmware.ResultManifestMalformed {
		t.Errorf("%#v", err)
	}
}

// What can be read is in the only form that it can have: encoding gives the same bytes.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"raw.der", "vendor.der", "encrypted.der", "combined.der"} {
		f.Add(reference(f, name))
	}
	f.Add(append(reference(f, "encrypted.der"), append([]byte{0x81, 16}, make([]byte, 16)...)...))
	f.Add(sequence(enumerated(3), sequence(append(fieldsBut(8, enumerated(5)), sequence(integer(1), octets(make([]byte, 32)), octets(make([]byte, 32))), octets(nil))...), octets(make([]byte, 64))))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			refused(t, err)
			return
		}
		m, err := s.Read()
		if err != nil {
			refused(t, err)
			return
		}
		body, err := m.Encode()
		if err != nil || hexOf(body) != hexOf(s.body) {
			t.Errorf("%x is encoded to %x, %v", s.body, body, err)
		}
	})
}

// refused makes sure that an error says how the update ends.
func refused(t *testing.T, err error) {
	t.Helper()
	if firmware.CauseOf(err) == firmware.CauseInternal || firmware.CauseOf(err).Class() != firmware.ClassReported {
		t.Errorf("%v has no cause that is reported", err)
	}
}
