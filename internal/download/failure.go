package download

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/holdfast-iot/holdfast/internal/descriptors"
	"github.com/holdfast-iot/holdfast/internal/errno"
	"github.com/holdfast-iot/holdfast/messages"
)

// Failure turns an error of this package into the value that the supervisor knows, by its
// types and numbers. Peer and epoch are left to the caller.
func Failure(err error) messages.Failure {
	f := messages.Failure{Class: classOf(err), Phase: messages.PhaseFirmware, Cause: err}
	var (
		status  *StatusError
		secured *TLSError
	)
	switch {
	case errors.As(err, &status):
		f.Answer = answerTo(status.Status)
		if status.Overloaded() {
			f.MaxAge = &status.After
		}
	case is[*ChangedError](err):
		f.Answer = messages.PreconditionFailed
	case errors.As(err, &secured):
		f.Foreign = is[tls.RecordHeaderError](err)
		blameClock(&f, secured)
	}
	return f
}

func classOf(err error) messages.Class {
	for _, rule := range rules {
		if rule.matches(err) {
			return rule.class
		}
	}
	return messages.ClassUnknown
}

// rules are tried in order; the first that matches gives the class. That of a connection that
// fails in a handshake is the connection's.
var rules = []struct {
	class   messages.Class
	matches func(error) bool
}{
	{messages.ClassConfiguration, is[*URIError]}, // of a redirect, too
	{messages.ClassBadCredentials, is[*CredentialsError]},
	{messages.ClassSocket, descriptors.Short}, // of a lookup, too: the name is good
	{messages.ClassDNS, is[*ResolveError]},
	{messages.ClassTimeout, is[*TimeoutError]},
	{messages.ClassTimeout, errno.TimedOut},
	{messages.ClassRejected, is[*StatusError]},
	{messages.ClassRejected, is[*ChangedError]},
	{messages.ClassBudget, is[*SizeError]},
	{messages.ClassClosed, is[*ShortError]},
	{messages.ClassBadAnswer, is[*RangeError]},
	{messages.ClassBudget, isLarge},
	{messages.ClassBadAnswer, is[*ProtocolError]},
	{messages.ClassServerCertificate, is[*tls.CertificateVerificationError]},
	{messages.ClassAlert, isAlert},
	{messages.ClassRefused, errno.Refused},
	{messages.ClassUnreachable, errno.Unreachable},
	{messages.ClassClosed, isClosed},
	{messages.ClassSocket, is[*net.OpError]},
	{messages.ClassAlert, is[*TLSError]}, // no common version or suite, or nonsense
	{messages.ClassSocket, is[*ConnectionError]},
}

func is[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

func isLarge(err error) bool {
	var e *ProtocolError
	return errors.As(err, &e) && e.Reason == HeaderTooLarge
}

// isAlert reports whether the server has ended TLS with an alert. Package tls has no type for
// one of a stream; it is the operation that gives it away.
func isAlert(err error) bool {
	const remote = "remote error"
	var e *net.OpError
	return errors.As(err, &e) && e.Op == remote
}

func isClosed(err error) bool {
	return errno.Closed(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// blameClock makes it the clock's fault that a certificate is not valid yet, or that it has
// expired by a clock that is known to be wrong.
func blameClock(f *messages.Failure, e *TLSError) {
	var invalid x509.CertificateInvalidError
	if !errors.As(e.Err, &invalid) || invalid.Reason != x509.Expired || invalid.Cert == nil {
		return
	}
	begins, ends := invalid.Cert.NotBefore, invalid.Cert.NotAfter
	if e.Clock.Judge(begins, ends).BlamesClock() {
		f.Class = messages.ClassClock
		f.ValidIn = max(begins.Sub(e.Clock.Now), 0)
	}
}

// answerTo is the response of CoAP that says what a status of HTTP says (RFC 8075 section 7,
// read backwards).
func answerTo(status int) messages.CoAPCode {
	answers := map[int]messages.CoAPCode{
		http.StatusUnauthorized: messages.Unauthorized, http.StatusForbidden: messages.Forbidden,
		http.StatusNotFound: messages.NotFound, http.StatusGone: messages.NotFound,
		http.StatusRequestTimeout: messages.RequestEntityIncomplete, http.StatusTooEarly: messages.ServiceUnavailable,
		http.StatusTooManyRequests: messages.TooManyRequests, http.StatusBadGateway: messages.BadGateway,
		http.StatusServiceUnavailable: messages.ServiceUnavailable, http.StatusGatewayTimeout: messages.GatewayTimeout,
	}
	if answer, known := answers[status]; known {
		return answer
	}
	if status >= http.StatusInternalServerError {
		return messages.InternalServerError
	}
	return messages.BadRequest
}
