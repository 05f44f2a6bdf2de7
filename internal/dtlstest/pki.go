package dtlstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"time"
)

// Name is what the server's certificate is for.
const Name = "server.dtls.test"

// The certificates are valid for a century around all clocks that tests use.
var (
	validFrom  = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	validUntil = time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)
)

// PKI is an authority with the certificates of a server and of a client, the
// same in every run for the same randomness.
type PKI struct {
	Authority               *x509.Certificate
	ServerChain             [][]byte // the leaf alone
	ServerKey, ClientKey    crypto.Signer
	ClientCert              []byte
	ServerSPKI, ClientSPKI  []byte
	authorityKey, strayKey  signer
	leafTemplate, caSubject *x509.Certificate
}

// NewPKI makes one.
func NewPKI(random io.Reader) *PKI {
	p := &PKI{authorityKey: newSigner(random, elliptic.P256()), strayKey: newSigner(random, elliptic.P256())}
	server, client := newSigner(random, elliptic.P256()), newSigner(random, elliptic.P256())
	p.ServerKey, p.ClientKey = server, client
	p.ServerSPKI, p.ClientSPKI = SPKI(server.Public()), SPKI(client.Public())
	p.caSubject = authorityTemplate("authority")
	p.Authority = must(x509.ParseCertificate(p.selfSign(p.caSubject, p.authorityKey)))
	p.leafTemplate = leafTemplate(Name, x509.ExtKeyUsageServerAuth)
	p.ServerChain = [][]byte{p.issue(p.leafTemplate, server.Public())}
	p.ClientCert = p.issue(leafTemplate("client", x509.ExtKeyUsageClientAuth), client.Public())
	return p
}

// SPKI encodes a public key as a SubjectPublicKeyInfo.
func SPKI(key crypto.PublicKey) []byte { return must(x509.MarshalPKIXPublicKey(key)) }

func authorityTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: validFrom, NotAfter: validUntil,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func leafTemplate(name string, usage x509.ExtKeyUsage) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: validFrom, NotAfter: validUntil,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, DNSNames: []string{name},
	}
}

func (p *PKI) selfSign(template *x509.Certificate, key signer) []byte {
	return must(x509.CreateCertificate(nil, template, template, key.Public(), key))
}

// issue signs a certificate of the authority.
func (p *PKI) issue(template *x509.Certificate, key crypto.PublicKey) []byte {
	return must(x509.CreateCertificate(nil, template, p.Authority, key, p.authorityKey))
}

// The structure of a certificate (RFC 5280, 4.1), as far as it is replaced.
type (
	rawCertificate struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	rawTBS struct {
		Version    int `asn1:"optional,explicit,tag:0"`
		Serial     *big.Int
		Algorithm  asn1.RawValue
		Issuer     asn1.RawValue
		Validity   asn1.RawValue
		Subject    asn1.RawValue
		PublicKey  asn1.RawValue
		Extensions asn1.RawValue `asn1:"optional"`
	}
)

// WithKey replaces the public key of a certificate of the authority by any
// SubjectPublicKeyInfo, and signs it again. The standard library would refuse
// to make one with most of the keys that are tried here.
func (p *PKI) WithKey(der, spki []byte) []byte {
	var outer rawCertificate
	var tbs rawTBS
	must(asn1.Unmarshal(der, &outer))
	must(asn1.Unmarshal(outer.TBS.FullBytes, &tbs))
	tbs.PublicKey = asn1.RawValue{FullBytes: spki}
	outer.TBS = asn1.RawValue{FullBytes: must(asn1.Marshal(tbs))}
	digest := sha256.Sum256(outer.TBS.FullBytes)
	signature := must(ecdsa.SignASN1(nil, p.authorityKey.PrivateKey, digest[:]))
	outer.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	return must(asn1.Marshal(outer))
}

// Algorithms of public keys (RFC 3279, 2.3; RFC 5480, 2.1.1).
var (
	oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidEC  = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
)

type spki struct {
	Algorithm struct {
		OID    asn1.ObjectIdentifier
		Params asn1.RawValue `asn1:"optional"`
	}
	Key asn1.BitString
}

func encodeSPKI(oid asn1.ObjectIdentifier, params, key []byte) []byte {
	var s spki
	s.Algorithm.OID = oid
	if params != nil {
		s.Algorithm.Params = asn1.RawValue{FullBytes: params}
	}
	s.Key = asn1.BitString{Bytes: key, BitLength: 8 * len(key)}
	return must(asn1.Marshal(s))
}

// rsaSPKI has an odd modulus of so many bytes, which is no product that anybody
// knows.
func rsaSPKI(random io.Reader, size int) []byte {
	modulus := draw(random, size)
	modulus[0] |= 0x80
	modulus[size-1] |= 1
	key := must(asn1.Marshal(struct {
		N *big.Int
		E int
	}{new(big.Int).SetBytes(modulus), 65537}))
	return encodeSPKI(oidRSA, []byte{5, 0}, key)
}

// ecSPKI has any point on the curve of any number.
func ecSPKI(curve asn1.ObjectIdentifier, point []byte) []byte {
	return encodeSPKI(oidEC, must(asn1.Marshal(curve)), point)
}
