package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"time"

	"github.com/pion/dtls/v2"
	"github.com/pion/dtls/v2/pkg/crypto/elliptic"
	"github.com/pion/logging"
)

// The cipher suites on offer, in order of preference (OMA LwM2M Transport
// section 5.2, RFC 7925 section 4). CCM_8 is the mandatory one; nothing with
// CBC, and no ECDHE_PSK, whose ServerKeyExchange can crash pion.
var (
	pskSuites = []dtls.CipherSuiteID{
		dtls.TLS_PSK_WITH_AES_128_CCM_8,
		dtls.TLS_PSK_WITH_AES_128_GCM_SHA256,
	}
	x509Suites = []dtls.CipherSuiteID{
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	}
	// schemes are those that fit the suites: ECDSA, and nothing else.
	schemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512}
	// curves begins with the one that every constrained server has.
	curves = []elliptic.Curve{elliptic.P256, elliptic.X25519, elliptic.P384}
)

// quiet silences pion, whose default logger writes to standard error. What
// matters comes back as an error.
var quiet = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}

// config returns what pion needs for one handshake.
//
// The extended master secret (RFC 7627) is requested, not required: older
// constrained stacks lack it, and the attack that it prevents needs
// resumption or renegotiation, neither of which is offered.
func (s *security) config() *dtls.Config {
	config := &dtls.Config{
		FlightInterval:       flightTick,
		ExtendedMasterSecret: dtls.RequestExtendedMasterSecret,
		EllipticCurves:       curves,
		SignatureSchemes:     schemes,
		ServerName:           s.serverName,
		LoggerFactory:        quiet,
		// pion's own check knows the chain only and ignores address
		// literals; ours replaces it.
		InsecureSkipVerify: true,
	}
	if s.certificate == nil {
		config.CipherSuites = pskSuites
		config.PSK = func([]byte) ([]byte, error) { return s.key(), nil }
		config.PSKIdentityHint = []byte(s.identity)
		return config
	}
	config.CipherSuites = x509Suites
	// One certificate is all that a client has: it is presented even when
	// the server's hints name other authorities, so that the server's alert
	// says what it dislikes.
	config.GetClientCertificate = func(*dtls.CertificateRequestInfo) (*tls.Certificate, error) {
		return s.certificate, nil
	}
	config.VerifyPeerCertificate = func(chain [][]byte, _ [][]*x509.Certificate) error {
		return s.server.verify(chain, time.Now())
	}
	return config
}

// shakeHands makes a DTLS session over a connected socket, which it owns from
// now on.
func shakeHands(ctx context.Context, conn net.Conn, s *security) (session, error) {
	records := &recordConn{Conn: conn}
	pion, err := dtls.ClientWithContext(ctx, records, conn.RemoteAddr(), s.config())
	if err != nil {
		_ = conn.Close() // pion leaves it open after a refused port
		return nil, explain(err, records.progress())
	}
	records.establish()
	return &dtlsSession{pion: pion, records: records}, nil
}

// explain turns a failed handshake's error into one of this package's types.
func explain(err error, seen progress) error {
	if number, ok := alertIn(err); ok {
		return &AlertError{Number: number}
	}
	var certificate *ServerCertificateError
	switch {
	case errors.As(err, &certificate):
		return certificate
	case seen.socket != nil:
		return seen.socket
	case errors.Is(err, context.DeadlineExceeded):
		return &HandshakeTimeoutError{Datagrams: seen.datagrams, ServerHello: seen.serverHello}
	case errors.Is(err, context.Canceled):
		return err
	}
	return &HandshakeError{Alert: seen.sentAlert, Err: err}
}

// alertIn finds a received alert that ends the session. pion's type for it is
// private, its methods are not; the number is read from its encoding, because
// pion does not know the names of all alerts.
func alertIn(err error) (number uint8, ok bool) {
	var alert interface {
		error
		IsFatalOrCloseNotify() bool
		Marshal() ([]byte, error)
	}
	if !errors.As(err, &alert) || !alert.IsFatalOrCloseNotify() {
		return 0, false
	}
	encoded, err := alert.Marshal()
	if err != nil || len(encoded) != 2 {
		return 0, false
	}
	return encoded[1], true
}

// dtlsSession is an established session in pion's hands.
type dtlsSession struct {
	pion    *dtls.Conn
	records *recordConn
}

// Read skips what pion reports beside data: warnings, and records of an
// authenticated peer that it cannot use.
func (s *dtlsSession) Read(buf []byte) (int, error) {
	for {
		n, err := s.pion.Read(buf)
		if err == nil {
			return n, nil
		}
		if failure := s.records.progress().socket; failure != nil {
			return 0, failure
		}
		if errors.Is(err, io.EOF) {
			return 0, &ClosedError{}
		}
	}
}

// Write encrypts and sends one datagram.
func (s *dtlsSession) Write(datagram []byte) error {
	_, err := s.pion.Write(datagram)
	if err == nil {
		return nil
	}
	if failure := s.records.progress().socket; failure != nil {
		return failure
	}
	return &ClosedError{Err: err}
}

// Close sends close_notify and closes the socket, also where pion does not.
func (s *dtlsSession) Close() error {
	s.stopReading()
	err := s.pion.Close()
	if closing := s.records.Close(); closing != nil && !errors.Is(closing, net.ErrClosed) {
		return closing
	}
	return err
}

// stopReading ends pion's read loop and waits for it. pion's Close would cancel
// the loop, which then closes the socket, often before close_notify is out.
func (s *dtlsSession) stopReading() {
	s.records.endReads()
	for {
		if _, err := s.pion.Read(nil); errors.Is(err, io.EOF) {
			return
		}
	}
}
