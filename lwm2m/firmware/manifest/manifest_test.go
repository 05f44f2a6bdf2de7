package manifest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// keyOf returns a key that is always the same.
func keyOf(n int64) *ecdsa.PrivateKey {
	d := big.NewInt(n).FillBytes(make([]byte, 32))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		panic(err)
	}
	return key
}

func publicKeys(keys ...*ecdsa.PrivateKey) (public []*ecdsa.PublicKey) {
	for _, k := range keys {
		public = append(public, &k.PublicKey)
	}
	return public
}

func version(t testing.TB, text string) Version {
	t.Helper()
	v, err := ParseVersion(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// sample is a manifest, and the device that it is for.
func sample(t testing.TB) (Manifest, Device) {
	t.Helper()
	vendor := uuid(t, "example.com")
	class, err := firmware.ClassID(vendor, "gw-1")
	if err != nil {
		t.Fatal(err)
	}
	m := Manifest{
		Vendor: vendor, Class: class, Priority: 3, Component: DefaultComponent, Version: version(t, "2.1.0"),
		Digest: [32]byte{1, 2, 3}, Size: 5000, URI: "coaps://images.example.com/gw-1", Format: FormatRaw,
	}
	return m, Device{Vendor: vendor, Class: class, Components: map[string]Version{DefaultComponent: version(t, "2.0.9")}, MaxImage: 5000}
}

func signed(t testing.TB, m Manifest, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	data, err := Sign(m, key)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func reference(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "reference", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func wantCause(t testing.TB, what string, err error, want firmware.Cause) {
	t.Helper()
	if err == nil || firmware.CauseOf(err) != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func TestAccept(t *testing.T) {
	m, d := sample(t)
	got, err := Accept(signed(t, m, keyOf(7)), publicKeys(keyOf(6), keyOf(7)), d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got, cmp.AllowUnexported(Version{})); diff != "" {
		t.Error(diff)
	}
}

// Of several faults the one that is looked at first counts: signature, vendor, class,
// component, version, format, size. What is mended by one step is mended for all that follow.
func TestChecksInOrder(t *testing.T) {
	m, d := sample(t)
	good, key := m, keyOf(7)
	m.Vendor[0]++
	m.Class[0]++
	m.Component, m.Version, m.Format, m.Size = "OTHER", version(t, "2.0.9"), FormatDelta, 5001
	m.Metadata = &Metadata{InstalledSize: 1}
	for _, step := range []struct {
		cause firmware.Cause
		mend  func()
	}{
		{firmware.CauseSignature, func() { key = keyOf(8) }},
		{firmware.CauseWrongVendor, func() { m.Vendor = good.Vendor }},
		{firmware.CauseWrongClass, func() { m.Class = good.Class }},
		{firmware.CauseWrongComponent, func() { m.Component = good.Component }},
		{firmware.CauseVersionRejected, func() { m.Version = good.Version }},
		{firmware.CauseUnsupportedPayload, func() { m.Format, m.Metadata = FormatRaw, nil }},
		{firmware.CauseTooBig, func() { m.Size = good.Size }},
	} {
		_, err := Accept(signed(t, m, key), publicKeys(keyOf(8)), d)
		wantCause(t, step.cause.String(), err, step.cause)
		step.mend()
	}
	if _, err := Accept(signed(t, m, key), publicKeys(keyOf(8)), d); err != nil {
		t.Error(err)
	}
}

// What is not signed by a trusted key is not looked into.
func TestSignatureBeforeFields(t *testing.T) {
	body := sequence(nil)
	data := sequence(enumerated(3), body, octets(make([]byte, 64)))
	_, err := Accept(data, publicKeys(keyOf(7)), Device{})
	wantCause(t, "not signed", err, firmware.CauseSignature)
	_, err = Accept(data, nil, Device{})
	wantCause(t, "nothing trusted", err, firmware.CauseNoTrust)
	_, err = Accept(signBody(t, body, keyOf(7)), publicKeys(keyOf(7)), Device{})
	wantCause(t, "signed", err, firmware.CauseManifestMalformed)
}

// Where the installed version is not known every one is greater; where it is, an older or the
// same one never goes.
func TestRollbackRefused(t *testing.T) {
	m, d := sample(t)
	for installed, want := range map[string]bool{"": true, "2.0.9": true, "2.1.0-rc.1": true, "2.1.0": false, "2.1.0+other": false, "2.1.1-a": false, "10.0.0": false} {
		var v Version
		if installed != "" {
			v = version(t, installed)
		}
		d.Components = map[string]Version{DefaultComponent: v}
		if err := m.Fits(d); (err == nil) != want {
			t.Errorf("2.1.0 over %q: %v", installed, err)
		}
	}
}

// No bit of a manifest can be another one.
func TestEveryFlippedBitIsRefused(t *testing.T) {
	m, _ := sample(t)
	m.VendorData = []byte("site 7")
	data, trust := signed(t, m, keyOf(7)), publicKeys(keyOf(7))
	for i := range 8 * len(data) {
		flipped := bytes.Clone(data)
		flipped[i/8] ^= 1 << (i % 8)
		if s, err := Parse(flipped); err == nil && s.Verify(trust) == nil {
			t.Fatalf("bit %d of byte %d can be flipped", i%8, i/8)
		}
	}
}

// A manifest that is cut off, or goes on, is none.
func TestLengthIsExact(t *testing.T) {
	m, _ := sample(t)
	data := signed(t, m, keyOf(7))
	for n := range data {
		_, err := Parse(data[:n])
		wantCause(t, "cut off", err, firmware.CauseManifestMalformed)
	}
	_, err := Parse(append(bytes.Clone(data), 0))
	wantCause(t, "goes on", err, firmware.CauseManifestMalformed)
	_, err = Parse(make([]byte, MaxSize+1))
	wantCause(t, "too long", err, firmware.CauseManifestMalformed)
}

// What the reference client's tool makes is accepted, and encoded to the same bytes.
func TestReferenceManifests(t *testing.T) {
	trust, err := ParseTrust(reference(t, "public.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Manifest{
		"raw.der": {Vendor: uuid(t, "cfbff0d1-9375-5685-968c-48ce8b15ae17"), Class: uuid(t, "66dc7f58-95dc-5669-a7cd-3f0d0ec3bc5f"),
			Priority: 3, Component: "MAIN", Size: 5000, URI: "coaps://images.example.com/gw-1/2.1.0", Format: FormatRaw},
		"vendor.der": {Vendor: uuid(t, "fa6b4a53d5ad5fdfbe9de663e4d41ffe"), Class: uuid(t, "1492af1425695e48bf429b2d51f2ab45"),
			Component: "MODEM", Size: 5000, URI: "https://images.example.com/modem", Format: FormatRaw, VendorData: []byte("site 7")},
		"encrypted.der": {Vendor: uuid(t, "cfbff0d1-9375-5685-968c-48ce8b15ae17"), Class: uuid(t, "66dc7f58-95dc-5669-a7cd-3f0d0ec3bc5f"),
			Priority: 3, Component: "MAIN", Size: 5016, URI: "coap://images.example.com/e", Format: FormatEncryptedRaw},
		"combined.der": {Vendor: uuid(t, "cfbff0d1-9375-5685-968c-48ce8b15ae17"), Class: uuid(t, "66dc7f58-95dc-5669-a7cd-3f0d0ec3bc5f"),
			Priority: 3, Component: "MAIN", Size: 5000, URI: "coap://images.example.com/c", Format: FormatCombined},
	} {
		s, err := Parse(reference(t, name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := s.Verify(trust); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, err := s.Read()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if body, err := got.Encode(); err != nil || !bytes.Equal(body, s.body) {
			t.Errorf("%s is encoded to %x, %v", name, body, err)
		}
		if (got.Metadata != nil) != (got.Format != FormatRaw) || (len(got.InstalledSignature) > 0) != (name == "vendor.der") {
			t.Errorf("%s: %+v", name, got)
		}
		want.Version, want.Digest, want.Metadata, want.InstalledSignature = version(t, "2.1.0"), got.Digest, got.Metadata, got.InstalledSignature
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Version{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The digest of the reference's image, made without its tool.
func TestReferenceDigest(t *testing.T) {
	s, err := Parse(reference(t, "raw.der"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Read()
	if err != nil || !strings.HasPrefix(hexOf(m.Digest[:]), "08026c57be31084b") {
		t.Errorf("%x, %v", m.Digest, err)
	}
}

// The key of an encrypted image may follow its manifest, and no other.
func TestKeyBehindManifest(t *testing.T) {
	key := append([]byte{0x81, 16}, make([]byte, 16)...)
	encrypted := append(reference(t, "encrypted.der"), key...)
	if s, err := Parse(encrypted); err != nil {
		t.Error(err)
	} else if m, err := s.Read(); err != nil || m.Format != FormatEncryptedRaw {
		t.Errorf("%+v, %v", m, err)
	}
	s, err := Parse(append(reference(t, "raw.der"), key...))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Read()
	wantCause(t, "a key for a raw image", err, firmware.CauseManifestMalformed)
	for _, behind := range [][]byte{key[:17], append([]byte{0x81, 15}, make([]byte, 15)...), append(bytes.Clone(key), 0), append([]byte{0x04, 16}, make([]byte, 16)...)} {
		_, err := Parse(append(reference(t, "encrypted.der"), behind...))
		wantCause(t, hexOf(behind), err, firmware.CauseManifestMalformed)
	}
}

// drawManifest draws one that can be encoded.
func drawManifest(t *rapid.T) Manifest {
	m := Manifest{
		Priority: rapid.Int64Range(0, MaxNumber).Draw(t, "priority"), Size: rapid.Int64Range(1, MaxNumber).Draw(t, "size"),
		Component: rapid.StringMatching(`[A-Z]{1,8}`).Draw(t, "component"),
		URI:       rapid.StringMatching(`[a-z0-9:/.]{1,255}`).Draw(t, "uri"),
		Format:    rapid.SampledFrom([]Format{FormatRaw, FormatDelta, FormatCombined, FormatEncryptedRaw, FormatEncryptedCombined, 0x105}).Draw(t, "format"),
	}
	fill := func(into []byte, label string) {
		copy(into, rapid.SliceOfN(rapid.Byte(), len(into), len(into)).Draw(t, label))
	}
	fill(m.Vendor[:], "vendor")
	fill(m.Class[:], "class")
	fill(m.Digest[:], "digest")
	v, err := ParseVersion(rapid.StringMatching(`(0|[1-9][0-9]{0,11})\.(0|[1-9][0-9]{0,2})\.0(-[a-z]{1,4}(\.[1-9])?)?(\+[a-z0-9]{1,4})?`).Draw(t, "version"))
	if err != nil {
		t.Fatal(err)
	}
	m.Version = v
	if rapid.Bool().Draw(t, "installed") {
		m.InstalledSignature = make([]byte, 64)
		fill(m.InstalledSignature, "signature")
	}
	if rapid.Bool().Draw(t, "has vendor data") {
		m.VendorData = append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "vendor data")...)
	}
	if m.Format != FormatRaw {
		m.Metadata = &Metadata{InstalledSize: rapid.Int64Range(1, MaxNumber).Draw(t, "installed size")}
		if m.Format == FormatDelta {
			m.Metadata.Precursor = make([]byte, 32)
			fill(m.Metadata.Precursor, "precursor")
		}
	}
	return m
}

// What is signed is read as it was.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := drawManifest(rt)
		s, err := Parse(signed(t, m, keyOf(7)))
		if err != nil {
			rt.Fatal(err)
		}
		if err := s.Verify(publicKeys(keyOf(7))); err != nil {
			rt.Fatal(err)
		}
		got, err := s.Read()
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(m, got, cmp.AllowUnexported(Version{})); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// The same manifest and key make the same bytes.
func TestSignIsDeterministic(t *testing.T) {
	m, _ := sample(t)
	if !bytes.Equal(signed(t, m, keyOf(7)), signed(t, m, keyOf(7))) {
		t.Error("two signatures differ")
	}
}

// What could not be read is not written.
func TestEncodeRefusesWhatReadWould(t *testing.T) {
	for cause, spoil := range map[firmware.Cause]func(*Manifest){
		firmware.CauseManifestMalformed: func(m *Manifest) { m.Version = Version{} },
		firmware.CauseInvalidURI:        func(m *Manifest) { m.URI = "" },
		firmware.CauseURITooLong:        func(m *Manifest) { m.URI = strings.Repeat("u", MaxURI+1) },
		firmware.CauseVendorDataTooBig:  func(m *Manifest) { m.VendorData = make([]byte, MaxVendorData+1) },
	} {
		m, _ := sample(t)
		spoil(&m)
		_, err := Sign(m, keyOf(7))
		wantCause(t, cause.String(), err, cause)
	}
}

// With all fields at their limits a manifest is within its own.
func TestLargestManifestFits(t *testing.T) {
	m, d := sample(t)
	m.Component, m.URI, m.VendorData = strings.Repeat("c", MaxComponent), strings.Repeat("u", MaxURI), make([]byte, MaxVendorData)
	m.Version = version(t, "1.0.0-"+strings.Repeat("a", MaxVersion-6))
	m.Priority, m.Size, m.InstalledSignature = MaxNumber, MaxNumber, make([]byte, 64)
	d.Components, d.MaxImage = map[string]Version{m.Component: {}}, 0
	if _, err := Accept(signed(t, m, keyOf(7)), publicKeys(keyOf(7)), d); err != nil {
		t.Error(err)
	}
}
