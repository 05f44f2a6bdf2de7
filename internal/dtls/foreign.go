package dtls

import "github.com/holdfast-iot/holdfast/internal/dtls/record"

// note counts a datagram, and whether it is of another protocol: then it is the port
// that is wrong, and no handshake will ever succeed there.
func (p *Progress) note(datagram []byte) {
	p.Datagrams++
	if len(datagram) == 0 || isContent(record.Content(datagram[0])) {
		return
	}
	p.Foreign++
	p.CoAP = p.CoAP || looksLikeCoAP(datagram)
}

func isContent(c record.Content) bool {
	return c >= record.ChangeCipherSpec && c <= record.ConnectionID
}

// looksLikeCoAP reports whether a datagram begins like a message of plain CoAP (RFC
// 7252 section 3): version 1, a token of at most 8 bytes, and a code that is in use.
// Text, such as an answer of HTTP, does not.
func looksLikeCoAP(datagram []byte) bool {
	const version, longestToken, continued = 1, 8, 31
	if len(datagram) < 4 || datagram[0]>>6 != version || datagram[0]&0xf > longestToken {
		return false
	}
	switch class, detail := datagram[1]>>5, datagram[1]&0x1f; class {
	case 0:
		return detail <= 7 // empty, GET to iPATCH
	case 2:
		return detail <= 5 || detail == continued
	default:
		return class == 4 || class == 5
	}
}
