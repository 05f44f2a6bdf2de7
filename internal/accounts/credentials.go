package accounts

import (
	"crypto"
	"crypto/x509"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// Bounds of credentials: what RFC 7925 section 4.2 asks of a PSK identity and
// key, and the longest chain that a handshake of ours sends or takes.
const (
	maxIdentity     = 128 // bytes
	maxKey          = 64  // bytes
	maxCertificates = 10
)

// credentials reads what the security mode needs; servers fill the resources
// that it does not need with anything.
func (r *reader) credentials(mode int64) messages.Credentials {
	switch mode {
	case objects.ModeNoSec:
		return messages.Credentials{Mode: messages.SecurityNoSec}
	case objects.ModePSK:
		return r.psk()
	case objects.ModeX509:
		return r.x509()
	case objects.ModeRPK:
		return r.rawPublicKeys()
	case objects.ModeEST:
		return r.enrolling()
	default:
		r.fault(objects.SecurityMode, ReasonMode, nil)
	}
	return messages.Credentials{}
}

func (r *reader) psk() messages.Credentials {
	identity := r.bytes(objects.SecurityPublicKeyOrIdentity)
	if !utf8.Valid(identity) {
		r.fault(objects.SecurityPublicKeyOrIdentity, ReasonUTF8, nil)
	}
	if len(identity) > maxIdentity {
		r.fault(objects.SecurityPublicKeyOrIdentity, ReasonTooLong, nil)
	}
	key := r.bytes(objects.SecuritySecretKey)
	if len(key) > maxKey {
		r.fault(objects.SecuritySecretKey, ReasonTooLong, nil)
	}
	return messages.Credentials{
		Mode:       messages.SecurityPSK,
		Identity:   string(identity),
		Key:        key,
		ServerName: r.serverName(),
	}
}

func (r *reader) x509() messages.Credentials {
	chain := r.certificates(objects.SecurityPublicKeyOrIdentity)
	c := messages.Credentials{Mode: messages.SecurityX509}
	c.PrivateKey, chain = r.privateKey(chain)
	c.Certificate = raw(chain)
	c.Usage = r.usage()
	c.Matching, c.ServerCertificates = r.server()
	c.ServerName = r.serverName()
	return c
}

// enrolling reads security mode 4: the server's certificate. The own one is enrolled for, and
// stands in a record of its own ([Enrolled]).
func (r *reader) enrolling() messages.Credentials {
	c := messages.Credentials{Mode: messages.SecurityEST, Usage: r.usage()}
	c.Matching, c.ServerCertificates = r.server()
	c.ServerName = r.serverName()
	return c
}

// certificates reads concatenated DER certificates: one in most cases, a chain
// or several anchors where a configuration names a PEM file of many.
func (r *reader) certificates(id uint16) []*x509.Certificate {
	der := r.bytes(id)
	if len(der) == 0 {
		return nil
	}
	certs, err := x509.ParseCertificates(der)
	switch {
	case err != nil:
		r.fault(id, ReasonCertificate, err)
	case len(certs) > maxCertificates:
		r.fault(id, ReasonTooLong, nil)
	default:
		return certs
	}
	return nil
}

func raw(certs []*x509.Certificate) [][]byte {
	var der [][]byte
	for _, c := range certs {
		der = append(der, c.Raw)
	}
	return der
}

// privateKey reads the key, and puts the chain in order by it. The parser's error
// is not kept: it speaks of secret bytes.
func (r *reader) privateKey(chain []*x509.Certificate) (messages.Secret, []*x509.Certificate) {
	der := r.bytes(objects.SecuritySecretKey)
	if len(der) == 0 {
		return nil, chain
	}
	public, ok := parsePrivateKey(der)
	if !ok {
		r.fault(objects.SecuritySecretKey, noKey(der), nil)
		return der, chain
	}
	ordered, ok := Arrange(chain, public)
	if !ok && len(chain) > 0 {
		r.fault(objects.SecuritySecretKey, ReasonKeyMismatch, nil)
	}
	return der, ordered
}

// PublicKey is what the public keys of the standard library implement.
type PublicKey interface{ Equal(crypto.PublicKey) bool }

// parsePrivateKey returns the public half of a key in PKCS #8 or SEC 1, or of
// one that is held outside.
func parsePrivateKey(der []byte) (PublicKey, bool) {
	if held, ok := HeldOutside(der); ok {
		return held, true
	}
	var key any
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if key, err = x509.ParseECPrivateKey(der); err != nil {
			return nil, false
		}
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, false
	}
	public, ok := signer.Public().(PublicKey)
	return public, ok
}
