package manifest

import (
	"crypto/ecdsa"
	"crypto/sha256"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Encode returns the DER of Manifest, which is what is signed. The error is that of reading
// it, when a field is not as it must be.
func (m Manifest) Encode() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(m.Vendor[:])
		b.AddASN1OctetString(m.Class[:])
		b.AddASN1Int64(m.Priority)
		addText(b, m.Component)
		addText(b, m.Version.String())
		b.AddASN1OctetString(m.Digest[:])
		b.AddASN1Int64(m.Size)
		addText(b, m.URI)
		b.AddASN1Enum(int64(m.Format))
		b.AddASN1OctetString(m.InstalledSignature)
		m.Metadata.add(b)
		if m.VendorData != nil {
			b.AddASN1OctetString(m.VendorData)
		}
	})
	body, err := b.Bytes()
	if err != nil {
		return nil, malformed("cannot be encoded: %w", err)
	}
	if _, err := (&Signed{body: body}).Read(); err != nil {
		return nil, err
	}
	return body, nil
}

func addText(b *cryptobyte.Builder, text string) {
	b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
}

func (m *Metadata) add(b *cryptobyte.Builder) {
	if m == nil {
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(m.InstalledSize)
		b.AddASN1OctetString(m.InstalledDigest[:])
		if m.Precursor != nil {
			b.AddASN1OctetString(m.Precursor)
		}
	})
}

// Sign returns the manifest, signed. The key is one on P-256. The signature is
// deterministic (RFC 6979): the same manifest and key make the same bytes.
func Sign(m Manifest, key *ecdsa.PrivateKey) ([]byte, error) {
	if err := onP256(&key.PublicKey); err != nil {
		return nil, err
	}
	body, err := m.Encode()
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(body)
	signature, err := signRaw(key, digest[:])
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(schemaVersion)
		b.AddBytes(body)
		b.AddASN1OctetString(signature)
	})
	return b.Bytes()
}
