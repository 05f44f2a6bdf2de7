package behaviour

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"testing"
	"testing/synctest"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// signingKey returns a key that is always the same.
func signingKey(n byte) *ecdsa.PrivateKey {
	d := make([]byte, 32)
	d[31] = n
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		panic(err)
	}
	return key
}

const (
	vendorName = "example.com"
	className  = "gw-1"
)

// trusting lets the client take manifests that signingKey(1) has signed.
func trusting(cfg *holdfast.Config) {
	public, err := x509.MarshalPKIXPublicKey(&signingKey(1).PublicKey)
	if err != nil {
		panic(err)
	}
	f := cfg.Firmware
	f.TrustKeys, f.Vendor, f.Class, f.Version = [][]byte{public}, vendorName, className, "1.0.0"
}

// newManifest describes what a server has.
func newManifest() manifest.Manifest {
	vendor, _ := firmware.VendorID(vendorName)
	class, _ := firmware.ClassID(vendor, className)
	version, _ := manifest.ParseVersion("2.0.0")
	return manifest.Manifest{
		Vendor: vendor, Class: class, Component: manifest.DefaultComponent, Version: version,
		Digest: image.SHA256(imageSize), Size: imageSize, URI: imageURI, Format: manifest.FormatRaw,
	}
}

// imageURI is where servers have it.
const imageURI = "coap://192.0.2.1/image"

// signed is a manifest as the operator signs it, after an edit; nil for none.
func signed(t *testing.T, edit func(*manifest.Manifest)) lwm2mtest.Content {
	t.Helper()
	m := newManifest()
	if edit != nil {
		edit(&m)
	}
	data, err := manifest.Sign(m, signingKey(1))
	if err != nil {
		t.Fatal(err)
	}
	return opaque(data)
}

func opaque(data []byte) lwm2mtest.Content {
	return lwm2mtest.Content{Format: lwm2m.FormatOpaque, Payload: data}
}

// Fields of a manifest, in the order of the schema.
const (
	fieldDigest     = 5
	fieldURI        = 7
	fieldVendorData = 11
)

// signedByHand signs what no tool of ours makes: fields replace those of the good manifest, and
// vendor data follows them.
func signedByHand(t *testing.T, schema int, fields map[int][]byte) lwm2mtest.Content {
	t.Helper()
	good := newManifest()
	body, err := good.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var parts []asn1.RawValue
	if _, err := asn1.Unmarshal(body, &parts); err != nil {
		t.Fatal(err)
	}
	for at, value := range fields {
		if at == fieldVendorData {
			parts = append(parts, asn1.RawValue{Tag: asn1.TagOctetString, Bytes: value})
		} else {
			parts[at] = asn1.RawValue{Tag: parts[at].Tag, Bytes: value}
		}
	}
	body = derOf(t, parts)
	digest := sha256.Sum256(body)
	signature := rawSignature(t, digest[:])
	return opaque(derOf(t, []asn1.RawValue{
		{FullBytes: derOf(t, asn1.Enumerated(schema))}, {FullBytes: body}, {Tag: asn1.TagOctetString, Bytes: signature},
	}))
}

func derOf(t *testing.T, value any) []byte {
	t.Helper()
	der, err := asn1.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// rawSignature is r || s, as the schema has it.
func rawSignature(t *testing.T, digest []byte) []byte {
	t.Helper()
	der, err := signingKey(1).Sign(nil, digest, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	var pair struct{ R, S asn1.RawValue }
	if _, err := asn1.Unmarshal(der, &pair); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 64)
	fill := func(half, number []byte) { // without the zero that keeps it positive
		if len(number) > len(half) {
			number = number[len(number)-len(half):]
		}
		copy(half[len(half)-len(number):], number)
	}
	fill(raw[:32], pair.R.Bytes)
	fill(raw[32:], pair.S.Bytes)
	return raw
}

// A manifest that is made by hand and good is taken: what tests refuse, they refuse for what
// they say.
func TestManifestMadeByHandIsGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ending{family: firmware.FamilyNewest, number: 18, states: toInstall, begin: func(w *firmwareWorld) {
			w.write("/10252/0/1", signedByHand(w.T, 3, map[int][]byte{fieldVendorData: []byte("x")}), lwm2m.CodeChanged)
		}}
		e.run(t)
	})
}
