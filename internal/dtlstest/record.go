package dtlstest

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

const (
	recordHeader  = 13
	messageHeader = 12
)

// A Record as it is going to be protected and sent.
type Record struct {
	Content byte
	Version uint16
	Epoch   uint16
	Number  uint64 // 48 bits
	Payload []byte
	// CID makes it a record of RFC 9146, unless it is nil.
	CID []byte
	// Keys protect it; in clear when nil.
	Keys *keys
	// Length stands in the header instead of the true one, unless it is
	// negative.
	Length int
	// Damage changes the encoded record, unless it is nil.
	Damage func([]byte) []byte
}

// encode protects a record and returns its bytes.
func (r *Record) encode() []byte {
	payload, content := r.Payload, r.Content
	if r.Keys != nil {
		payload = r.seal()
	}
	if r.CID != nil {
		content = ContentCID
	}
	b := u48(u16(u16([]byte{content}, int(r.Version)), int(r.Epoch)), r.Number)
	length := len(payload)
	if r.Length >= 0 {
		length = r.Length
	}
	b = append(u16(append(b, r.CID...), length), payload...)
	if r.Damage != nil {
		b = r.Damage(b)
	}
	return b
}

func (r *Record) explicit() []byte { return u48(u16(nil, int(r.Epoch)), r.Number) }

func (r *Record) seal() []byte {
	inner := r.Payload
	if r.CID != nil {
		inner = append(bytes.Clone(inner), r.Content)
	}
	sealed := r.Keys.aead.Seal(nil, join(r.Keys.salt, r.explicit()), inner, r.additional(len(inner)))
	return join(r.explicit(), sealed)
}

// additional is the authenticated header (RFC 5246, 6.2.3.3; RFC 9146, 5.3).
func (r *Record) additional(size int) []byte {
	if r.CID == nil {
		return u16(u16(append(r.explicit(), r.Content), int(r.Version)), size)
	}
	b := bytes.Repeat([]byte{0xff}, 8)
	b = append(b, ContentCID, byte(len(r.CID)), ContentCID)
	b = append(u16(b, int(r.Version)), r.explicit()...)
	return u16(append(b, r.CID...), size)
}

// What no deviation of a server excuses in a client.
var (
	ErrReused   = errors.New("dtlstest: the client has used a sequence number twice")
	ErrExplicit = errors.New("dtlstest: the explicit nonce is not epoch and sequence number")
)

var (
	errRecord = errors.New("dtlstest: malformed record")
	errOpen   = errors.New("dtlstest: a record of the client does not open")
)

// parseRecord takes one record off a datagram. The identifier in a record of
// RFC 9146 has size bytes.
func parseRecord(datagram []byte, size int) (r *Record, rest []byte, err error) {
	in := reader{rest: datagram}
	r = &Record{Content: byte(in.u8()), Version: uint16(in.u16()), Epoch: uint16(in.u16()), Number: in.u48(), Length: -1}
	if r.Content == ContentCID {
		r.CID = in.vec(size)
	}
	r.Payload = in.vec16()
	if in.bad {
		return nil, nil, errRecord
	}
	return r, in.rest, nil
}

// numbered reports whether the explicit nonce of a protected record is its epoch
// and sequence number, which RFC 5288 allows and this project asks of its client.
func (r *Record) numbered() bool { return bytes.HasPrefix(r.Payload, r.explicit()) }

// open takes the protection off.
func (r *Record) open(k *keys) error {
	overhead := explicitSize + k.aead.Overhead()
	if len(r.Payload) < overhead {
		return errOpen
	}
	nonce := join(k.salt, r.Payload[:explicitSize])
	plain, err := k.aead.Open(nil, nonce, r.Payload[explicitSize:], r.additional(len(r.Payload)-overhead))
	if err != nil {
		return errOpen
	}
	r.Payload = plain
	if r.CID == nil {
		return nil
	}
	return r.unpad()
}

// unpad takes the type and the zeros off the inner plaintext of RFC 9146.
func (r *Record) unpad() error {
	inner := bytes.TrimRight(r.Payload, "\x00")
	if len(inner) == 0 {
		return errRecord
	}
	r.Content, r.Payload = inner[len(inner)-1], inner[:len(inner)-1]
	return nil
}

// seen remembers the sequence numbers of one peer, all of them.
type seen map[uint64]bool

// add reports whether the number is new.
func (s seen) add(r *Record) bool {
	n := uint64(r.Epoch)<<48 | r.Number
	fresh := !s[n]
	s[n] = true
	return fresh
}

// strayKeys protect what nobody has the key for.
func strayKeys(random io.Reader) *keys {
	key := draw(random, 16)
	return &keys{aead: newGCM(key), salt: slices.Clone(key[:saltSize])}
}
