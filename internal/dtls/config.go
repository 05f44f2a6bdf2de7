package dtls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"io"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
)

// Config describes one handshake. Exactly one of PSK and Certificate is set.
type Config struct {
	// Random is where randomness comes from: crypto/rand.Reader but in tests.
	Random io.Reader
	// Suites are offered in this order; nil means all that go with the
	// credentials.
	Suites []SuiteID
	// ServerName is sent as SNI (RFC 6066 section 3): a DNS name, or empty.
	ServerName  string
	PSK         *PSK
	Certificate *Certificate
	// CID, when not nil, offers Connection IDs (RFC 9146): it is the one that
	// the server's records shall carry, and may be empty, which asks for none
	// and lets the server ask for one. Not together with Resume.
	CID []byte
	// Resume, when not nil, offers to resume a session by its ID.
	Resume *Resumption
	// MTU is the greatest size of a datagram of the handshake, in bytes; 0
	// means 1,200, which passes every IPv6 link. From its third resend on a
	// flight is cut for 548 at most.
	MTU int
}

// PSK is a pre-shared key (RFC 4279). The key stands behind a function, so that
// no way of printing the configuration shows it.
type PSK struct {
	Identity []byte
	Key      func() []byte
}

// Certificate is the client's own credentials and its judgement of the
// server's, by X.509 or, where VerifyKey is set, by raw public key (RFC 7250).
type Certificate struct {
	// Chain is what the client shows: certificates in DER, leaf first, or one
	// SubjectPublicKeyInfo.
	Chain [][]byte
	// Signer has the leaf's ECDSA key. It is called in the middle of
	// [Handshake.Receive], once for a flight, and may be hardware.
	Signer crypto.Signer
	// VerifyChain decides whether the server is the right one, from its
	// chain, leaf first, of known key types and bounded sizes. That the
	// server holds the leaf's key is proven afterwards.
	VerifyChain func(chain []*x509.Certificate, now time.Time) error
	// VerifyKey decides the same from a SubjectPublicKeyInfo.
	VerifyKey func(spki []byte) error
}

const (
	defaultMTU  = 1200
	smallestMTU = 128
	// cautiousMTU is what every IPv4 host takes, 576 bytes, without the IP and
	// UDP headers (RFC 6347 section 4.1.1.1 asks for smaller datagrams where
	// resends are not answered).
	cautiousMTU = 548
	// maxIdentity bounds a PSK identity (RFC 4279 section 5.3 asks for at
	// least 128 bytes).
	maxIdentity = 1 << 10
)

// ConfigError says what cannot be in a [Config]; no datagram was made.
type ConfigError struct{ What string }

// Error returns a sentence for a person.
func (e *ConfigError) Error() string { return "DTLS configuration: " + e.What }

// check finds what a handshake would fail on, and fills in defaults.
func (c *Config) check() error {
	switch {
	case c.Random == nil:
		return &ConfigError{"no source of randomness"}
	case (c.PSK == nil) == (c.Certificate == nil):
		return &ConfigError{"it takes a pre-shared key or a certificate"}
	case c.CID != nil && c.Resume != nil:
		return &ConfigError{"a Connection ID cannot be negotiated when a session is resumed"}
	case len(c.CID) > 255:
		return &ConfigError{"the Connection ID has more than 255 bytes"}
	case len(c.ServerName) > 255:
		return &ConfigError{"the server name has more than 255 bytes"}
	}
	if c.Suites == nil {
		c.Suites = suitesFor(c.PSK != nil)
	}
	if c.MTU == 0 {
		c.MTU = defaultMTU
	}
	c.MTU = max(c.MTU, smallestMTU)
	if err := c.checkCredentials(); err != nil || c.Resume == nil {
		return err
	}
	return c.Resume.check(c.Suites)
}

func (c *Config) checkCredentials() error {
	for _, id := range c.Suites {
		if s := suiteOf(id); s == nil || s.psk != (c.PSK != nil) {
			return &ConfigError{fmt.Sprintf("%s does not go with the credentials", id)}
		}
	}
	if c.PSK != nil {
		if len(c.PSK.Identity) > maxIdentity || c.PSK.Key == nil || len(c.PSK.Key()) == 0 {
			return &ConfigError{"the pre-shared key is empty or its identity too long"}
		}
		return nil
	}
	return c.Certificate.check()
}

func (c *Certificate) check() error {
	if (c.VerifyChain == nil) == (c.VerifyKey == nil) {
		return &ConfigError{"it takes one way to verify the server"}
	}
	if c.Signer == nil {
		return &ConfigError{"no key to sign with"}
	}
	if _, ok := c.Signer.Public().(*ecdsa.PublicKey); !ok {
		return &ConfigError{"the key to sign with is not an ECDSA key"}
	}
	size := 0
	for _, der := range c.Chain {
		size += len(der) + 3
	}
	if len(c.Chain) == 0 || size > handshake.MaxCertificates {
		return &ConfigError{"no own certificate, or more than 64 KiB of them"}
	}
	return nil
}

// raw reports whether raw public keys take the place of certificates.
func (c *Config) raw() bool { return c.Certificate != nil && c.Certificate.VerifyKey != nil }
