package messages

import (
	"cmp"
	"crypto"
	"strconv"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
)

// PeerKind says what the other end of a link is to the client.
type PeerKind uint8

// The kinds of peers.
const (
	PeerBootstrap  PeerKind = iota + 1 // the bootstrap server
	PeerManagement                     // a management server
	PeerDownload                       // a server that holds a firmware image
	PeerEnrolment                      // a server that is asked for, or shown, a new certificate of an account
)

// Peer names the other end of a link within one client. It is comparable; its
// zero value names no one.
type Peer struct {
	Kind PeerKind
	// ID tells peers of one kind apart: the short server ID of a management
	// server (1 to 65534), also where a link is for its certificate; 0 for the bootstrap
	// server.
	ID uint16
}

// BootstrapPeer returns the peer that is the bootstrap server.
func BootstrapPeer() Peer { return Peer{Kind: PeerBootstrap} }

// ManagementPeer returns the management server with a short server ID.
func ManagementPeer(shortServerID uint16) Peer {
	return Peer{Kind: PeerManagement, ID: shortServerID}
}

// EnrolmentPeer returns the peer of a link that is for the certificate of the account with a
// short server ID.
func EnrolmentPeer(shortServerID uint16) Peer { return Peer{Kind: PeerEnrolment, ID: shortServerID} }

// Key returns a number that is the peer's alone, and never 0 for a peer of a
// kind; [PeerOfKey] returns the peer.
func (p Peer) Key() uint64 { return uint64(p.Kind)<<16 | uint64(p.ID) }

// PeerOfKey returns the peer that has the key.
func PeerOfKey(key uint64) Peer { return Peer{Kind: PeerKind(key >> 16), ID: uint16(key)} }

// Compare orders peers: the bootstrap server first, then the management servers
// by their short server IDs, then downloads and enrolments. It returns -1, 0 or 1.
func (p Peer) Compare(q Peer) int {
	return cmp.Or(cmp.Compare(p.Kind, q.Kind), cmp.Compare(p.ID, q.ID))
}

// String returns "bootstrap", "server N", "download N" or "enrolment N", for logs, events and
// test failures.
func (p Peer) String() string {
	switch p.Kind {
	case PeerBootstrap:
		return "bootstrap"
	case PeerManagement:
		return "server " + strconv.Itoa(int(p.ID))
	case PeerDownload:
		return "download " + strconv.Itoa(int(p.ID))
	case PeerEnrolment:
		return "enrolment " + strconv.Itoa(int(p.ID))
	}
	return "nobody"
}

// SecurityMode is the value of resource /0/x/2.
type SecurityMode uint8

// Security modes (LwM2M Core, Security object). With EST the account has no certificate
// yet: a link with it is refused.
const (
	SecurityPSK   SecurityMode = 0
	SecurityRPK   SecurityMode = 1
	SecurityX509  SecurityMode = 2
	SecurityNoSec SecurityMode = 3
	SecurityEST   SecurityMode = 4
)

// String returns the mode as the configuration writes it.
func (m SecurityMode) String() string {
	switch m {
	case SecurityPSK:
		return "psk"
	case SecurityRPK:
		return "rpk"
	case SecurityX509:
		return "x509"
	case SecurityNoSec:
		return "nosec"
	case SecurityEST:
		return "est"
	}
	return "mode " + strconv.Itoa(int(m))
}

// CertificateUsage is the value of resource /0/x/15 (RFC 6698 section 2.1.1).
type CertificateUsage uint8

// The certificate usages. The first two need a trust store of the device.
const (
	UsageCAConstraint      CertificateUsage = 0 // PKIX-TA: a chain to the trust store has the authority of resource 4, the name is checked
	UsageCertConstraint    CertificateUsage = 1 // PKIX-EE: the leaf is that of resource 4, with a chain to the trust store, the name is checked
	UsageTrustAnchor       CertificateUsage = 2 // DANE-TA: resource 4 is the only trust anchor, the name is checked
	UsageServerCertificate CertificateUsage = 3 // DANE-EE: the leaf equals resource 4; the default
)

// NeedsTrustStore reports whether a server's chain has to lead to the trust store of
// the device.
func (u CertificateUsage) NeedsTrustStore() bool {
	return u == UsageCAConstraint || u == UsageCertConstraint
}

