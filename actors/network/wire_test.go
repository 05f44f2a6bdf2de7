package network

import (
	"errors"
	"io"

	"github.com/pion/dtls/v2"
	"github.com/pion/logging"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// The suites of the tests' servers.
var (
	pskSuites  = []dtls.CipherSuiteID{dtls.TLS_PSK_WITH_AES_128_CCM_8, dtls.TLS_PSK_WITH_AES_128_GCM_SHA256}
	x509Suites = []dtls.CipherSuiteID{
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	}
)

// quiet silences the tests' servers.
var quiet = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}

// alertIn finds the alert that ended a server's handshake.
func alertIn(err error) (number uint8, ok bool) {
	var alert interface {
		error
		Marshal() ([]byte, error)
	}
	if !errors.As(err, &alert) {
		return 0, false
	}
	encoded, err := alert.Marshal()
	if err != nil || len(encoded) != 2 {
		return 0, false
	}
	return encoded[1], true
}

// handshakeMessage encodes a whole handshake message.
func handshakeMessage(kind handshake.Type, sequence uint16, body []byte) []byte {
	return handshake.Message{Type: kind, Sequence: sequence, Body: body}.Append(nil)
}

func alertRecord(level, number byte) []byte {
	return rawRecord(record.Alert, 0, []byte{level, number})
}

// rawRecord encodes a DTLS 1.2 record with sequence number 0.
func rawRecord(content record.Content, epoch byte, body []byte) []byte {
	raw := record.AppendPlain(nil, content, 0, body)
	raw[4] = epoch
	return raw
}

// firstMessage returns the first fragment of a datagram in clear.
func firstMessage(datagram []byte) (f handshake.Fragment, ok bool) {
	r, _, ok := record.Next(datagram, 0)
	if !ok || r.Content != record.Handshake || r.Epoch != 0 {
		return f, false
	}
	f, _, ok = handshake.NextFragment(r.Body)
	return f, ok
}
