package record

import "encoding/binary"

// Content is the type of a record (RFC 5246 section 6.2.1, RFC 9146 section 4).
type Content uint8

// The content types.
const (
	ChangeCipherSpec Content = 20
	Alert            Content = 21
	Handshake        Content = 22
	ApplicationData  Content = 23
	// ConnectionID is tls12_cid: a record whose header has a Connection ID
	// and whose real type is encrypted (RFC 9146 section 4).
	ConnectionID Content = 25
)

const (
	// Version is DTLS 1.2 on the wire (RFC 6347 section 4.1).
	Version uint16 = 0xfefd
	// versionHello is DTLS 1.0, which a HelloVerifyRequest and the records
	// before a version is agreed may carry (RFC 6347 section 4.2.1).
	versionHello uint16 = 0xfeff

	// HeaderSize is the length of a header without Connection ID, in bytes:
	// type 1, version 2, epoch 2, sequence number 6, length 2.
	HeaderSize = 13
	// MaxPlaintext is the greatest length of a record's content, in bytes
	// (RFC 6347 section 4.1).
	MaxPlaintext = 1 << 14
	// MaxSequence is the last sequence number of an epoch.
	MaxSequence uint64 = 1<<48 - 1
)

// Record is one record as it came. Its slices are views of the datagram.
type Record struct {
	Content  Content
	Version  uint16
	Epoch    uint16
	Sequence uint64
	CID      []byte // of a ConnectionID record
	Body     []byte // protected from epoch 1 on
}

// Next splits the first record off a datagram. cidLength is the length of the
// Connection ID that this side expects in ConnectionID records. It reports
// false when the datagram does not begin with a whole record; what follows then
// cannot be read either.
func Next(datagram []byte, cidLength int) (first Record, rest []byte, ok bool) {
	if len(datagram) < HeaderSize {
		return Record{}, nil, false
	}
	first = Record{
		Content:  Content(datagram[0]),
		Version:  binary.BigEndian.Uint16(datagram[1:]),
		Epoch:    binary.BigEndian.Uint16(datagram[3:]),
		Sequence: binary.BigEndian.Uint64(datagram[3:]) & MaxSequence,
	}
	rest = datagram[11:]
	if first.Content == ConnectionID {
		if len(rest) < cidLength+2 {
			return Record{}, nil, false
		}
		first.CID, rest = rest[:cidLength], rest[cidLength:]
	}
	length := int(binary.BigEndian.Uint16(rest))
	if rest = rest[2:]; length > len(rest) {
		return Record{}, nil, false
	}
	first.Body = rest[:length]
	return first, rest[length:], true
}

// Plain reports whether r is a well-formed record of epoch 0, of a version that
// a server may use before one is agreed.
func (r *Record) Plain() bool {
	return r.Epoch == 0 && r.Content != ConnectionID && len(r.Body) > 0 && len(r.Body) <= MaxPlaintext &&
		(r.Version == Version || r.Version == versionHello)
}

// AppendPlain appends a record of epoch 0. sequence is at most [MaxSequence].
func AppendPlain(dst []byte, content Content, sequence uint64, body []byte) []byte {
	dst = appendHeader(dst, content, 0, sequence, nil, len(body))
	return append(dst, body...)
}

func appendHeader(dst []byte, content Content, epoch uint16, sequence uint64, cid []byte, length int) []byte {
	dst = append(dst, byte(content))
	dst = binary.BigEndian.AppendUint16(dst, Version)
	dst = binary.BigEndian.AppendUint64(dst, uint64(epoch)<<48|sequence)
	dst = append(dst, cid...)
	return binary.BigEndian.AppendUint16(dst, uint16(length))
}
