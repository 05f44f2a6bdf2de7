package tlv

import (
	"encoding/binary"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Bits of the type byte.
const (
	wideID          = 0x20
	lengthTypeShift = 3
	lengthMask      = 0x07
)

// maxLength is what the 3-byte length field holds.
const maxLength = 1<<24 - 1

// entry is one Type-Length-Value. value is a view of the input.
type entry struct {
	kind    byte
	id      uint16
	value   []byte
	at      int // offset of the type byte
	valueAt int // offset of the value
}

// readEntry reads the first entry of data, which begins at offset, and returns
// the entry's whole length. An empty reason means success.
func readEntry(data []byte, offset int) (e entry, n int, r lwm2m.Reason, detail string) {
	if len(data) == 0 {
		return e, 0, lwm2m.ReasonTruncated, "no entry"
	}
	head := data[0]
	idLen := 1 + int(head&wideID)/wideID
	lengthLen := int(head>>lengthTypeShift) & 3
	start := 1 + idLen + lengthLen
	if len(data) < start {
		return e, 0, lwm2m.ReasonTruncated, "header cut short"
	}
	length := int(head & lengthMask)
	if lengthLen > 0 {
		length = int(bigEndian(data[1+idLen : start]))
	}
	if length > len(data)-start {
		return e, 0, lwm2m.ReasonTruncated, "value longer than the input"
	}
	return entry{
		kind:    head >> 6,
		id:      uint16(bigEndian(data[1 : 1+idLen])),
		value:   data[start : start+length],
		at:      offset,
		valueAt: offset + start,
	}, start + length, "", ""
}

// bigEndian reads an unsigned number of at most eight bytes.
func bigEndian(b []byte) uint64 {
	var wide [8]byte
	copy(wide[8-len(b):], b)
	return binary.BigEndian.Uint64(wide[:])
}

// appendEntry appends one entry in its shortest form.
func appendEntry(b []byte, kind byte, id uint16, value []byte) []byte {
	head := kind << 6
	if id > 0xff {
		head |= wideID
	}
	lengthLen := lengthFieldSize(len(value))
	head |= byte(lengthLen) << lengthTypeShift
	if lengthLen == 0 {
		head |= byte(len(value))
	}
	b = append(b, head)
	if id > 0xff {
		b = append(b, byte(id>>8))
	}
	b = append(b, byte(id))
	for i := lengthLen - 1; i >= 0; i-- {
		b = append(b, byte(len(value)>>(8*i)))
	}
	return append(b, value...)
}

// lengthFieldSize is the number of bytes of the length field; lengths up to 7
// fit into the type byte.
func lengthFieldSize(length int) int {
	switch {
	case length <= lengthMask:
		return 0
	case length <= 0xff:
		return 1
	case length <= 0xffff:
		return 2
	default:
		return 3
	}
}