// MatchingType is the value of resource /0/x/13 (RFC 6698 section 2.1.3): how
// resource 4 presents a certificate or a public key.
type MatchingType uint8

// The matching types.
const (
	MatchExact  MatchingType = 0 // as it is; the default
	MatchSHA256 MatchingType = 1
	MatchSHA384 MatchingType = 2
	MatchSHA512 MatchingType = 3
)

// Hash returns the hash function; 0 for [MatchExact] and for what is no matching type.
func (m MatchingType) Hash() crypto.Hash {
	switch m {
	case MatchSHA256:
		return crypto.SHA256
	case MatchSHA384:
		return crypto.SHA384
	case MatchSHA512:
		return crypto.SHA512
	}
	return 0
}

// Secret is key material. It prints as its length only.
type Secret = lwm2m.Secret

// Credentials are what an account's (D)TLS session needs.
type Credentials struct {
	Mode SecurityMode

	Identity string // PSK identity, UTF-8, at most 128 bytes
	Key      Secret // PSK key

	// Certificate is the own certificate chain, DER, leaf first; with raw public
	// keys it is the own SubjectPublicKeyInfo (RFC 7250 section 3), DER, alone.
	Certificate [][]byte
	// PrivateKey is PKCS #8 or SEC 1, DER; or, for a key that a signer of the
	// application holds, its public half as SubjectPublicKeyInfo.
	PrivateKey Secret

	Usage    CertificateUsage // what ServerCertificates means
	Matching MatchingType     // how ServerCertificates are presented
	// ServerCertificates are authorities (usages 0 and 2) or the server's own
	// certificate (usages 1 and 3): certificates or SubjectPublicKeyInfos in DER,
	// or digests of either, by Matching. One of them has to match. Never empty
	// with X.509. With raw public keys it is the server's SubjectPublicKeyInfo,
	// DER, alone, or digests of it: the server's key must be that one, and Usage
	// and ServerName do not count for its proof.
	ServerCertificates [][]byte
	ServerName         string // SNI and the name to verify; empty: the URI's host
}

// Account is one server account as the supervisor hands it to the actors of
// an incarnation: the Security instance and, for a management server, the
// Server instance, validated and decoded.
type Account struct {
	Peer             Peer
	SecurityInstance uint16
	ServerInstance   uint16 // meaningless for the bootstrap account
	// Enrols says that the own certificate is enrolled for (security mode 4). The mode of
	// Credentials is SecurityEST until there is one, and then SecurityX509.
	Enrols bool
	// Queue says that the client is in queue mode (LwM2M Core section 6.2.3): the
	// binding of the account, /1/x/7, has a Q, or the client is always so.
	Queue bool
	URI   uri.URI
	// Server is the URI as it was written, for events; empty: URI's normal
	// form.
	Server      string
	Credentials Credentials
	Lifetime    time.Duration // registration lifetime, whole seconds; 0 is infinite
	HoldOff     time.Duration // /0/x/11, a floor of the first bootstrap attempt
	// Disable is /1/x/5, for how long an Execute of /1/x/4 disables the account: whole
	// seconds; nil means not written, which stands for 24 hours.
	Disable *time.Duration
	Retry   Retry
}

// Retry holds the resources /1/x/13 to 20, as far as a bootstrap or a server
// has written them (LwM2M Core section 6.2.1.2); nil means not written.
type Retry struct {
	Priority      *uint64        // 13: order among servers, lowest first
	InitialDelay  *time.Duration // 14: before the first Register after a bootstrap; default 0
	FailureBlock  *bool          // 15: a failure keeps the servers behind from being tried; default false
	Bootstrap     *bool          // 16: bootstrap when the registration has failed; default true
	Count         *uint64        // 17: attempts in a sequence; default 5
	Timer         *time.Duration // 18: first delay in a sequence; default 60 s
	SequenceDelay *time.Duration // 19: between sequences; default 24 h
	SequenceCount *uint64        // 20: sequences; default 1
}

// Written reports whether any of the retry resources 17 to 20 is there.
func (r Retry) Written() bool {
	return r.Count != nil || r.Timer != nil || r.SequenceDelay != nil || r.SequenceCount != nil
}
