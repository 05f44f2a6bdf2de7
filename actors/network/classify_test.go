package network

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

func socketError(op string, errno syscall.Errno) error {
	return &SocketError{Op: op, Remote: server, Err: &net.OpError{Op: op, Net: "udp", Err: os.NewSyscallError(op, errno)}}
}

func TestClassify(t *testing.T) {
	dns := func(e net.DNSError) error { return newResolveError("lwm2m.test", &e) }
	tests := []struct {
		err  error
		want messages.Class
	}{
		{dns(net.DNSError{IsNotFound: true}), messages.ClassDNS},
		{dns(net.DNSError{IsTemporary: true}), messages.ClassDNS},
		{dns(net.DNSError{IsTimeout: true, IsTemporary: true}), messages.ClassDNS},
		{newResolveError("lwm2m.test", context.DeadlineExceeded), messages.ClassDNS},
		{&net.DNSError{}, messages.ClassDNS},
		{&ResolveError{Reason: ResolveNoAddress}, messages.ClassDNS},

		{socketError(opRead, syscall.ECONNREFUSED), messages.ClassRefused},
		{socketError(opDial, syscall.ENETUNREACH), messages.ClassUnreachable},
		{socketError(opDial, syscall.EHOSTUNREACH), messages.ClassUnreachable},
		{socketError(opDial, syscall.EACCES), messages.ClassUnreachable},
		{socketError(opDial, syscall.EINVAL), messages.ClassUnreachable},
		{socketError(opWrite, syscall.EPERM), messages.ClassUnreachable},
		{socketError(opWrite, syscall.ENETDOWN), messages.ClassUnreachable},
		{socketError(opDial, syscall.EADDRNOTAVAIL), messages.ClassUnreachable},
		{socketError(opWrite, syscall.EINVAL), messages.ClassSocket},
		{socketError(opWrite, syscall.EMSGSIZE), messages.ClassSocket},
		{socketError(opDial, syscall.EMFILE), messages.ClassSocket},
		{dns(net.DNSError{UnwrapErr: syscall.EMFILE}), messages.ClassSocket},
		{dns(net.DNSError{UnwrapErr: syscall.ENFILE}), messages.ClassSocket},
		{&SocketError{Op: opRead, Err: net.ErrClosed}, messages.ClassSocket},
		{&net.OpError{Op: "dial", Err: errors.New("x")}, messages.ClassSocket},
		{syscall.EIO, messages.ClassSocket},

		{&HandshakeTimeoutError{}, messages.ClassHandshakeTimeout},
		{&HandshakeTimeoutError{Datagrams: 3}, messages.ClassHandshakeTimeout},
		{&HandshakeTimeoutError{Datagrams: 3, ServerHello: true}, messages.ClassHandshakeTimeout},
		{&HandshakeTimeoutError{Datagrams: 3, ServerHello: true, Complete: true, Contradicted: true}, messages.ClassHandshakeTimeout},
		{&HandshakeTimeoutError{Datagrams: 3, ServerHello: true, Complete: true}, messages.ClassHandshakeStalled},
		{&HandshakeError{Err: errors.New("x")}, messages.ClassAlert},
		{&HandshakeError{Alert: 71, Err: errors.New("x")}, messages.ClassAlert},
		{&HandshakeError{Alert: alertBadCertificate, Err: errors.New("x")}, messages.ClassServerCertificate},
		{&HandshakeError{Alert: alertNoCertificate, Err: errors.New("x")}, messages.ClassServerCertificate},
		{&ServerCertificateError{Err: x509.UnknownAuthorityError{}}, messages.ClassServerCertificate},
		{&OwnCertificateError{}, messages.ClassOwnCertificate},
		{&CredentialsError{Reason: EmptyKey}, messages.ClassBadCredentials},
		{&SecurityModeError{Mode: messages.SecurityEST}, messages.ClassConfiguration},
		{&ClosedError{}, messages.ClassClosed},
		{&ClosedError{Err: errors.New("x")}, messages.ClassClosed},
		{&DeadlineError{}, messages.ClassTimeout},
		{context.DeadlineExceeded, messages.ClassTimeout},
		{errors.New("x"), messages.ClassUnknown},
	}
	for _, test := range tests {
		for _, err := range []error{test.err, fmt.Errorf("wrapped: %w", test.err)} {
			f := classify(err)
			if f.Class != test.want {
				t.Errorf("%T %v: class %v, want %v", test.err, err, f.Class, test.want)
			}
			if !errors.Is(&f, test.err) || f.Alert != nil {
				t.Errorf("%v: cause is %v, alert %v", err, f.Cause, f.Alert)
			}
		}
	}
}

// A session that ends with a fatal alert says with which.
func TestClosedByAnAlert(t *testing.T) {
	f := classify(&ClosedError{Alert: alertBadRecordMAC})
	if f.Class != messages.ClassClosed || f.Alert == nil || *f.Alert != alertBadRecordMAC {
		t.Errorf("%+v", f)
	}
}

