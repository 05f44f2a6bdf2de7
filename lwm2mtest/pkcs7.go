package lwm2mtest

import (
	"crypto/x509"
	"encoding/asn1"
)

// The degenerate form of SignedData (RFC 5652 section 5.1): certificates that nobody has
// signed together.
type (
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content signedData `asn1:"explicit,tag:0"`
	}
	signedData struct {
		Version      int
		Digests      asn1.RawValue
		Content      encapsulated
		Certificates asn1.RawValue
		Signers      asn1.RawValue
	}
	encapsulated struct{ Type asn1.ObjectIdentifier }
)

var (
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
)

// certsOnly writes certificates as certs-only PKCS #7, in DER.
func certsOnly(list []*x509.Certificate) ([]byte, error) {
	none := asn1.RawValue{Tag: asn1.TagSet, IsCompound: true}
	all := asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true}
	for _, c := range list {
		all.Bytes = append(all.Bytes, c.Raw...)
	}
	return asn1.Marshal(contentInfo{Type: oidSignedData, Content: signedData{
		Version: 1, Digests: none, Content: encapsulated{oidData}, Certificates: all, Signers: none,
	}})
}
