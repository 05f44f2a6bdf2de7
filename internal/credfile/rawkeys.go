package credfile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/messages"
)

// rawPublicKeys reads what SecurityRPK needs. Whether the keys are fit for it,
// and belong together, is looked at as it is for keys from a bootstrap server.
func (r *reader) rawPublicKeys(s Source) messages.Credentials {
	key := r.key(s)
	own := r.ownPublicKey(s, key)
	c := messages.Credentials{Mode: messages.SecurityRPK, Certificate: own, PrivateKey: key, ServerName: s.ServerName}
	c.Matching, c.ServerCertificates = r.serverKey(s)
	return c
}

// serverKey reads the server's one key, or the pins of those that it may have.
func (r *reader) serverKey(s Source) (messages.MatchingType, [][]byte) {
	if len(s.Pins) > 0 {
		return r.pins(s.Pins)
	}
	server := s.Anchors
	if len(server) == 0 {
		server = r.publicKeys("trust", s.Trust)
	}
	if len(server) > 1 {
		r.fault("trust", source(s.Trust)+" holds more than one key: the server has one", nil)
	}
	return messages.MatchExact, server
}

// ownPublicKey returns the first key of the certificate's file, the others of
// which are a chain's. Without a file it is that of the private key.
func (r *reader) ownPublicKey(s Source, key messages.Secret) [][]byte {
	if len(s.Chain) > 0 {
		return s.Chain[:1]
	}
	if s.Certificate == "" {
		return r.impliedKey(s.PrivateKey, key)
	}
	if own := r.publicKeys("certificate", s.Certificate); len(own) > 0 {
		return own[:1]
	}
	return nil
}

// impliedKey returns the public half of a private key. One that is not of ECDSA
// has a fault already.
func (r *reader) impliedKey(path string, der messages.Secret) [][]byte {
	public, ok := publicHalf(der)
	if !ok {
		return nil
	}
	if !accounts.SupportedCurve(public.Curve) {
		r.fault("private_key", fmt.Sprintf("%q holds a key on another curve than P-256 and P-384", path), nil)
		return nil
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		r.fault("private_key", fmt.Sprintf("%q holds a key without a public half", path), nil)
		return nil
	}
	return [][]byte{spki}
}

func publicHalf(der []byte) (*ecdsa.PublicKey, bool) {
	if held, ok := accounts.HeldOutside(der); ok {
		return held, true
	}
	var key any
	key, err := x509.ParseECPrivateKey(der)
	if err != nil {
		if key, err = x509.ParsePKCS8PrivateKey(der); err != nil {
			return nil, false
		}
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, false
	}
	public, ok := signer.Public().(*ecdsa.PublicKey)
	return public, ok
}

// publicKeys reads the keys of a file as SubjectPublicKeyInfo in DER: its public keys,
// and those of its certificates.
func (r *reader) publicKeys(key, path string) [][]byte {
	data, ok := r.read(key, path)
	if !ok {
		return nil
	}
	keys, err := parsePublicKeys(data)
	switch {
	case err != nil:
		r.fault(key, fmt.Sprintf("a certificate of %q cannot be parsed", path), err)
		return nil
	case len(keys) == 0:
		r.fault(key, fmt.Sprintf("%q holds neither a public key nor a certificate in PEM", path), nil)
	}
	return spkis(keys)
}

// publicKey is a SubjectPublicKeyInfo, and whether it is that of a certificate.
type publicKey struct {
	der         []byte
	certificate bool
}

func spkis(keys []publicKey) (all [][]byte) {
	for _, key := range keys {
		all = append(all, key.der)
	}
	return all
}

// parsePublicKeys reads PEM, where blocks of other types may stand between the keys, or
// one key or certificate in DER. The error is that of a certificate.
func parsePublicKeys(data []byte) (keys []publicKey, err error) {
	if _, err := x509.ParsePKIXPublicKey(data); err == nil {
		return []publicKey{{der: data}}, nil
	}
	if certificate, err := x509.ParseCertificate(data); err == nil {
		return []publicKey{{certificate.RawSubjectPublicKeyInfo, true}}, nil
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PUBLIC KEY":
			keys = append(keys, publicKey{der: block.Bytes})
		case "CERTIFICATE":
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, err
			}
			keys = append(keys, publicKey{certificate.RawSubjectPublicKeyInfo, true})
		}
	}
	return keys, nil
}
