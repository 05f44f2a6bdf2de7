package strict

import (
	"encoding/binary"
	"math"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// fits refuses CBOR in which a string, an array or a map claims to be longer than what
// follows. The library finds that out too, but where an int has 32 bits it cuts a length
// of 64 bits to the lower half, and takes what was never sent.
//
// Items of definite length follow each other without anything between them, so that it
// takes no recursion, and what begins and ends items of indefinite length is passed over.
// What else is wrong the library says.
func fits(data []byte) bool {
	for len(data) > 0 {
		major, argument, rest, ok := head(data)
		if !ok {
			return true
		}
		switch major {
		case majorBytes, majorText:
			if argument > uint64(len(rest)) {
				return false
			}
			rest = rest[argument:]
		case majorArray, majorMap:
			if argument > math.MaxUint32 { // no array is that long; of others the library has the limit
				return false
			}
		}
		data = rest
	}
	return true
}

// Major types (RFC 8949 section 3.1).
const (
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
	majorOther = 7
)

// head reads the first bytes of an item; ok is false where they are cut short, or reserved.
func head(data []byte) (major byte, argument uint64, rest []byte, ok bool) {
	const short, longest, indefinite = 24, 27, 31 // of the additional information
	major, info, rest := data[0]>>5, data[0]&31, data[1:]
	switch {
	case info < short:
		return major, uint64(info), rest, true
	case info == indefinite:
		return majorOther, 0, rest, true
	}
	size := 1 << (info - short)
	if info > longest || len(rest) < size {
		return 0, 0, nil, false
	}
	var wide [8]byte
	copy(wide[8-size:], rest)
	return major, binary.BigEndian.Uint64(wide[:]), rest[size:], true
}

// truncated says that a length reaches beyond the input.
var truncated = Refuse(lwm2m.ReasonTruncated, "ends early")
