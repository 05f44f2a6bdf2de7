package credfile

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/holdfast-iot/holdfast/messages"
)

// usage returns the certificate usage.
func (s Source) usage() messages.CertificateUsage {
	if s.Usage == nil {
		return messages.UsageTrustAnchor
	}
	return *s.Usage
}

// leaf reports whether what is known of the server is its own certificate.
func (s Source) leaf() bool {
	return s.usage() == messages.UsageServerCertificate || s.usage() == messages.UsageCertConstraint
}

// server reads what the server has to prove.
func (r *reader) server(s Source) (messages.MatchingType, [][]byte) {
	if len(s.Pins) > 0 {
		return r.pins(s.Pins)
	}
	return messages.MatchExact, r.anchors(s)
}

// trust reads certificates. They are of no use once all have expired, unless nothing
// but their equality counts (usage 3).
func (r *reader) trust(s Source) [][]byte {
	const key = "trust"
	before := len(r.faults)
	data, ok := r.read(key, s.Trust)
	if !ok {
		return nil
	}
	if keys := publicKeysOnly(data); s.leaf() && len(keys) > 0 {
		if len(keys) > maxCertificates {
			r.fault(key, fmt.Sprintf("%q holds more than %d keys", s.Trust, maxCertificates), nil)
		}
		return keys
	}
	certificates := r.parseCertificates(key, s.Trust, data)
	if len(r.faults) > before {
		return nil
	}
	if s.usage() == messages.UsageServerCertificate {
		return certificates
	}
	return r.alive(source(s.Trust)+" holds", certificates)
}

// publicKeysOnly returns the public keys of a file that has nothing else to verify a
// server by, in DER.
func publicKeysOnly(data []byte) [][]byte {
	keys, err := parsePublicKeys(data)
	if err != nil {
		return nil
	}
	for _, der := range keys {
		if der.certificate {
			return nil
		}
	}
	return spkis(keys)
}

// pinAlgorithms are the names of the digests in pins.
var pinAlgorithms = []struct {
	name     string
	matching messages.MatchingType
}{
	{"sha256", messages.MatchSHA256}, {"sha384", messages.MatchSHA384}, {"sha512", messages.MatchSHA512},
}

// ParsePin reads a pin: the name of a hash function, a slash, and in Base64 (RFC 4648
// section 4) the digest of a SubjectPublicKeyInfo or of a certificate in DER, as in
// sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=. problem says what is wrong with
// it, or is empty.
func ParsePin(pin string) (matching messages.MatchingType, digest []byte, problem string) {
	name, text, found := strings.Cut(pin, "/")
	for _, a := range pinAlgorithms {
		if !found || a.name != name {
			continue
		}
		digest, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || len(digest) != a.matching.Hash().Size() {
			return 0, nil, fmt.Sprintf("is not %s/ and %d bytes in Base64", name, a.matching.Hash().Size())
		}
		return a.matching, digest, ""
	}
	return 0, nil, "is none of sha256/, sha384/ and sha512/, followed by a digest in Base64"
}

// ParsePins reads pins, which are all made with one hash function (/0/x/13 says which),
// at most 10. problem says what is wrong with them, or is empty.
func ParsePins(pins []string) (matching messages.MatchingType, digests [][]byte, problem string) {
	for i, pin := range pins {
		m, digest, problem := ParsePin(pin)
		switch {
		case problem != "":
			return 0, nil, problem
		case i > 0 && m != matching:
			return 0, nil, "mixes hash functions: make all pins of an account with one"
		}
		matching, digests = m, append(digests, digest)
	}
	if len(digests) > maxCertificates {
		return 0, nil, fmt.Sprintf("has more than %d pins", maxCertificates)
	}
	return matching, digests, ""
}

func (r *reader) pins(pins []string) (messages.MatchingType, [][]byte) {
	matching, digests, problem := ParsePins(pins)
	if problem != "" {
		r.fault("pin", problem, nil)
	}
	return matching, digests
}

// TrustStore are the authorities of a device.
type TrustStore struct {
	Pool *x509.CertPool
	List []*x509.Certificate // the same; none for those of the operating system
}

// ReadTrustStore reads the trust store of a device: certificates of a file in PEM or
// DER, those in memory in their place, or the operating system's. Whether they have
// expired is seen when a server is verified.
func ReadTrustStore(path string, inMemory [][]byte, system bool) (TrustStore, []Fault) {
	const key = "trust_store"
	r := &reader{}
	switch {
	case system:
		pool, err := x509.SystemCertPool()
		if err != nil || pool.Equal(x509.NewCertPool()) {
			r.fault(key, "is that of the operating system, which has none (the package ca-certificates, or SSL_CERT_FILE)", err)
		}
		return TrustStore{Pool: pool}, r.faults
	case len(inMemory) == 0:
		data, ok := r.readWithin(key, path, maxTrustStore)
		if !ok {
			return TrustStore{}, r.faults
		}
		return r.parseTrustStore(key, path, data), r.faults
	case len(inMemory) > maxAuthorities:
		r.fault(key, fmt.Sprintf("has more than %d certificates in memory", maxAuthorities), nil)
	}
	return r.trustStore(key, path, inMemory), r.faults
}

func (r *reader) parseTrustStore(key, path string, data []byte) TrustStore {
	list := r.parseCertificatesWithin(key, path, data, maxAuthorities)
	if len(list) == 0 {
		r.fault(key, fmt.Sprintf("%q holds no certificate in PEM", path), nil)
	}
	return r.trustStore(key, path, list)
}

func (r *reader) trustStore(key, path string, list [][]byte) TrustStore {
	store := TrustStore{Pool: x509.NewCertPool()}
	for i, der := range list {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			if path == "" { // those of a file have been parsed
				r.fault(key, fmt.Sprintf("certificate %d of those in memory cannot be parsed", i+1), err)
			}
			continue
		}
		store.Pool.AddCert(certificate)
		store.List = append(store.List, certificate)
	}
	return store
}
