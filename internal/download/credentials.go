package download

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"

	"github.com/holdfast-iot/holdfast/messages"
)

// CredentialsError says that the credentials for downloads cannot be used with https. It never
// holds key material.
type CredentialsError struct {
	What string // what of them
	Err  error  // the parser's error; may be nil
}

// Error returns a sentence for a person.
func (e *CredentialsError) Error() string {
	return withCause("credentials for downloads: "+e.What+" cannot be used", e.Err)
}

// Unwrap returns the parser's error.
func (e *CredentialsError) Unwrap() error { return e.Err }

// NewTLS returns what [Client.TLS] is with credentials: X.509 means the same as with DTLS, but
// that a certificate and key of one's own may both be left out. Keys
// without certificates are for DTLS only: with them, and with none, it is nil, the
// system's roots. A private key that is held outside of the credentials is one of the
// signers'. The error is a *[CredentialsError].
func NewTLS(c messages.Credentials, signers ...crypto.Signer) (*tls.Config, error) {
	if c.Mode != messages.SecurityX509 {
		return nil, nil
	}
	config := &tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12}
	if err := trust(config, c); err != nil {
		return nil, err
	}
	if len(c.Certificate) == 0 && len(c.PrivateKey) == 0 { // nothing to show, which most servers are content with
		return config, nil
	}
	own, err := ownCertificate(c, signers)
	if err != nil {
		return nil, err
	}
	config.Certificates = []tls.Certificate{own}
	return config, nil
}

// trust has a configuration verify servers as the certificate usage says (RFC 7671 sections 5.1
// and 5.2). No certificate at all would be trust in every authority of the system, which
// nobody has asked for.
func trust(config *tls.Config, c messages.Credentials) error {
	if len(c.ServerCertificates) == 0 {
		return &CredentialsError{What: "an empty list of server certificates"}
	}
	anchors := x509.NewCertPool()
	for _, der := range c.ServerCertificates {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return &CredentialsError{What: "the server's certificate", Err: err}
		}
		anchors.AddCert(certificate)
	}
	switch c.Usage {
	case messages.UsageTrustAnchor:
		config.RootCAs = anchors
		return nil
	case messages.UsageServerCertificate:
		config.InsecureSkipVerify = true // the certificate is known: name, chain and validity say nothing more
		config.VerifyConnection = func(s tls.ConnectionState) error { return verifyPinned(s, c.ServerCertificates) }
		return nil
	}
	return &CredentialsError{What: "certificate usages other than 2 and 3"}
}

// errUnexpectedCertificate is the cause of a *tls.CertificateVerificationError.
var errUnexpectedCertificate = errors.New("it is another one than the stored one")

func verifyPinned(s tls.ConnectionState, known [][]byte) error {
	if slices.ContainsFunc(known, func(der []byte) bool { return bytes.Equal(der, s.PeerCertificates[0].Raw) }) {
		return nil
	}
	return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: errUnexpectedCertificate}
}

// ownCertificate reads the client's own chain and key, which have to belong together.
func ownCertificate(c messages.Credentials, signers []crypto.Signer) (tls.Certificate, error) {
	if len(c.Certificate) == 0 {
		return tls.Certificate{}, &CredentialsError{What: "a missing certificate"}
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return tls.Certificate{}, &CredentialsError{What: "the own certificate", Err: err}
	}
	key := findKey(c.PrivateKey, signers)
	if key == nil {
		return tls.Certificate{}, &CredentialsError{What: "the private key"}
	}
	if public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(key.Public()) {
		return tls.Certificate{}, &CredentialsError{What: "a private key that does not belong to the certificate"}
	}
	return tls.Certificate{Certificate: c.Certificate, PrivateKey: key, Leaf: leaf}, nil
}

// findKey returns a private key, PKCS #8 or SEC 1, or the signer that has the one of a public
// key; nil for none. Why a key does not parse is not said: that might tell something of it.
func findKey(der messages.Secret, signers []crypto.Signer) crypto.Signer {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		signer, _ := key.(crypto.Signer)
		return signer
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	public, err := x509.ParsePKIXPublicKey(der)
	half, ok := public.(interface{ Equal(crypto.PublicKey) bool })
	if err != nil || !ok {
		return nil
	}
	if i := slices.IndexFunc(signers, func(s crypto.Signer) bool { return half.Equal(s.Public()) }); i >= 0 {
		return signers[i]
	}
	return nil
}
