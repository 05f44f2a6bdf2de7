package est

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"

	"github.com/holdfast-iot/holdfast/messages"
)

// maxCommonName is how long a common name may be, in bytes (RFC 5280 appendix A.1,
// ub-common-name).
const maxCommonName = 64

// Request is a key that was made here, and the request for its certificate. It is repeated
// as it is where a server asks for time.
type Request struct {
	Key messages.Secret // PKCS #8, DER
	CSR []byte          // PKCS #10 (RFC 2986), DER
}

// NewRequest makes a key on P-256 and a request for a certificate of the same subject as
// the certificate present, in DER, which may be nil: then the subject is the common name
// endpoint. Names in present's subject alternative name are asked for again. The error is
// that of random, or a [*CertificateError].
func NewRequest(random io.Reader, present []byte, endpoint string) (Request, error) {
	template, err := template(present, endpoint)
	if err != nil {
		return Request{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return Request{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Request{}, err
	}
	csr, err := Sign(random, key, template)
	return Request{Key: der, CSR: csr}, err
}

// Sign composes the request for a certificate of a signer's key.
func Sign(random io.Reader, signer crypto.Signer, template *x509.CertificateRequest) ([]byte, error) {
	return x509.CreateCertificateRequest(random, template, signer)
}

// template says what is asked for.
func template(present []byte, endpoint string) (*x509.CertificateRequest, error) {
	if present == nil {
		return named(endpoint)
	}
	certificate, err := x509.ParseCertificate(present)
	if err != nil {
		return nil, &CertificateError{Reason: ReasonPresent}
	}
	return &x509.CertificateRequest{
		RawSubject: certificate.RawSubject, DNSNames: certificate.DNSNames, URIs: certificate.URIs,
		IPAddresses: certificate.IPAddresses, EmailAddresses: certificate.EmailAddresses,
	}, nil
}

// named asks for a certificate of an endpoint name: as the common name, where there is room
// for it.
func named(endpoint string) (*x509.CertificateRequest, error) {
	if endpoint == "" || len(endpoint) > maxCommonName {
		return nil, &CertificateError{Reason: ReasonEndpoint}
	}
	subject, err := asn1.Marshal(pkix.Name{CommonName: endpoint}.ToRDNSequence())
	if err != nil {
		return nil, &CertificateError{Reason: ReasonEndpoint}
	}
	return &x509.CertificateRequest{RawSubject: subject}, nil
}

// wanted returns what is asked for, and the public half of the key.
func (r Request) wanted() (*x509.CertificateRequest, *ecdsa.PublicKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(r.Key)
	if err != nil {
		return nil, nil, &CertificateError{Reason: ReasonRequest} // the cause speaks of a key
	}
	key, isECDSA := parsed.(*ecdsa.PrivateKey)
	csr, err := x509.ParseCertificateRequest(r.CSR)
	if err != nil || !isECDSA || !key.PublicKey.Equal(csr.PublicKey) {
		return nil, nil, &CertificateError{Reason: ReasonRequest}
	}
	return csr, &key.PublicKey, nil
}

// Check tells whether the two halves of a request fit each other. One that was stored may
// be damaged. The error is a [*CertificateError].
func (r Request) Check() error {
	_, _, err := r.wanted()
	return err
}
