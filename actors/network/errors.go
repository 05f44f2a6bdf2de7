package network

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// ResolveReason says why a host could not be resolved.
type ResolveReason uint8

// The reasons of a [ResolveError].
const (
	ResolveFailed        ResolveReason = iota // the resolver could not be asked, or nothing else fits
	ResolveNotFound                           // the name does not exist (NXDOMAIN), or has no address record
	ResolveServerFailure                      // a name server failed (SERVFAIL), a later try may succeed
	ResolveTimeout                            // no name server answered in time
	ResolveNoAddress                          // addresses came, but a client can send to none of them
)

// String returns the reason in words.
func (r ResolveReason) String() string {
	names := [...]string{"lookup failed", "no such host", "name server failed", "name server timed out", "no usable address"}
	if int(r) < len(names) {
		return names[r]
	}
	return "invalid reason"
}

// ResolveError says that a host name led to no address. Err, when not nil, is
// what the resolver said; errors.As reaches a *net.DNSError through it.
type ResolveError struct {
	Host   string
	Reason ResolveReason
	Err    error
}

// Error returns a sentence for a person.
func (e *ResolveError) Error() string {
	return withCause("resolving "+strconv.Quote(e.Host)+": "+e.Reason.String(), e.Err)
}

// Unwrap returns what the resolver said.
func (e *ResolveError) Unwrap() error { return e.Err }

// LocalError says that a host, which another server has named, has only addresses that lead
// back to this machine or to its links, and that the configuration does not allow that.
type LocalError struct {
	Host string
	Addr netip.Addr // the first of them
}

// Error returns a sentence for a person.
func (e *LocalError) Error() string {
	text := "the address " + e.Addr.String() + " is one of this machine or of its links"
	if e.Host != e.Addr.String() {
		text = strconv.Quote(e.Host) + " has no other: " + text
	}
	return text + " (name the host in firmware.allow_hosts if that is meant)"
}

// The operations of a [SocketError].
const (
	opDial  = "dial"
	opRead  = "read"
	opWrite = "write"
)

// SocketError says that an operation on the link's socket failed. The errno
// behind Err decides the class; errors.Is reaches it.
type SocketError struct {
	Op     string // "dial", "read" or "write"
	Remote netip.AddrPort
	Err    error
}

// Error returns a sentence for a person.
func (e *SocketError) Error() string {
	return withCause(e.Op+" "+e.Remote.String(), innermost(e.Err))
}

// Unwrap returns the operation's error.
func (e *SocketError) Unwrap() error { return e.Err }

// ZoneError says that a link-local address cannot be reached, since its zone names no
// interface of this machine, or since it has none. The interface may come later: a
// modem that is plugged in, a bridge that is set up.
type ZoneError struct{ Addr netip.Addr }

// Error returns a sentence for a person.
func (e *ZoneError) Error() string {
	if zone := e.Addr.Zone(); zone != "" {
		return "this machine has no interface " + strconv.Quote(zone)
	}
	return "the address is one of a link: name the interface that leads there, as in [" + e.Addr.String() + "%25eth0]"
}

// AlertError says that the peer ended the handshake or the session with a
// fatal alert. Before a handshake is complete an alert is not authenticated:
// anyone can send one.
type AlertError struct {
	Number uint8
	// Answered is true when the alert came after the server's whole flight
	// had come, without contradiction, and had been answered with the proof
	// of the own credentials: only such an alert can be about them.
	Answered bool
}

// Error names the alert as RFC 5246 section 7.2 does.
func (e *AlertError) Error() string {
	if e.Number == alertCloseNotify {
		return "the server closed the session during the handshake"
	}
	return fmt.Sprintf("the server refused with alert %d (%s)", e.Number, AlertName(e.Number))
}

// HandshakeTimeoutError says that a handshake did not finish by its deadline.
type HandshakeTimeoutError struct {
	// Datagrams counts what came from the peer's address at all.
	Datagrams int
	// Foreign counts those of them that hold no DTLS; CoAP is true when one looks
	// like a message of plain CoAP.
	Foreign int
	CoAP    bool
	// ServerHello is true when the peer had begun to answer.
	ServerHello bool
	// Complete is true when the peer's flight had come whole and was
	// answered: a peer that then falls silent often holds another key.
	Complete bool
	// Contradicted is true when messages came that cannot all be the peer's.
	// Then its silence says nothing about the key.
	Contradicted bool
}

func newHandshakeTimeout(p dtls.Progress) *HandshakeTimeoutError {
	return &HandshakeTimeoutError{
		Datagrams: p.Datagrams, Foreign: p.Foreign, CoAP: p.CoAP, ServerHello: p.ServerHello, Complete: p.Complete, Contradicted: p.Contradicted,
	}
}