func TestResolveReason(t *testing.T) {
	for _, test := range []struct {
		err  error
		want ResolveReason
	}{
		{&net.DNSError{IsNotFound: true}, ResolveNotFound},
		{&net.DNSError{IsTimeout: true, IsTemporary: true}, ResolveTimeout},
		{&net.DNSError{IsTemporary: true}, ResolveServerFailure},
		{context.DeadlineExceeded, ResolveTimeout},
		{&net.DNSError{}, ResolveFailed},
		{errors.New("x"), ResolveFailed},
	} {
		if got := newResolveError("x", test.err).Reason; got != test.want {
			t.Errorf("%#v: got %v, want %v", test.err, got, test.want)
		}
	}
}

// Every error has a sentence, whatever its fields.
func TestErrorTexts(t *testing.T) {
	cause := errors.New("cause")
	for want, err := range map[string]error{
		`resolving "h": no such host: cause`:                                   &ResolveError{Host: "h", Reason: ResolveNotFound, Err: cause},
		`resolving "h": no usable address`:                                     &ResolveError{Host: "h", Reason: ResolveNoAddress},
		`dial 192.0.2.1:5684: cause`:                                           &SocketError{Op: opDial, Remote: server, Err: cause},
		`the server refused with alert 115 (unknown_psk_identity)`:             &AlertError{Number: 115},
		`the server refused with alert 200 (unassigned 200)`:                   &AlertError{Number: 200},
		`handshake timed out: nothing came back`:                               &HandshakeTimeoutError{},
		`handshake timed out: 2 datagrams came, but no ServerHello`:            &HandshakeTimeoutError{Datagrams: 2},
		`handshake ended with our alert 71 (insufficient_security): cause`:     &HandshakeError{Alert: 71, Err: cause},
		`handshake failed: cause`:                                              &HandshakeError{Err: cause},
		`server certificate: cause`:                                            &ServerCertificateError{Err: cause},
		`the server presented another certificate than the stored one: "CN=x"`: &UnexpectedCertificateError{Subject: "CN=x"},
		`the PSK key is empty`:                                                 &CredentialsError{Reason: EmptyKey},
		`invalid reason`:                                                       &CredentialsError{},
		`security mode nosec does not go with the scheme "coaps"`:              &SecurityModeError{Mode: messages.SecurityNoSec, Scheme: "coaps"},
		`the server closed the session`:                                        &ClosedError{},
		`the session is closed: cause`:                                         &ClosedError{Err: cause},
		`the server closed the session during the handshake`:                   &AlertError{},
		`handshake timed out: what came is plain CoAP and no DTLS`:             &HandshakeTimeoutError{Datagrams: 1, Foreign: 1, CoAP: true},
		`handshake timed out: 3 datagrams came, none of them DTLS`:             &HandshakeTimeoutError{Datagrams: 3, Foreign: 3},
		`the deadline passed while connecting`:                                 &DeadlineError{Stage: messages.StageConnecting},
		`the server presented another public key than the stored one`:          &UnexpectedKeyError{},
		`the server closed the session with alert 80 (internal_error)`:         &ClosedError{Alert: 80},
		`own certificate expired at 2026-03-01T11:59:59Z`:                      &OwnCertificateError{Period{NotAfter: now.Add(-time.Second), Clock: validity.Clock{Now: now}}},
		`own certificate is not valid before 2026-03-01T13:00:00Z, and this machine's clock shows 2026-03-01T12:00:00Z`: &OwnCertificateError{
			Period{NotBefore: now.Add(time.Hour), NotAfter: now.Add(2 * time.Hour), Clock: validity.Clock{Now: now}},
		},
		`own certificate expired at 2026-03-01T11:00:00Z by this machine's clock, which is wrong: it shows 2026-03-01T12:00:00Z, before 2026-03-01T13:00:00Z`: &OwnCertificateError{
			Period{NotAfter: now.Add(-time.Hour), Clock: validity.Clock{Now: now, Known: now.Add(time.Hour)}},
		},
		`server certificate: it is not valid before 2026-03-01T13:00:00Z, and this machine's clock shows 2026-03-01T12:00:00Z`: &ServerCertificateError{
			Err: &ServerPeriodError{Period{NotBefore: now.Add(time.Hour), NotAfter: now.Add(2 * time.Hour), Clock: validity.Clock{Now: now}}},
		},
		`certificate enrolment (security mode 4) is not supported: use psk, rpk or x509`:                      &SecurityModeError{Mode: messages.SecurityEST},
		`handshake timed out: the server's flight never came whole`:                                           &HandshakeTimeoutError{Datagrams: 2, ServerHello: true},
		`handshake timed out: the server sent its whole flight and fell silent at our answer (another key?)`:  &HandshakeTimeoutError{Datagrams: 2, ServerHello: true, Complete: true},
		`handshake timed out: messages came that contradict each other; somebody may be forging the server's`: &HandshakeTimeoutError{Datagrams: 2, Complete: true, Contradicted: true},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
