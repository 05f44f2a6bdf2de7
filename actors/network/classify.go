package network

import (
	"context"
	"errors"
	"net"
	"syscall"

	"github.com/holdfast-iot/holdfast/internal/descriptors"
	"github.com/holdfast-iot/holdfast/internal/errno"
	"github.com/holdfast-iot/holdfast/internal/uplink"
	"github.com/holdfast-iot/holdfast/messages"
)

// classify turns an error of this package's layers into a failure value. It
// looks at types and errno values only. Account, phase and epoch are left to
// the caller. The most specific finding wins: TLS before DNS before socket.
func classify(err error) messages.Failure {
	if f, ok := classifyClock(err); ok {
		return f
	}
	if f, ok := classifyPeer(err); ok {
		return f
	}
	class := messages.ClassUnknown
	for _, rule := range rules {
		if rule.matches(err) {
			class = rule.class
			break
		}
	}
	return messages.Failure{Class: class, Cause: err}
}

// classifyClock handles certificates that nothing is against but the clock.
func classifyClock(err error) (messages.Failure, bool) {
	var (
		own    *OwnCertificateError
		server *ServerPeriodError
		period Period
	)
	switch {
	case errors.As(err, &own):
		period = own.Period
	case errors.As(err, &server):
		period = server.Period
	}
	if !period.verdict().BlamesClock() {
		return messages.Failure{}, false
	}
	return messages.Failure{Class: messages.ClassClock, Cause: err, ValidIn: period.validIn()}, true
}

// classifyPeer handles what the peer or the handshake said.
func classifyPeer(err error) (messages.Failure, bool) {
	var (
		alert     *AlertError
		closed    *ClosedError
		handshake *HandshakeError
		timeout   *HandshakeTimeoutError
	)
	switch {
	case errors.As(err, &closed) && closed.Alert != alertCloseNotify:
		return messages.Failure{Class: messages.ClassClosed, Cause: err, Alert: new(closed.Alert)}, true
	case errors.As(err, &alert):
		number := alert.Number
		return messages.Failure{Class: alertClass(alert), Cause: err, Alert: &number}, true
	case errors.As(err, &timeout) && timeout.Stalled():
		return messages.Failure{Class: messages.ClassHandshakeStalled, Cause: err}, true
	case errors.As(err, &timeout):
		return messages.Failure{Class: messages.ClassHandshakeTimeout, Cause: err, Foreign: timeout.foreign()}, true
	case errors.As(err, &handshake) && blamesServerCertificate(handshake.Alert):
		return messages.Failure{Class: messages.ClassServerCertificate, Cause: err}, true
	}
	return messages.Failure{}, false
}

// alertClass classifies a fatal alert of the peer. One that blames credentials
// which were not shown yet says nothing about them. Only the supervisor may act on
// "credentials refused", and only after a second such answer, because an alert
// during a handshake is forgeable.
func alertClass(alert *AlertError) messages.Class {
	switch {
	case alert.Number == alertCloseNotify:
		return messages.ClassClosed
	case alert.Answered && blamesCredentials(alert.Number):
		return messages.ClassCredentialsRefused
	}
	return messages.ClassAlert
}

// rules are tried in order; the first that matches gives the class.
var rules = []struct {
	class   messages.Class
	matches func(error) bool
}{
	{messages.ClassSocket, descriptors.Short},          // of a lookup, too: the name is good
	{messages.ClassUnreachable, is[*uplink.NoneError]}, // the same
	{messages.ClassServerCertificate, is[*ServerCertificateError]},
	{messages.ClassOwnCertificate, is[*OwnCertificateError]},
	{messages.ClassBadCredentials, is[*CredentialsError]},
	{messages.ClassConfiguration, is[*SecurityModeError]},
	{messages.ClassConfiguration, is[*LocalError]},
	{messages.ClassAlert, is[*HandshakeError]},
	{messages.ClassClosed, is[*ClosedError]},
	{messages.ClassTimeout, is[*DeadlineError]},
	{messages.ClassDNS, is[*ResolveError]},
	{messages.ClassDNS, is[*net.DNSError]},
	{messages.ClassRefused, errno.Refused},
	{messages.ClassUnreachable, isUnreachable},
	{messages.ClassSocket, is[*SocketError]},
	{messages.ClassSocket, is[syscall.Errno]},
	{messages.ClassSocket, is[*net.OpError]},
	{messages.ClassTimeout, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
}

// isUnreachable reports an error that says that no packet reaches the peer.
func isUnreachable(err error) bool {
	return errno.Unreachable(err) || isBlackhole(err) || is[*ZoneError](err)
}

// isBlackhole reports what Linux answers when a socket is connected over a
// route of type blackhole. EINVAL means nothing of the kind elsewhere.
func isBlackhole(err error) bool {
	var socket *SocketError
	return errors.As(err, &socket) && socket.Op == opDial && errors.Is(err, syscall.EINVAL)
}

func is[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

// newResolveError wraps what a resolver said.
func newResolveError(host string, err error) *ResolveError {
	return &ResolveError{Host: host, Reason: resolveReason(err), Err: err}
}

func resolveReason(err error) ResolveReason {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return ResolveNotFound
	case errors.As(err, &dns) && dns.IsTimeout, errors.Is(err, context.DeadlineExceeded):
		return ResolveTimeout
	case errors.As(err, &dns) && dns.IsTemporary:
		return ResolveServerFailure
	}
	return ResolveFailed
}

// innermost strips what package net says around an errno: operation and
// addresses, which the error that holds it has named already.
func innermost(err error) error {
	var limit *descriptors.LimitError
	if errors.As(err, &limit) {
		return limit
	}
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}
