package update

import (
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// frame is what is around an image in a payload.
type frame struct {
	size int64 // bytes of the image; -1 where the payload has nothing else, and ends with it
}

// openFrame reads the beginning of a payload, up to the image, by its Content-Format: opaque
// bytes, TLV with the one resource, or a CBOR byte string. It returns what follows.
func openFrame(format *messages.Format, payload []byte) (f frame, image []byte, ok bool) {
	if format == nil {
		return frame{size: -1}, payload, true
	}
	switch format.Standard() {
	case messages.FormatOpaque:
		return frame{size: -1}, payload, true
	case messages.FormatTLV:
		return openTLV(payload)
	case messages.FormatCBOR:
		return openCBOR(payload)
	}
	return frame{}, nil, false
}

// TLV of LwM2M (LwM2M Core section 7.4.3): the type byte of a resource with a value, and how
// long its identifier and its length are.
const (
	tlvKind     = 0b11 << 6
	tlvLongID   = 1 << 5
	tlvLengthOf = 0b11 << 3
	tlvLength   = 0b111
)

func openTLV(payload []byte) (frame, []byte, bool) {
	if len(payload) == 0 || payload[0]&tlvKind != tlvKind {
		return frame{}, nil, false
	}
	head, rest := payload[0], payload[1:]
	id, rest, ok := uintOf(rest, 1+int(head&tlvLongID)>>5)
	if !ok || id != objects.FirmwarePackage {
		return frame{}, nil, false
	}
	size := int64(head & tlvLength)
	if n := int(head&tlvLengthOf) >> 3; n > 0 {
		if size, rest, ok = uintOf(rest, n); !ok {
			return frame{}, nil, false
		}
	}
	return frame{size: size}, rest, int64(len(rest)) <= size
}

// CBOR (RFC 8949 section 3): a byte string of definite length.
const (
	cborBytes  = 2 << 5
	cborMajor  = 0b111 << 5
	cborDirect = 23
	cborByte   = 24
	cborLong   = 27
)

func openCBOR(payload []byte) (frame, []byte, bool) {
	if len(payload) == 0 || payload[0]&cborMajor != cborBytes {
		return frame{}, nil, false
	}
	info, rest := payload[0]&^cborMajor, payload[1:]
	if info <= cborDirect {
		return frame{size: int64(info)}, rest, len(rest) <= int(info)
	}
	if info > cborLong {
		return frame{}, nil, false
	}
	size, rest, ok := uintOf(rest, 1<<(info-cborByte))
	return frame{size: size}, rest, ok && int64(len(rest)) <= size
}

// uintOf reads a number of n bytes, most significant first, that fits into an int64.
func uintOf(data []byte, n int) (value int64, rest []byte, ok bool) {
	if len(data) < n || n == 8 && data[0] > 0x7f {
		return 0, nil, false
	}
	for _, b := range data[:n] {
		value = value<<8 | int64(b)
	}
	return value, data[n:], true
}
