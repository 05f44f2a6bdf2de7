package coap

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/udp/coder"
)

// FuzzDecode: no input panics; nothing is accepted that go-coap refuses; what
// is accepted encodes and decodes to the same; what is refused is refused with
// a FormatError.
func FuzzDecode(f *testing.F) {
	full, _ := Encode(register())
	f.Add(full)
	f.Add([]byte{})
	f.Add([]byte{0x40, 0, 0, 1})
	f.Add([]byte{0x44, 1, 0, 1, 1, 2, 3, 4, 0xb1, 'a', 0x01, 'b', 0xd1, 3, 6, 0xff, 1})
	f.Add([]byte{0x40, 1, 0, 1, 0xe0, 0xfe, 0xf2, 0xd0, 0})
	f.Add([]byte{0x40, 1, 0, 1, 0x73, 1, 2, 3})
	f.Add([]byte{0x60, 0x5f, 0, 1, 0xd1, 14, 0x0e, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			if _, ok := errors.AsType[*FormatError](err); !ok {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		checkLenientAccepts(t, data)
		checkReencodes(t, m)
	})
}

func checkLenientAccepts(t *testing.T, data []byte) {
	lenient := message.Message{Options: make(message.Options, 0, MaxOptions)}
	if _, err := coder.DefaultCoder.Decode(data, &lenient); err != nil {
		t.Fatalf("accepted what go-coap refuses: %v", err)
	}
}

func checkReencodes(t *testing.T, m Message) {
	data, err := Encode(m)
	if err != nil {
		t.Fatalf("decoded but does not encode: %v", err)
	}
	again, err := Decode(data)
	if err != nil {
		t.Fatalf("does not decode again: %v", err)
	}
	if diff := cmp.Diff(m, again, cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(diff)
	}
}