// foreign reports whether the peer speaks, and no DTLS.
func (e *HandshakeTimeoutError) foreign() bool { return e.Foreign > 0 && e.Foreign == e.Datagrams }

// Stalled reports whether all that the server had to say had come, and it was
// silent only on the proof of the own credentials.
func (e *HandshakeTimeoutError) Stalled() bool { return e.Complete && !e.Contradicted }

// Error returns a sentence for a person.
func (e *HandshakeTimeoutError) Error() string {
	switch {
	case e.Stalled():
		return "handshake timed out: the server sent its whole flight and fell silent at our answer (another key?)"
	case e.Contradicted:
		return "handshake timed out: messages came that contradict each other; somebody may be forging the server's"
	case e.ServerHello:
		return "handshake timed out: the server's flight never came whole"
	case e.foreign() && e.CoAP:
		return "handshake timed out: what came is plain CoAP and no DTLS"
	case e.foreign():
		return fmt.Sprintf("handshake timed out: %d datagrams came, none of them DTLS", e.Datagrams)
	case e.Datagrams > 0:
		return fmt.Sprintf("handshake timed out: %d datagrams came, but no ServerHello", e.Datagrams)
	}
	return "handshake timed out: nothing came back"
}

// HandshakeError says that this side ended a handshake for a reason other
// than the server's certificate: no common suite, a message that breaks the
// protocol.
type HandshakeError struct {
	Alert uint8 // the fatal alert that was sent, 0 when none was
	Err   error
}

// Error returns a sentence for a person.
func (e *HandshakeError) Error() string {
	if e.Alert == 0 {
		return withCause("handshake failed", e.Err)
	}
	return withCause(fmt.Sprintf("handshake ended with our alert %d (%s)", e.Alert, AlertName(e.Alert)), e.Err)
}

// Unwrap returns why.
func (e *HandshakeError) Unwrap() error { return e.Err }

// ServerCertificateError says that the server's certificate does not verify.
// errors.As reaches x509.UnknownAuthorityError, x509.CertificateInvalidError
// or, behind a NameError, x509.HostnameError through it.
type ServerCertificateError struct{ Err error }

// Error returns a sentence for a person.
func (e *ServerCertificateError) Error() string { return withCause("server certificate", e.Err) }

// Unwrap returns what is wrong with the certificate.
func (e *ServerCertificateError) Unwrap() error { return e.Err }

// UnexpectedCertificateError says that the server's certificate is not the
// one that the credentials name (certificate usages 1 and 3).
type UnexpectedCertificateError struct{ Subject string }

// Error returns a sentence for a person.
func (e *UnexpectedCertificateError) Error() string {
	return "the server presented another certificate than the stored one: " + strconv.Quote(e.Subject)
}

// UnexpectedAuthorityError says that none of the authorities of the server's chain is
// one that the credentials name (certificate usages 0 and 2).
type UnexpectedAuthorityError struct{ Err error } // what package x509 says; may be nil

// Error returns a sentence for a person.
func (*UnexpectedAuthorityError) Error() string {
	return "the server's certificate comes from another authority than the stored one, or the server does not show that one"
}

// Unwrap returns what package x509 says.
func (e *UnexpectedAuthorityError) Unwrap() error { return e.Err }

// KeyUsageError says that the server's certificate is not meant for signatures, with
// which a server proves in a handshake that it has the key.
type KeyUsageError struct{}

// Error returns a sentence for a person.
func (*KeyUsageError) Error() string {
	return "its key may not be used for digital signatures (issue it with the key usage digitalSignature)"
}

// UnexpectedKeyError says that the server's raw public key is not the one that
// the credentials name.
type UnexpectedKeyError struct{}

// Error returns a sentence for a person.
func (*UnexpectedKeyError) Error() string {
	return "the server presented another public key than the stored one"
}

// Period is when a certificate, or all of a chain, is valid, and what is known of
// the time.
type Period struct {
	NotBefore, NotAfter time.Time
	Clock               validity.Clock
}

func (p Period) verdict() validity.Verdict { return p.Clock.Judge(p.NotBefore, p.NotAfter) }

// validIn returns how long it takes until the period begins, by the clock as it is.
func (p Period) validIn() time.Duration { return max(p.NotBefore.Sub(p.Clock.Now), 0) }

// of returns a sentence for a person about whose period it is.
func (p Period) of(whose string) string {
	blamed := p.Clock.Says(p.NotBefore, p.NotAfter)
	return whose + " " + cmp.Or(blamed, "expired at "+p.NotAfter.UTC().Format(time.RFC3339))
}

// OwnCertificateError says that the client's own certificate is not valid at
// present, by the local clock. No packet was sent.
type OwnCertificateError struct{ Period }

// Error returns a sentence for a person.
func (e *OwnCertificateError) Error() string { return e.of("own certificate") }

