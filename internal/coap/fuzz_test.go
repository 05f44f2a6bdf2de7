package coap

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/udp/coder"

	"github.com/holdfast-iot/holdfast/messages"
)

// FuzzDecode: no input panics; nothing is accepted that go-coap refuses, and
// what is accepted means what it means to go-coap; it encodes and decodes to the
// same; what is refused is refused with a FormatError.
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
		checkReadsTheSame(t, data, m)
		checkReencodes(t, m)
	})
}

// checkReadsTheSame compares with what go-coap's decoder makes of the datagram,
// but for the options that break the registry.
func checkReadsTheSame(t *testing.T, data []byte, m Message) {
	lenient := message.Message{Options: make(message.Options, 0, MaxOptions)}
	if _, err := coder.DefaultCoder.Decode(data, &lenient); err != nil {
		t.Fatalf("accepted what go-coap refuses: %v", err)
	}
	want := Message{
		Type: Type(lenient.Type), Code: messages.CoAPCode(lenient.Code), MID: uint16(lenient.MessageID),
		Token: lenient.Token, Payload: lenient.Payload,
	}
	for _, o := range lenient.Options {
		last := len(want.Options) - 1
		if acceptable(uint16(o.ID), len(o.Value), last >= 0 && want.Options[last].Number == uint16(o.ID)) {
			want.Options = append(want.Options, Option{Number: uint16(o.ID), Value: o.Value})
		}
	}
	if diff := cmp.Diff(want, m, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("(-go-coap +ours):\n%s", diff)
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
