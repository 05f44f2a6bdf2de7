package dtls

import (
	"errors"
	"fmt"
)

// Alert descriptions that this client sends (RFC 5246 section 7.2.2).
const (
	alertCloseNotify          uint8 = 0
	alertUnexpectedMessage    uint8 = 10
	alertHandshakeFailure     uint8 = 40
	alertBadCertificate       uint8 = 42
	alertUnsupportedCert      uint8 = 43
	alertIllegalParameter     uint8 = 47
	alertDecodeError          uint8 = 50
	alertDecryptError         uint8 = 51
	alertProtocolVersion      uint8 = 70
	alertInternalError        uint8 = 80
	alertUnsupportedExtension uint8 = 110

	levelWarning byte = 1
	levelFatal   byte = 2
)

// AlertError says that the server ended the handshake with a fatal alert, or
// with close_notify.
type AlertError struct {
	Number uint8
	// Authenticated: it came in a protected record. One in clear may be
	// anybody's.
	Authenticated bool
	// Answered: it came after the server's whole flight had been read
	// without contradiction, verified as far as its suite can, and answered
	// with this client's proof of its credentials. Only then may it be a
	// verdict on them.
	Answered bool
}

// Error returns a sentence for a person.
func (e *AlertError) Error() string {
	return fmt.Sprintf("the server ended the handshake with alert %d", e.Number)
}

// RefusalError says that this client ended the handshake, with which alert and
// why.
type RefusalError struct {
	Alert uint8
	Err   error
}

// Error returns a sentence for a person.
func (e *RefusalError) Error() string {
	return fmt.Sprintf("refused with alert %d: %v", e.Alert, e.Err)
}

// Unwrap returns why.
func (e *RefusalError) Unwrap() error { return e.Err }

// CertificateError says that the server's certificate, or raw public key, is
// not accepted: because of its form or size, or because of what VerifyChain or
// VerifyKey said, which Err wraps.
type CertificateError struct{ Err error }

// Error returns a sentence for a person.
func (e *CertificateError) Error() string { return "server certificate: " + e.Err.Error() }

// Unwrap returns why.
func (e *CertificateError) Unwrap() error { return e.Err }

// refusal makes the error of this side's refusal.
func refusal(alert uint8, format string, values ...any) *RefusalError {
	return &RefusalError{Alert: alert, Err: fmt.Errorf(format, values...)}
}

// asRefusal keeps a refusal, and makes one of any other error.
func asRefusal(err error, alert uint8) *RefusalError {
	var r *RefusalError
	if errors.As(err, &r) {
		return r
	}
	return &RefusalError{Alert: alert, Err: err}
}

// Progress is how far a handshake has come, for the caller that gives it up.
type Progress struct {
	// Datagrams received from the server's address.
	Datagrams int
	// Foreign: how many of them hold no record of DTLS; CoAP: one of these looks
	// like a message of plain CoAP.
	Foreign int
	CoAP    bool
	// ServerHello: one came whole, or in part.
	ServerHello bool
	// Complete: the server's flight was there as a whole, was accepted and
	// answered. What is missing is the server's last flight.
	Complete bool
	// Contradicted: messages came in versions that cannot both be the
	// server's. Somebody is forging, and nothing that follows says anything
	// about credentials.
	Contradicted bool
}

// SignerError says that the client's own key could not sign.
type SignerError struct{ Err error }

// Error returns a sentence for a person.
func (e *SignerError) Error() string { return "signing with the own key: " + e.Err.Error() }

// Unwrap returns what the signer said.
func (e *SignerError) Unwrap() error { return e.Err }
