package store

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
)

// A record file, integers in network byte order:
//
//	offset      bytes  content
//	0           8      magic; its bytes above 0x7f, CR LF and ^Z show up transfers in text mode
//	8           2      format version, 1
//	10          2      n, the length of the name
//	12          8      generation
//	20          8      m, the length of the payload
//	28          n      name
//	28 + n      m      payload
//	28 + n + m  32     SHA-256 of all before
//
// Name and generation are inside so that a file renamed or copied over another
// is not taken for it.
const (
	magic         = "\x89HFR\r\n\x1a\n"
	formatVersion = 1
	headerLen     = 28
	overheadMax   = headerLen + nameMax + sha256.Size
)

// encode returns the record file of a generation of the named record.
func encode(name string, generation uint64, payload []byte) []byte {
	b := make([]byte, 0, headerLen+len(name)+len(payload)+sha256.Size)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, formatVersion)
	b = binary.BigEndian.AppendUint16(b, uint16(len(name)))
	b = binary.BigEndian.AppendUint64(b, generation)
	b = binary.BigEndian.AppendUint64(b, uint64(len(payload)))
	b = append(b, name...)
	b = append(b, payload...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// header is the fixed part of a record file.
type header struct {
	name       string
	generation uint64
}

// decode returns what is in a record file. The payload is a view of b. Every
// error is a Damage.
func decode(b []byte) (header, []byte, error) {
	if err := checkPreamble(b); err != nil {
		return header{}, nil, err
	}
	nameLen := uint64(binary.BigEndian.Uint16(b[10:]))
	payloadLen := binary.BigEndian.Uint64(b[20:])
	if err := checkLength(uint64(len(b)), nameLen, payloadLen); err != nil {
		return header{}, nil, err
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if sha256.Sum256(body) != [sha256.Size]byte(sum) {
		return header{}, nil, DamageChecksum
	}
	h := header{
		name:       string(body[headerLen : headerLen+nameLen]),
		generation: binary.BigEndian.Uint64(b[12:]),
	}
	return h, body[headerLen+nameLen:], nil
}

// checkPreamble looks at magic and version first: a file of another version
// may have another layout, and is not merely truncated.
func checkPreamble(b []byte) error {
	switch {
	case len(b) < len(magic)+2:
		return DamageTruncated
	case string(b[:len(magic)]) != magic:
		return DamageMagic
	case binary.BigEndian.Uint16(b[8:]) != formatVersion:
		return DamageVersion
	case len(b) < headerLen+sha256.Size:
		return DamageTruncated
	}
	return nil
}

func checkLength(have, nameLen, payloadLen uint64) error {
	if payloadLen > math.MaxInt64 {
		return DamageLength // and the sum below cannot wrap
	}
	switch want := headerLen + nameLen + payloadLen + sha256.Size; {
	case have < want:
		return DamageTruncated
	case have > want:
		return DamageLength
	}
	return nil
}
