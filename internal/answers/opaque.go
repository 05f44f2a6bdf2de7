package answers

import (
	"encoding/binary"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// OpaqueBody is how the body of a Write of one opaque value is made, which is too large to be
// had as a whole.
type OpaqueBody struct {
	Head int    // bytes before the value
	Size uint64 // bytes of the value, where Sized
	// Sized says that the body says how large the value is. Else the value is what follows,
	// up to the end.
	Sized bool
}

// ReadOpaqueBody reads how a body begins, of which in has the first part, or with whole all of
// it: a value without anything around it, also where no format is named, the TLV of the
// resource, or a byte string of CBOR. What is wrong with it is the answer, zero for nothing:
// 4.15 for another format, 4.00 for what is no opaque value of the resource. A first part has
// at least 16 bytes, so that no head is cut.
func ReadOpaqueBody(in messages.Inbound, resource lwm2m.Path, whole bool) (body OpaqueBody, refusal Answer) {
	format := messages.FormatOpaque
	if in.ContentFormat != nil {
		format = in.ContentFormat.Standard()
	}
	ok := true
	switch format {
	case messages.FormatOpaque:
	case messages.FormatTLV:
		body, ok = tlvBody(in.Payload, resource.Resource())
	case messages.FormatCBOR:
		body, ok = cborBody(in.Payload)
	default:
		return body, Refuse(messages.UnsupportedFormat, "not a Content-Format of an opaque value")
	}
	if !ok || body.Sized && !body.fits(uint64(len(in.Payload)), whole) {
		return body, Refuse(messages.BadRequest, "the payload is no opaque value of the resource")
	}
	return body, Answer{}
}

// fits reports whether so many bytes can be a body, or the first part of one.
func (b OpaqueBody) fits(n uint64, whole bool) bool {
	value := n - uint64(b.Head)
	return value == b.Size || value < b.Size && !whole
}

// tlvBody reads the type, identifier and length of a Resource with Value (LwM2M Core section
// 7.4.3).
func tlvBody(data []byte, resource uint16) (body OpaqueBody, ok bool) {
	const (
		kind       = 0xc0
		wideID     = 0x20
		lengthSize = 3
		length     = 0x07
	)
	if len(data) == 0 || data[0]&kind != kind {
		return body, false
	}
	idEnd := 2 + int(data[0]&wideID)/wideID
	end := idEnd + int(data[0]>>lengthSize)&3
	if len(data) < end || number(data[1:idEnd]) != uint64(resource) {
		return body, false
	}
	body = OpaqueBody{Head: end, Size: uint64(data[0] & length), Sized: true}
	if end > idEnd {
		body.Size = number(data[idEnd:end])
	}
	return body, true
}

// cborBody reads the head of a byte string of definite length (RFC 8949 section 3).
func cborBody(data []byte) (body OpaqueBody, ok bool) {
	const (
		byteString = 2 << 5
		inHead     = 24 // below that the length is in the first byte
		widest     = 27 // eight bytes
	)
	if len(data) == 0 || data[0]&0xe0 != byteString {
		return body, false
	}
	short := data[0] & 0x1f
	if short < inHead {
		return OpaqueBody{Head: 1, Size: uint64(short), Sized: true}, true
	}
	end := 1 + 1<<(short-inHead)
	if short > widest || len(data) < end {
		return body, false
	}
	return OpaqueBody{Head: end, Size: number(data[1:end]), Sized: true}, true
}

// number reads an unsigned number of at most eight bytes, the highest first.
func number(b []byte) uint64 {
	var wide [8]byte
	copy(wide[8-len(b):], b)
	return binary.BigEndian.Uint64(wide[:])
}
