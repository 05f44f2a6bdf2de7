package answers

import (
	"bytes"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
	"github.com/holdfast-iot/holdfast/messages"
)

var pkg = lwm2m.PathOf(5, 0, 0)

func part(format *messages.Format, payload string) messages.Inbound {
	return messages.Inbound{ContentFormat: format, Payload: []byte(payload)}
}

// What the codecs write is read, whole or as its first part, for every size that has a head of
// its own.
func TestReadOpaqueBody(t *testing.T) {
	for _, size := range []int{0, 1, 7, 8, 23, 24, 255, 256, 65535, 65536, 1 << 20} {
		value := bytes.Repeat([]byte{0x5a}, size)
		p := lwm2m.Payload{Nodes: []lwm2m.Node{{Path: pkg, Value: lwm2m.Opaque(value)}}}
		for _, format := range []messages.Format{messages.FormatOpaque, 1544, messages.FormatTLV, 1542, messages.FormatCBOR} {
			data, err := codec.Encode(format, pkg, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, whole := range []bool{true, false} {
				in := part(&format, string(data))
				if !whole {
					in.Payload = in.Payload[:min(len(data), 16)]
				}
				body, refusal := ReadOpaqueBody(in, pkg, whole)
				sized := format.Standard() != messages.FormatOpaque
				if !refusal.IsZero() || !bytes.Equal(data[body.Head:], value) || body.Sized != sized || sized && body.Size != uint64(size) {
					t.Errorf("%d bytes in %d: %+v %v %s", size, format, body, refusal.Code, refusal.Payload)
				}
			}
		}
	}
	if body, refusal := ReadOpaqueBody(part(nil, "image"), pkg, true); body != (OpaqueBody{}) || !refusal.IsZero() {
		t.Errorf("no format: %+v %v", body, refusal.Code)
	}
}

func TestRefusedOpaqueBodies(t *testing.T) {
	tlv, cbor := messages.FormatTLV, messages.FormatCBOR
	rest := strings.Repeat("x", 20)
	for _, c := range []struct {
		name   string
		format messages.Format
		body   string
		whole  bool
		want   messages.CoAPCode
	}{
		{"text", messages.FormatText, "image", true, messages.UnsupportedFormat},
		{"SenML", messages.FormatSenMLCBOR, "\x81", true, messages.UnsupportedFormat},
		{"unknown", 4711, "", true, messages.UnsupportedFormat},
		{"TLV of nothing", tlv, "", true, messages.BadRequest},
		{"TLV of another resource", tlv, "\xc1\x01x", true, messages.BadRequest},
		{"TLV of a wide ID", tlv, "\xe1\x01\x00x", true, messages.BadRequest},
		{"TLV of several instances", tlv, "\x81\x00x", true, messages.BadRequest},
		{"TLV of an object instance", tlv, "\x01\x00x", true, messages.BadRequest},
		{"TLV whose head is cut", tlv, "\xd8\x00\x00", true, messages.BadRequest},
		{"TLV that is short", tlv, "\xc2\x00x", true, messages.BadRequest},
		{"TLV that goes on", tlv, "\xc1\x00xy", true, messages.BadRequest},
		{"TLV that goes on, in parts", tlv, "\xc1\x00" + rest, false, messages.BadRequest},
		{"CBOR of nothing", cbor, "", true, messages.BadRequest},
		{"CBOR of text", cbor, "\x61x", true, messages.BadRequest},
		{"CBOR of no definite length", cbor, "\x5f\x41x\xff", true, messages.BadRequest},
		{"CBOR of a reserved length", cbor, "\x5c" + rest, false, messages.BadRequest},
		{"CBOR whose head is cut", cbor, "\x5a\x00\x00", true, messages.BadRequest},
		{"CBOR that is short", cbor, "\x42x", true, messages.BadRequest},
		{"CBOR that goes on", cbor, "\x41xy", true, messages.BadRequest},
	} {
		if body, refusal := ReadOpaqueBody(part(&c.format, c.body), pkg, c.whole); refusal.Code != c.want {
			t.Errorf("%s: %v %+v", c.name, refusal.Code, body)
		}
	}
}

// No body makes the reader panic, or say that the head is longer than the part.
func FuzzReadOpaqueBody(f *testing.F) {
	for _, seed := range []string{"\xd0\x00\x01\x00", "\xf8\x01\x00\xff\xff\xff", "\x5b\xff\xff\xff\xff\xff\xff\xff\xff", "\xc0\x00"} {
		f.Add(uint16(messages.FormatTLV), []byte(seed), true)
		f.Add(uint16(messages.FormatCBOR), []byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, format uint16, data []byte, whole bool) {
		body, refusal := ReadOpaqueBody(part(new(messages.Format(format)), string(data)), pkg, whole)
		if refusal.IsZero() && (body.Head > len(data) || whole && body.Sized && body.Size != uint64(len(data)-body.Head)) {
			t.Errorf("%+v of %d bytes", body, len(data))
		}
	})
}
