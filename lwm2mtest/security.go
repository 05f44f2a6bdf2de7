package lwm2mtest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"maps"

	"github.com/pion/dtls/v2"
	"github.com/pion/logging"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Security says how a [Service] protects its connections: the zero value is
// NoSec, plain CoAP; otherwise it is DTLS 1.2 with pre-shared keys or with
// certificates. When both are set, certificates are ignored.
type Security struct {
	// PSK maps identities to keys.
	PSK map[string]lwm2m.Secret
	// Certificate is the server's ECDSA certificate with its chain.
	Certificate *tls.Certificate
	// ClientCAs verify client certificates.
	ClientCAs *x509.CertPool
	// ConnectionID gives a client that offers to use Connection IDs one of 8 bytes: its
	// session goes on wherever it comes from (RFC 9146).
	ConnectionID bool
	// Resumption lets a client resume a session by its ID (RFC 5246 section 7.3). The
	// library of this server does not support both together.
	Resumption bool
	// RequireClientCertificate refuses clients without a certificate.
	RequireClientCertificate bool
}

// NoSec is plain CoAP.
func NoSec() Security { return Security{} }

// PSK is DTLS with one pre-shared key.
func PSK(identity string, key []byte) Security {
	return Security{PSK: map[string]lwm2m.Secret{identity: key}}
}

// X509 is DTLS with a server certificate, and a client certificate that
// verifies against clientCAs when that is not nil.
func X509(certificate tls.Certificate, clientCAs *x509.CertPool) Security {
	return Security{Certificate: &certificate, ClientCAs: clientCAs, RequireClientCertificate: clientCAs != nil}
}

func (s Security) secured() bool { return s.PSK != nil || s.Certificate != nil }

func (s Security) clone() Security {
	s.PSK = maps.Clone(s.PSK)
	return s
}

// Cipher suites that LwM2M clients must be able to use, chosen explicitly:
// never ECDHE_PSK, whose code in pion panics on crafted messages.
var (
	pskSuites         = []dtls.CipherSuiteID{dtls.TLS_PSK_WITH_AES_128_CCM_8, dtls.TLS_PSK_WITH_AES_128_GCM_SHA256}
	certificateSuites = []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
)

// errUnknownIdentity makes pion send an alert.
var errUnknownIdentity = errors.New("lwm2mtest: unknown PSK identity")

// silentLogs keeps pion from writing to stderr.
var silentLogs = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}

// dtlsConfig returns the configuration of one handshake. The server's lock is
// held now, but not when the callback runs.
func (v *Service) dtlsConfig() *dtls.Config {
	c := &dtls.Config{LoggerFactory: silentLogs, ExtendedMasterSecret: dtls.RequestExtendedMasterSecret}
	if v.security.Resumption {
		c.SessionStore = resumable{v}
	}
	if v.security.PSK != nil {
		c.CipherSuites = pskSuites
		c.PSK = v.pskKey
		return c
	}
	c.CipherSuites = certificateSuites
	c.Certificates = []tls.Certificate{*v.security.Certificate}
	c.ClientCAs = v.security.ClientCAs
	switch {
	case v.security.RequireClientCertificate:
		c.ClientAuth = dtls.RequireAndVerifyClientCert
	case v.security.ClientCAs != nil:
		c.ClientAuth = dtls.VerifyClientCertIfGiven
	}
	return c
}

// pskKey looks an identity up at the time of the handshake.
func (v *Service) pskKey(identity []byte) ([]byte, error) {
	v.server.mu.Lock()
	defer v.server.mu.Unlock()
	key, ok := v.security.PSK[string(identity)]
	if !ok {
		return nil, errUnknownIdentity
	}
	return bytes.Clone(key), nil
}

// peerIdentity returns who the client has proved to be: its PSK identity or
// the common name of its certificate.
func peerIdentity(state dtls.State) string {
	if len(state.PeerCertificates) > 0 {
		leaf, err := x509.ParseCertificate(state.PeerCertificates[0])
		if err != nil {
			return ""
		}
		return leaf.Subject.CommonName
	}
	return string(state.IdentityHint)
}
