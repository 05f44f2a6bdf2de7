package dtls

import (
	"bytes"
	"crypto/ecdh"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// Extensions of a hello (IANA, TLS ExtensionType Values).
const (
	extensionServerName           uint16 = 0      // RFC 6066 section 3
	extensionSupportedGroups      uint16 = 10     // RFC 8422 section 5.1.1
	extensionPointFormats         uint16 = 11     // RFC 8422 section 5.1.2
	extensionSignatureAlgorithms  uint16 = 13     // RFC 5246 section 7.4.1.4.1
	extensionClientCertType       uint16 = 19     // RFC 7250
	extensionServerCertType       uint16 = 20     // RFC 7250
	extensionExtendedMasterSecret uint16 = 23     // RFC 7627
	extensionConnectionID         uint16 = 54     // RFC 9146
	extensionRenegotiationInfo    uint16 = 0xff01 // RFC 5746
)

const (
	rawPublicKey      byte = 2 // certificate type (RFC 7250 section 3)
	uncompressedPoint byte = 0 // point format (RFC 8422 section 5.1.2)
)

// curve is a group for the key exchange.
type curve struct {
	id    uint16
	curve ecdh.Curve
	size  int // of a private key, in bytes
}

// curves are on offer in this order; the first is the one that every
// constrained server has.
var curves = []curve{
	{23, ecdh.P256(), 32},
	{29, ecdh.X25519(), 32},
	{24, ecdh.P384(), 48},
}

// clientHello composes the message with a cookie, or with none.
func (h *Handshake) clientHello(sequence uint16, cookie []byte) handshake.Message {
	hello := handshake.ClientHello{
		Version: record.Version, Random: h.random[:], Cookie: cookie, Extensions: h.offer(),
	}
	for _, id := range h.config.Suites {
		hello.Suites = append(hello.Suites, uint16(id))
	}
	if h.config.Resume != nil {
		hello.SessionID = h.config.Resume.ID
	}
	return handshake.Message{Type: handshake.TypeClientHello, Sequence: sequence, Body: hello.Body()}
}

// offer lists the extensions of the ClientHello. The extended master secret is
// requested, not required: older constrained stacks lack it, and the attack that
// it prevents needs renegotiation, which does not exist here, or the resumption of
// a session without it, which is not offered.
func (h *Handshake) offer() []handshake.Extension {
	c := &h.config
	all := []handshake.Extension{
		{Type: extensionExtendedMasterSecret},
		{Type: extensionRenegotiationInfo, Body: []byte{0}},
	}
	if c.ServerName != "" {
		all = append(all, handshake.Extension{Type: extensionServerName, Body: handshake.ServerName(c.ServerName)})
	}
	if c.CID != nil {
		all = append(all, handshake.Extension{Type: extensionConnectionID, Body: append([]byte{byte(len(c.CID))}, c.CID...)})
	}
	if c.Certificate == nil {
		return all
	}
	all = append(all,
		handshake.Extension{Type: extensionSupportedGroups, Body: handshake.Numbers(curveIDs())},
		handshake.Extension{Type: extensionPointFormats, Body: []byte{1, uncompressedPoint}},
		handshake.Extension{Type: extensionSignatureAlgorithms, Body: handshake.Numbers(schemeIDs())})
	if c.raw() {
		all = append(all,
			handshake.Extension{Type: extensionClientCertType, Body: []byte{1, rawPublicKey}},
			handshake.Extension{Type: extensionServerCertType, Body: []byte{1, rawPublicKey}})
	}
	return all
}

func curveIDs() (ids []uint16) {
	for _, c := range curves {
		ids = append(ids, c.id)
	}
	return ids
}

// agreed is what a ServerHello has chosen.
type agreed struct {
	suite         *suite
	serverRandom  []byte
	sessionID     []byte
	extended      bool   // extended master secret
	cid           []byte // of the records to send
	withCID       bool
	rawServer     bool // the server shows a raw public key
	rawClient     bool // and wants one
	offeredResume bool // the server resumes the session that was offered
}

// agree reads a ServerHello and holds it against what was offered.
func (h *Handshake) agree(m handshake.Message) (*agreed, error) {
	hello, err := handshake.ReadServerHello(m.Body)
	if err != nil {
		return nil, &RefusalError{Alert: alertDecodeError, Err: err}
	}
	if hello.Version != record.Version {
		return nil, refusal(alertProtocolVersion, "the server chose version 0x%04x", hello.Version)
	}
	if !slices.Contains(h.config.Suites, SuiteID(hello.Suite)) {
		return nil, refusal(alertIllegalParameter, "the server chose %s, which was not offered", SuiteID(hello.Suite))
	}
	if hello.Compression != 0 {
		return nil, refusal(alertIllegalParameter, "the server chose compression %d", hello.Compression)
	}
	a := &agreed{suite: suiteOf(SuiteID(hello.Suite)), serverRandom: hello.Random, sessionID: hello.SessionID}
	for _, e := range hello.Extensions {
		if err := h.accept(a, e); err != nil {
			return nil, err
		}
	}
	if h.config.raw() && !a.rawServer {
		return nil, refusal(alertUnsupportedCert, "the server does not use raw public keys")
	}
	resume := h.config.Resume
	a.offeredResume = resume != nil && bytes.Equal(resume.ID, hello.SessionID)
	return a, nil
}

// accept takes one extension of a ServerHello.
func (h *Handshake) accept(a *agreed, e handshake.Extension) error {
	if !slices.ContainsFunc(h.offer(), func(o handshake.Extension) bool { return o.Type == e.Type }) {
		return refusal(alertUnsupportedExtension, "the server answers extension %d, which was not offered", e.Type)
	}
	ok := true
	switch e.Type {
	case extensionExtendedMasterSecret:
		a.extended, ok = true, len(e.Body) == 0
	case extensionServerName:
		ok = len(e.Body) == 0
	case extensionRenegotiationInfo:
		if !bytes.Equal(e.Body, []byte{0}) { // RFC 5746 section 3.4
			return refusal(alertHandshakeFailure, "the server claims a renegotiation")
		}
	case extensionPointFormats:
		ok = len(e.Body) > 1 && int(e.Body[0]) == len(e.Body)-1 && bytes.IndexByte(e.Body[1:], uncompressedPoint) >= 0
	case extensionServerCertType:
		a.rawServer, ok = true, bytes.Equal(e.Body, []byte{rawPublicKey})
	case extensionClientCertType:
		a.rawClient, ok = true, bytes.Equal(e.Body, []byte{rawPublicKey})
	case extensionConnectionID:
		ok = len(e.Body) > 0 && int(e.Body[0]) == len(e.Body)-1
		if ok {
			a.withCID, a.cid = true, e.Body[1:]
		}
	default: // of those that were offered, a server answers no other
		return refusal(alertUnsupportedExtension, "extension %d is not for a ServerHello", e.Type)
	}
	if !ok {
		return refusal(alertIllegalParameter, "extension %d of the ServerHello is malformed", e.Type)
	}
	return nil
}
