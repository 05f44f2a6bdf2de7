package lwm2mtest

import (
	"cmp"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// The values of resource /0/x/2 that an account here can have.
const (
	modePSK   = 0
	modeX509  = 2
	modeNoSec = 3
	modeEST   = 4
)

// AccountConfig describes a management server account, for
// [AccountConfig.Writes]. Which keys are set decides the security mode: a PSK
// key makes it PSK, a certificate X.509, Enrol X.509 with a certificate that the client
// enrols for, none of them NoSec.
type AccountConfig struct {
	SecurityInstance uint16        // of object 0; 0 means 1, as /0/0 is the bootstrap account
	ServerInstance   uint16        // of object 1
	URI              string        // "coaps://host:port"
	ShortServerID    uint16        // 0 means 1
	Lifetime         time.Duration // whole seconds; 0 means 86400 s
	Binding          string        // empty means "U"

	PSKIdentity string
	PSKKey      lwm2m.Secret

	Certificate       []byte       // the client's, DER
	PrivateKey        lwm2m.Secret // the client's, PKCS #8 or SEC 1, DER
	ServerCertificate []byte       // DER: what CertificateUsage says
	// CertificateUsage is resource 15, 0 to 3 (RFC 6698 section 2.1.1). Nil leaves it out, which means 3, the
	// server's own certificate.
	CertificateUsage *uint8
	// MatchingType is resource 13, 0 to 3 (RFC 6698 section 2.1.3): with 1 to 3 ServerCertificate is a SHA-256, SHA-384 or
	// SHA-512 digest. 0 leaves it out, which means that it is the certificate.
	MatchingType uint8

	// Enrol has the client make a key and enrol for its certificate (mode 4, EST). Certificate
	// and PrivateKey stay empty.
	Enrol bool

	// Format of the encoding. Nil takes the format that the client prefers.
	Format *lwm2m.Format
}

// Writes returns the Bootstrap-Writes of the account: its Security instance
// and its Server instance.
func (a AccountConfig) Writes() []BootstrapWrite {
	security := lwm2m.PathOf(objects.Security, cmp.Or(a.SecurityInstance, 1))
	server := lwm2m.PathOf(objects.Server, a.ServerInstance)
	return []BootstrapWrite{
		{Path: security.String(), Nodes: a.securityNodes(security), Format: a.Format},
		{Path: server.String(), Nodes: a.serverNodes(server), Format: a.Format},
	}
}

func (a AccountConfig) securityNodes(at lwm2m.Path) []lwm2m.Node {
	mode, identity, peer, secret := a.keys()
	nodes := []lwm2m.Node{
		{Path: at.Child(objects.SecurityServerURI), Value: lwm2m.String(a.URI)},
		{Path: at.Child(objects.SecurityBootstrapServer), Value: lwm2m.Boolean(false)},
		{Path: at.Child(objects.SecurityMode), Value: lwm2m.Integer(mode)},
		{Path: at.Child(objects.SecurityPublicKeyOrIdentity), Value: lwm2m.Opaque(identity)},
		{Path: at.Child(objects.SecurityServerPublicKey), Value: lwm2m.Opaque(peer)},
		{Path: at.Child(objects.SecuritySecretKey), Value: lwm2m.Opaque(secret)},
		{Path: at.Child(objects.SecurityShortServerID), Value: lwm2m.Integer(a.shortServerID())},
	}
	if a.CertificateUsage != nil {
		usage := lwm2m.Unsigned(uint64(*a.CertificateUsage))
		nodes = append(nodes, lwm2m.Node{Path: at.Child(objects.SecurityCertificateUsage), Value: usage})
	}
	if a.MatchingType != 0 {
		matching := lwm2m.Unsigned(uint64(a.MatchingType))
		nodes = append(nodes, lwm2m.Node{Path: at.Child(objects.SecurityMatchingType), Value: matching})
	}
	return nodes
}

// keys returns the mode and resources 3, 4 and 5.
func (a AccountConfig) keys() (mode int64, identity, peer, secret []byte) {
	switch {
	case a.PSKKey != nil:
		return modePSK, []byte(a.PSKIdentity), nil, a.PSKKey
	case a.Enrol:
		return modeEST, nil, a.ServerCertificate, nil
	case a.Certificate != nil:
		return modeX509, a.Certificate, a.ServerCertificate, a.PrivateKey
	}
	return modeNoSec, nil, nil, nil
}

func (a AccountConfig) serverNodes(at lwm2m.Path) []lwm2m.Node {
	lifetime := int64(cmp.Or(a.Lifetime, defaultLifetime) / time.Second)
	return []lwm2m.Node{
		{Path: at.Child(objects.ServerShortServerID), Value: lwm2m.Integer(a.shortServerID())},
		{Path: at.Child(objects.ServerLifetime), Value: lwm2m.Integer(lifetime)},
		{Path: at.Child(objects.ServerNotificationStoring), Value: lwm2m.Boolean(true)},
		{Path: at.Child(objects.ServerBinding), Value: lwm2m.String(cmp.Or(a.Binding, "U"))},
	}
}

func (a AccountConfig) shortServerID() int64 { return int64(cmp.Or(a.ShortServerID, 1)) }
