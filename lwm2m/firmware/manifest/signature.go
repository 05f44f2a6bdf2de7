package manifest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// Verify says whether one of the keys, all on P-256, has signed the manifest. The error has
// [firmware.CauseNoTrust] when there is no key, else [firmware.CauseSignature].
func (s *Signed) Verify(trust []*ecdsa.PublicKey) error {
	if len(trust) == 0 {
		return &firmware.Error{Cause: firmware.CauseNoTrust}
	}
	digest := sha256.Sum256(s.body)
	signature, err := derOf(s.signature)
	if err != nil {
		return &firmware.Error{Cause: firmware.CauseSignature, Err: err}
	}
	if !slices.ContainsFunc(trust, func(k *ecdsa.PublicKey) bool {
		return onP256(k) == nil && ecdsa.VerifyASN1(k, digest[:], signature)
	}) {
		return &firmware.Error{Cause: firmware.CauseSignature}
	}
	return nil
}

// derOf turns r || s into the form that crypto/ecdsa takes (RFC 3279 section 2.2.3).
func derOf(raw []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[:sizeSignature/2]))
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[sizeSignature/2:]))
	})
	return b.Bytes()
}

// signRaw signs a digest and returns r || s.
func signRaw(key *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	der, err := key.Sign(nil, digest, crypto.SHA256) // without a source of randomness: RFC 6979
	if err != nil {
		return nil, err
	}
	var pair cryptobyte.String
	r, s := new(big.Int), new(big.Int)
	if input := cryptobyte.String(der); !input.ReadASN1(&pair, asn1.SEQUENCE) || !pair.ReadASN1Integer(r) || !pair.ReadASN1Integer(s) {
		return nil, errors.New("the signature is not in DER")
	}
	raw := make([]byte, sizeSignature)
	r.FillBytes(raw[:sizeSignature/2])
	s.FillBytes(raw[sizeSignature/2:])
	return raw, nil
}

var errNotP256 = errors.New("the key is not one of ECDSA on P-256")

func onP256(key *ecdsa.PublicKey) error {
	if key.Curve != elliptic.P256() {
		return errNotP256
	}
	return nil
}

// ParseTrust returns the keys that a text in PEM has: those of certificates, of which nothing
// but the key counts, and public keys (RFC 7468 sections 5 and 13). All are on P-256, and
// there is at least one.
func ParseTrust(text []byte) (keys []*ecdsa.PublicKey, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		key, err := publicOf(block)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no certificate and no public key in PEM")
	}
	return keys, nil
}

func publicOf(block *pem.Block) (*ecdsa.PublicKey, error) {
	var found any
	switch block.Type {
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("a certificate cannot be read: %w", err)
		}
		found = certificate.PublicKey
	case "PUBLIC KEY":
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("a public key cannot be read: %w", err)
		}
		found = key
	default:
		return nil, fmt.Errorf("%q is neither a certificate nor a public key", block.Type)
	}
	key, ok := found.(*ecdsa.PublicKey)
	if !ok || onP256(key) != nil {
		return nil, errNotP256
	}
	return key, nil
}

// ParseKey returns the private key that a text in PEM has, in PKCS #8 or SEC 1, on P-256.
// Blocks of other kinds are passed over. No error shows anything of a key.
func ParseKey(text []byte) (*ecdsa.PrivateKey, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, errors.New("the private key is encrypted: store it without a passphrase")
		case block.Type == "EC PRIVATE KEY" || block.Type == "PRIVATE KEY":
			return privateOf(block.Bytes)
		}
	}
	return nil, errors.New("there is no private key in PEM")
}

// privateOf does not keep the parsers' errors: they speak of secret bytes.
func privateOf(der []byte) (*ecdsa.PrivateKey, error) {
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, onP256(&key.PublicKey)
	}
	found, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("the private key is neither in PKCS #8 nor in SEC 1")
	}
	key, ok := found.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errNotP256
	}
	return key, onP256(&key.PublicKey)
}
