package testpki

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// A Leaf is an end entity's certificate and its key.
type Leaf struct {
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
}

// TLS returns the pair in the form that crypto/tls and pion/dtls take.
func (l *Leaf) TLS() tls.Certificate {
	return tls.Certificate{
		Certificate: [][]byte{l.Cert.Raw},
		PrivateKey:  l.Key,
		Leaf:        l.Cert,
	}
}

// KeyDER returns the private key as PKCS #8, the form of resource 5 of the
// LwM2M Security object.
func (l *Leaf) KeyDER() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(l.Key)
	if err != nil {
		return nil, fmt.Errorf("testpki: encode key: %w", err)
	}
	return der, nil
}

// KeyPEM returns the private key as a PKCS #8 PEM block.
func (l *Leaf) KeyPEM() ([]byte, error) {
	der, err := l.KeyDER()
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// CertPEM encodes a certificate as a PEM block.
func CertPEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}
