package est

import (
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Content formats of EST over CoAP (RFC 9148 section 4.3).
const (
	FormatCertsOnly   lwm2m.Format = 281 // application/pkcs7-mime; smime-type=certs-only
	FormatCSRAttrs    lwm2m.Format = 285 // application/csrattrs
	FormatPKCS10      lwm2m.Format = 286 // application/pkcs10
	FormatCertificate lwm2m.Format = 287 // application/pkix-cert
)

// Bounds of an answer.
const (
	// MaxAnswer is the longest answer that is looked at, in bytes.
	MaxAnswer = 32 << 10
	// MaxCertificates is how many certificates it may have: as many as a handshake of ours
	// sends or takes.
	MaxCertificates = 10
)

var (
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
)

// Decode reads the certificates of an answer of one of the formats [FormatCertsOnly] and
// [FormatCertificate], of which there is one at least. It accepts DER only. The error is a
// [*CertificateError].
func Decode(format lwm2m.Format, data []byte) ([]*x509.Certificate, error) {
	if len(data) > MaxAnswer {
		return nil, refuse(ReasonTooLarge)
	}
	switch format {
	case FormatCertsOnly:
		return decodeCertsOnly(data)
	case FormatCertificate:
		return parseAll([][]byte{data})
	}
	return nil, refuse(ReasonFormat)
}

// decodeCertsOnly reads the degenerate form of SignedData (RFC 5652 section 5, RFC 8551
// section 3.8): certificates, perhaps CRLs, and nobody's signature.
func decodeCertsOnly(data []byte) ([]*x509.Certificate, error) {
	signed, ok := contentOf(data)
	if !ok {
		return nil, refuse(ReasonNotCertsOnly)
	}
	var version int
	var digests, content, certificates, signers cryptobyte.String
	var kind asn1.ObjectIdentifier
	switch {
	case !signed.ReadASN1Integer(&version) || version != 1,
		!signed.ReadASN1(&digests, der.SET),
		!signed.ReadASN1(&content, der.SEQUENCE),
		!content.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidData) || !content.Empty(),
		!signed.ReadASN1(&certificates, context(0)),
		!signed.SkipOptionalASN1(context(1)),
		!signed.ReadASN1(&signers, der.SET) || !signers.Empty(),
		!signed.Empty():
		return nil, refuse(ReasonNotCertsOnly)
	}
	list, err := elements(certificates)
	if err != nil {
		return nil, err
	}
	return parseAll(list)
}

// contentOf opens the frame: ContentInfo (RFC 5652 section 3).
func contentOf(data []byte) (signed cryptobyte.String, ok bool) {
	input := cryptobyte.String(data)
	var info, explicit cryptobyte.String
	var kind asn1.ObjectIdentifier
	ok = input.ReadASN1(&info, der.SEQUENCE) && input.Empty() &&
		info.ReadASN1ObjectIdentifier(&kind) && kind.Equal(oidSignedData) &&
		info.ReadASN1(&explicit, context(0)) && info.Empty() &&
		explicit.ReadASN1(&signed, der.SEQUENCE) && explicit.Empty()
	return signed, ok
}

func context(tag der.Tag) der.Tag { return tag.Constructed().ContextSpecific() }

// elements cuts a set of certificates into them. Other kinds of CertificateChoices are
// refused.
func elements(set cryptobyte.String) (list [][]byte, err error) {
	for !set.Empty() {
		var element cryptobyte.String
		switch {
		case len(list) == MaxCertificates:
			return nil, refuse(ReasonTooMany)
		case !set.ReadASN1Element(&element, der.SEQUENCE):
			return nil, refuse(ReasonNotCertsOnly)
		}
		list = append(list, element)
	}
	return list, nil
}

func parseAll(list [][]byte) (all []*x509.Certificate, err error) {
	for _, raw := range list {
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, &CertificateError{Reason: ReasonCertificate, Cause: err}
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, refuse(ReasonNone)
	}
	return all, nil
}