// ServerPeriodError says that the server's certificate is genuine, and not valid
// at present by a clock that is, or may be, wrong. A [ServerCertificateError] has it.
type ServerPeriodError struct{ Period }

// Error returns a sentence for a person.
func (e *ServerPeriodError) Error() string { return e.of("it") }

// CredentialsReason says what makes credentials unusable.
type CredentialsReason uint8

// The reasons of a [CredentialsError].
const (
	EmptyKey             CredentialsReason = iota + 1 // no PSK key
	BadIdentity                                       // PSK identity not UTF-8, or above 128 bytes
	NoCertificate                                     // no own certificate
	BadCertificate                                    // own certificate is not an X.509 certificate
	BadPrivateKey                                     // neither PKCS #8 nor SEC 1, or not an ECDSA key
	KeyMismatch                                       // the private key is not the certificate's
	NoServerCertificate                               // nothing to verify the server with
	BadServerCertificate                              // what is stored is not an X.509 certificate
	UnsupportedUsage                                  // no certificate usage from 0 to 3
	BadPublicKey                                      // own raw public key is not a SubjectPublicKeyInfo
	BadServerKey                                      // the server's is none, or not for ECDSA
	NoSigner                                          // the key is held outside, and no signer has it
	SignerFailed                                      // the signer that holds the key could not sign
	NoTrustStore                                      // usages 0 and 1, and the device has none
	BadTrustStore                                     // the trust store cannot be read
	BadDigest                                         // what is stored is no digest of its matching type
)

// String returns the reason in words.
func (r CredentialsReason) String() string {
	names := [...]string{
		"", "the PSK key is empty", "the PSK identity is not UTF-8 of at most 128 bytes",
		"own certificate is missing", "own certificate does not parse", "the private key is not an ECDSA key in PKCS #8 or SEC 1",
		"the private key does not belong to the certificate", "server certificate is missing", "server certificate does not parse",
		"the certificate usage is none from 0 to 3",
		"own public key is not a SubjectPublicKeyInfo", "the server's public key is not a SubjectPublicKeyInfo of an ECDSA key on P-256 or P-384",
		"the private key is held outside of the store, and the configuration has no signer for it (Account.Signer)",
		"the signer that holds the private key could not sign",
		"the certificate usage asks for a chain to the trust store of the device, and it has none (configure trust_store)",
		"the trust store cannot be used (trust_store)",
		"what is stored of the server is no digest of its matching type",
	}
	if r > 0 && int(r) < len(names) {
		return names[r]
	}
	return "invalid reason"
}

// CredentialsError says that own credentials cannot be used. Only a signer's
// failure (SignerFailed) shows after the first packet. It never holds key
// material.
type CredentialsError struct {
	Reason CredentialsReason
	Err    error // may be nil
}

// Error returns a sentence for a person.
func (e *CredentialsError) Error() string { return withCause(e.Reason.String(), e.Err) }

// Unwrap returns the parser's error, if there is one.
func (e *CredentialsError) Unwrap() error { return e.Err }

// SecurityModeError says that a security mode is not supported, or does not
// go with the URI's scheme.
type SecurityModeError struct {
	Mode   messages.SecurityMode
	Scheme string
}

// Error returns a sentence for a person.
func (e *SecurityModeError) Error() string {
	if e.Mode == messages.SecurityEST {
		return "certificate enrolment (security mode 4) is not supported: use psk, rpk or x509"
	}
	return fmt.Sprintf("security mode %s does not go with the scheme %s", e.Mode, strconv.Quote(e.Scheme))
}

// ClosedError says that an established DTLS session is over: the peer sent
// close_notify or a fatal alert, or the session can carry no further record.
type ClosedError struct {
	Alert uint8 // the peer's, when Err is nil; 0 is close_notify
	Err   error
}

// Error returns a sentence for a person.
func (e *ClosedError) Error() string {
	if e.Err == nil && e.Alert != alertCloseNotify {
		return fmt.Sprintf("the server closed the session with alert %d (%s)", e.Alert, AlertName(e.Alert))
	}
	if e.Err == nil {
		return "the server closed the session"
	}
	return withCause("the session is closed", e.Err)
}

// Unwrap returns why the session can carry no further record.
func (e *ClosedError) Unwrap() error { return e.Err }

// DeadlineError says that a link was not up by its deadline and that nothing
// explicit had failed until then.
type DeadlineError struct {
	Stage messages.Stage
	// Signing: a signer was at work that holds the own key, and had not answered.
	Signing bool
}

// Error returns a sentence for a person.
func (e *DeadlineError) Error() string {
	if e.Stage == messages.StageResolving {
		return "the deadline passed while resolving"
	}
	if e.Signing {
		return "the deadline passed, and the signer that holds the private key had not answered"
	}
	return "the deadline passed while connecting"
}

func withCause(text string, err error) string {
	if err == nil {
		return text
	}
	return text + ": " + err.Error()
}
