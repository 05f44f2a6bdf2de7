package accounts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"reflect"
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// What a server has to prove stands in /0/x/4, and /0/x/13 says in which form. A
// certificate or a public key is known by its form. Object 0 has nothing that tells
// the digest of one from that of the other (RFC 6698 section 2.1.2 has the selector),
// and nobody can find a key for the digest of a certificate: each counts as either.

// maxName bounds /0/x/14 in bytes: the longest DNS name (RFC 1035 section 2.3.4).
const maxName = 253

// serverName reads /0/x/14, which a ClientHello carries as it is.
func (r *reader) serverName() string {
	return r.optional(objects.SecuritySNI, lwm2m.KindString).Text()
}

// ValidServerName reports whether a server can have a name: at most 253 bytes of
// visible ASCII, which is how an internationalised name is written (RFC 6066 section
// 3). The empty one is none.
func ValidServerName(name string) bool {
	for i := range len(name) {
		if name[i] <= ' ' || name[i] >= 0x7f {
			return false
		}
	}
	return len(name) <= maxName
}

// matching reads /0/x/13, whose default is 0.
func (r *reader) matching() messages.MatchingType {
	v := r.optional(objects.SecurityMatchingType, lwm2m.KindUnsigned).Uint()
	if v > uint64(messages.MatchSHA512) {
		r.fault(objects.SecurityMatchingType, ReasonMatchingType, nil)
		return messages.MatchExact
	}
	return messages.MatchingType(v)
}

// server reads what certificates are held against: one in most cases, several where
// a configuration names them.
func (r *reader) server() (messages.MatchingType, [][]byte) {
	matching := r.matching()
	if matching.Hash() == 0 {
		return messages.MatchExact, r.presented(objects.SecurityServerPublicKey)
	}
	content := r.bytes(objects.SecurityServerPublicKey)
	if len(content) == 0 {
		return matching, nil
	}
	digests, ok := splitDigests(content, matching)
	switch {
	case !ok || plain(content):
		r.fault(objects.SecurityMatchingType, ReasonMatchingType, nil)
	case len(digests) > maxCertificates:
		r.fault(objects.SecurityServerPublicKey, ReasonTooLong, nil)
	}
	return matching, digests
}

// presented reads certificates, or public keys that stand for them.
func (r *reader) presented(id uint16) [][]byte {
	if v, _ := r.tree.Value(r.base.Child(id)); v.Kind() == lwm2m.KindOpaque {
		if keys := splitPublicKeys(v.Bytes()); len(keys) > 0 {
			if len(keys) > maxCertificates {
				r.fault(id, ReasonTooLong, nil)
			}
			return keys
		}
	}
	return raw(r.certificates(id))
}

// plain reports whether something is what digests are made of.
func plain(content []byte) bool {
	_, err := x509.ParseCertificates(content)
	return err == nil || splitPublicKeys(content) != nil
}

// splitDigests cuts digests apart, which are of one length.
func splitDigests(content []byte, matching messages.MatchingType) (digests [][]byte, ok bool) {
	size := matching.Hash().Size()
	for ; len(content) >= size; content = content[size:] {
		digests = append(digests, content[:size:size])
	}
	return digests, len(content) == 0 && len(digests) > 0
}

// splitPublicKeys cuts SubjectPublicKeyInfos apart; nil where that is not all there is.
func splitPublicKeys(content []byte) (keys [][]byte) {
	for len(content) > 0 {
		var element asn1.RawValue
		rest, err := asn1.Unmarshal(content, &element)
		if err != nil || len(element.FullBytes) > maxPublicKey {
			return nil
		}
		if _, err := x509.ParsePKIXPublicKey(element.FullBytes); err != nil {
			return nil
		}
		keys, content = append(keys, element.FullBytes), rest
	}
	return keys
}

// rawServer reads the server's raw public key, or digests of it. Matching type
// counts only for what is no key: servers fill it in with anything.
func (r *reader) rawServer() (messages.MatchingType, [][]byte) {
	v, _ := r.tree.Value(r.base.Child(objects.SecurityServerPublicKey))
	matching := r.looseMatching()
	if matching.Hash() != 0 && v.Kind() == lwm2m.KindOpaque {
		if digests, ok := splitDigests(v.Bytes(), matching); ok && len(digests) <= maxCertificates {
			if _, reason := parsePublicKey(v.Bytes()); reason != "" {
				return matching, digests
			}
		}
	}
	_, der := r.publicKey(objects.SecurityServerPublicKey)
	return messages.MatchExact, [][]byte{der}
}

// looseMatching is matching without faults.
func (r *reader) looseMatching() messages.MatchingType {
	v, _ := r.tree.Value(r.base.Child(objects.SecurityMatchingType))
	if v.Kind() != lwm2m.KindUnsigned || v.Uint() > uint64(messages.MatchSHA512) {
		return messages.MatchExact
	}
	return messages.MatchingType(v.Uint())
}

// usage reads /0/x/15, whose default is 3.
func (r *reader) usage() messages.CertificateUsage {
	if !r.has(objects.SecurityCertificateUsage) {
		return messages.UsageServerCertificate
	}
	before := len(r.faults)
	v := r.optional(objects.SecurityCertificateUsage, lwm2m.KindUnsigned)
	switch {
	case len(r.faults) > before:
		return messages.UsageServerCertificate
	case v.Uint() > uint64(messages.UsageServerCertificate):
		r.fault(objects.SecurityCertificateUsage, ReasonUsage, nil)
		return messages.UsageServerCertificate
	}
	return messages.CertificateUsage(v.Uint())
}

// CheckNew finds management accounts of after that no handshake could use on this
// device, unless before has them with the same credentials: by their certificate usage,
// where the device has no trust store, by their server's name, or by the kind of their
// key. A bootstrap must not bring them. A record is not judged by that: one account of
// it that is of no use keeps nobody from using the others. The error is of type
// [Faults].
func CheckNew(before, after *lwm2m.Tree, trustStore bool) error {
	former, _ := fromTree(before)
	accts, _ := fromTree(after)
	var faults Faults
	for _, a := range accts {
		fault := func(id uint16, reason Reason) {
			faults = append(faults, &Fault{Path: lwm2m.PathOf(objects.Security, a.SecurityInstance, id), Reason: reason})
		}
		c := a.Credentials
		same := func(b messages.Account) bool { return b.Peer == a.Peer && reflect.DeepEqual(b.Credentials, c) }
		if a.Peer == messages.BootstrapPeer() || slices.ContainsFunc(former, same) {
			continue // no matter of a bootstrap
		}
		if !ValidServerName(c.ServerName) {
			fault(objects.SecuritySNI, ReasonServerName)
		}
		if c.Mode != messages.SecurityX509 {
			continue
		}
		if c.Usage.NeedsTrustStore() && !trustStore {
			fault(objects.SecurityCertificateUsage, ReasonNoTrustStore)
		}
		if public, _ := parsePrivateKey(c.PrivateKey); !signs(public) {
			fault(objects.SecuritySecretKey, ReasonKeyType)
		}
	}
	return faults.orNil()
}

// signs reports whether a key is of a kind with which handshakes are signed.
func signs(public PublicKey) bool {
	key, ok := public.(*ecdsa.PublicKey)
	return ok && (SupportedCurve(key.Curve) || key.Curve == elliptic.P521())
}
