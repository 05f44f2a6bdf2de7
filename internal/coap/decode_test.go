package coap

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/messages"
)

// datagram returns a message of the given first four bytes and tail.
func datagram(first, code byte, tail ...byte) []byte {
	return append([]byte{first, code, 0x12, 0x34}, tail...)
}

// option returns the bytes of one option with a delta and a length below 13.
func option(delta, length byte) []byte {
	return append([]byte{delta<<4 | length}, make([]byte, length)...)
}

// TestDecodeRefuses has one row for each format error of RFC 7252 sections 3,
// 3.1, 4.1 to 4.3 and 5.4.
func TestDecodeRefuses(t *testing.T) {
	const con, non, ack, rst = 0x40, 0x50, 0x60, 0x70
	tests := []struct {
		name string
		data []byte
		want FormatError
	}{
		{"nothing", nil, FormatError{Reason: TooShort}},
		{"three bytes", []byte{0x40, 1, 0}, FormatError{Reason: TooShort}},
		{"version 0", datagram(0x00, 1), FormatError{Reason: BadVersion}},
		{"version 2", datagram(0x80, 1), FormatError{Reason: BadVersion}},
		{"version 3", datagram(0xc0, 1), FormatError{Reason: BadVersion}},
		{"a DTLS alert", datagram(0x15, 0xfe, 0xfd), FormatError{Reason: SecuredRecord}},
		{"a DTLS record with a connection ID", datagram(0x19, 0xfe, 0xfd), FormatError{Reason: SecuredRecord}},
		{"version 0, like DTLS", datagram(0x15, 1), FormatError{Reason: BadVersion}},
		{"TKL 9", datagram(con|9, 1, make([]byte, 9)...), FormatError{Reason: BadTokenLength, Code: 1}},
		{"TKL 15", datagram(con|15, 1, make([]byte, 15)...), FormatError{Reason: BadTokenLength, Code: 1}},
		{"token truncated", datagram(con|4, 1, 1, 2, 3), FormatError{Reason: Truncated, Code: 1}},
		{"option value truncated", datagram(con, 1, 0xb2, 'a'), FormatError{Reason: Truncated, Code: 1, Option: 11}},
		{"delta byte missing", datagram(con, 1, 0xd0), FormatError{Reason: Truncated, Code: 1}},
		{"delta word missing", datagram(con, 1, 0xe0, 1), FormatError{Reason: Truncated, Code: 1}},
		{"length byte missing", datagram(con, 1, 0xbd), FormatError{Reason: Truncated, Code: 1}},
		{"length word missing", datagram(con, 1, 0xbe, 1), FormatError{Reason: Truncated, Code: 1}},
		{"delta nibble 15", datagram(con, 1, 0xf0), FormatError{Reason: ReservedNibble, Code: 1}},
		{"length nibble 15", datagram(con, 1, 0xbf), FormatError{Reason: ReservedNibble, Code: 1}},
		{"marker without payload", datagram(con, 1, 0xff), FormatError{Reason: EmptyPayload, Code: 1}},
		{"option, marker without payload", datagram(con, 1, 0xb1, 'a', 0xff), FormatError{Reason: EmptyPayload, Code: 1, Option: 11}},
		{"empty with payload", datagram(con, 0, 0xff, 1), FormatError{Reason: NotEmpty}},
		{"empty with token", datagram(con|1, 0, 1), FormatError{Reason: NotEmpty}},
		{"empty with TKL only", datagram(con|1, 0), FormatError{Reason: NotEmpty}},
		{"empty ACK with payload", datagram(ack, 0, 0xff, 1), FormatError{Reason: NotEmpty, Type: ACK}},
		{"class 1", datagram(con, 1<<5), FormatError{Reason: ReservedClass, Code: 1 << 5}},
		{"class 6", datagram(con, 6<<5), FormatError{Reason: ReservedClass, Code: 6 << 5}},
		{"class 7", datagram(con, 7<<5|1), FormatError{Reason: ReservedClass, Code: 7<<5 | 1}},
		{"request in ACK", datagram(ack, 1), FormatError{Reason: BadCombination, Type: ACK, Code: 1}},
		{"request in RST", datagram(rst, 1), FormatError{Reason: BadCombination, Type: RST, Code: 1}},
		{"response in RST", datagram(rst, 0x45), FormatError{Reason: BadCombination, Type: RST, Code: 0x45}},
		{"empty NON", datagram(non, 0), FormatError{Reason: BadCombination, Type: NON}},
		{"delta sum above 65535", datagram(con, 1, 0xe0, 0xfe, 0xf2, 0xd0, 0), FormatError{Reason: OptionNumber, Code: 1, Option: 65535}},
		{"delta of 65804", datagram(con, 1, 0xe0, 0xff, 0xff), FormatError{Reason: OptionNumber, Code: 1}},
		{"65 options", datagram(con, 1, bytes.Repeat([]byte{0}, 65)...), FormatError{Reason: TooManyOptions, Code: 1}},
		{"option length of 65804", datagram(con, 1, 0x0e, 0xff, 0xff), FormatError{Reason: Truncated, Code: 1}},
		{"2049 option bytes", datagram(con, 1, append([]byte{0x0e, 2046 >> 8, 2046&0xff - 13}, make([]byte, 2046+256)...)...), FormatError{Reason: OptionsTooLong, Code: 1}},
		{"Uri-Port of 3 bytes", datagram(con, 1, option(7, 3)...), FormatError{Reason: CriticalOption, Code: 1, Option: 7}},
		{"If-None-Match of 1 byte", datagram(con, 1, option(5, 1)...), FormatError{Reason: CriticalOption, Code: 1, Option: 5}},
		{"Uri-Host empty", datagram(con, 1, option(3, 0)...), FormatError{Reason: CriticalOption, Code: 1, Option: 3}},
		{"Uri-Host twice", datagram(con, 1, append(option(3, 1), option(0, 1)...)...), FormatError{Reason: CriticalOption, Code: 1, Option: 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Decode(test.data)
			got, ok := errors.AsType[*FormatError](err)
			if !ok {
				t.Fatalf("error = %v, want a FormatError", err)
			}
			if !test.want.Ignorable() {
				test.want.MID = 0x1234
			}
			if diff := cmp.Diff(test.want, *got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestDecodeElectiveFaults: an elective option of illegal length, or repeated
// against the registry, is left out and nothing else happens (RFC 7252
// sections 5.4.3 and 5.4.5).
func TestDecodeElectiveFaults(t *testing.T) {
	tests := []struct {
		name string
		tail []byte
		want []Option
	}{
		{"Max-Age of 5 bytes", append(option(11, 1), option(3, 5)...), []Option{{URIPath, []byte{0}}}},
		{"Content-Format of 3 bytes", option(12, 3), nil},
		{"Content-Format twice", []byte{0xc1, 40, 0x01, 60}, []Option{{ContentFormat, []byte{40}}}},
		{"Observe of 4 bytes", option(6, 4), nil},
		{"Echo of 41 bytes", append([]byte{0xdd, 252 - 13, 41 - 13}, make([]byte, 41)...), nil},
		{"Hop-Limit empty", []byte{0xd0, 16 - 13}, nil},
		{"number 0 is reserved", option(0, 1), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := Decode(datagram(0x40, 1, test.tail...))
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Options) != len(test.want) || len(test.want) > 0 && !cmp.Equal(m.Options, test.want) {
				t.Errorf("options = %v, want %v", m.Options, test.want)
			}
		})
	}
}

// TestDecodeCriticalFaultKeepsMessage: the message comes with the error, so
// that a request can be answered 4.02 with its token (RFC 7252 section 5.4.1).
func TestDecodeCriticalFaultKeepsMessage(t *testing.T) {
	data := datagram(0x41, 1, append([]byte{0xaa}, append(option(7, 3), 0x41, 'x')...)...)
	m, err := Decode(data)
	if err == nil {
		t.Fatal("no error")
	}
	if m.Type != CON || m.MID != 0x1234 || !bytes.Equal(m.Token, []byte{0xaa}) || !cmp.Equal(m.Path(), []string{"x"}) {
		t.Errorf("message = %+v", m)
	}
}

// TestDecodeAccepts: what must not be refused.
func TestDecodeAccepts(t *testing.T) {
	tests := []struct {
		name string
		data []byte
	}{
		{"ping", datagram(0x40, 0)},
		{"empty ACK", datagram(0x60, 0)},
		{"RST", datagram(0x70, 0)},
		{"unknown method", datagram(0x40, 31)},
		{"unknown response code", datagram(0x60, 5<<5|31)},
		{"class 3", datagram(0x60, 3<<5)},
		{"unknown critical option", datagram(0x40, 1, option(9, 1)...)},
		{"64 options", datagram(0x40, 1, bytes.Repeat([]byte{0}, 64)...)},
		{"option 65535", datagram(0x40, 1, 0xe0, 0xfe, 0xf2)},
		{"Uri-Path twice", datagram(0x40, 1, 0xb1, 'a', 0x01, 'b')},
		{"8-byte token", datagram(0x48, 1, 1, 2, 3, 4, 5, 6, 7, 8)},
	}
	for _, test := range tests {
		if _, err := Decode(test.data); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestFormatErrorAnswers(t *testing.T) {
	tests := []struct {
		err              FormatError
		ignorable, reset bool
	}{
		{FormatError{Reason: TooShort}, true, false},
		{FormatError{Reason: BadVersion}, true, false},
		{FormatError{Reason: SecuredRecord}, true, false},
		{FormatError{Reason: Truncated, Type: CON}, false, true},
		{FormatError{Reason: Truncated, Type: NON}, false, false},
		{FormatError{Reason: Truncated, Type: ACK}, false, false},
		{FormatError{Reason: BadCombination, Type: RST}, false, false},
	}
	for _, test := range tests {
		if test.err.Ignorable() != test.ignorable || test.err.NeedsReset() != test.reset {
			t.Errorf("%v: ignorable %v, reset %v", &test.err, test.err.Ignorable(), test.err.NeedsReset())
		}
	}
}

func TestReasonsHaveTexts(t *testing.T) {
	seen := map[string]bool{}
	for r := TooShort; r <= CodecRefused; r++ {
		if text := r.String(); text == Reason(0).String() || seen[text] {
			t.Errorf("reason %d: text %q", r, text)
		}
		seen[r.String()] = true
	}
	if Reason(200).String() != Reason(0).String() {
		t.Error("an unknown reason has a text of its own")
	}
}

func TestErrorShowsNoContent(t *testing.T) {
	secret := []byte("secret")
	data := append(datagram(0x40, 1, 0x36), secret...) // Uri-Host
	data = append(append(data, 0x06), secret...)
	_, err := Decode(data)
	if err == nil || bytes.Contains([]byte(err.Error()), secret) {
		t.Errorf("error = %v", err)
	}
	m := Message{Type: CON, Code: messages.PUT, Payload: secret}
	if bytes.Contains([]byte(m.String()), secret) {
		t.Errorf("String() = %s", m)
	}
}

// TestDecodeAllocatesOptionsOnly: the datagram is read once, and the only memory
// that a message takes is that of its options, exactly as many as there are.
func TestDecodeAllocatesOptionsOnly(t *testing.T) {
	empty, request := datagram(0x60, 0), datagram(0x41, 1, 0xaa, 0xb1, '3', 0x01, '0', 0x01, '0')
	for _, test := range []struct {
		data []byte
		want float64
	}{{empty, 0}, {request, 1}} {
		if got := testing.AllocsPerRun(100, func() { _, _ = Decode(test.data) }); got != test.want {
			t.Errorf("%x: %v allocations, want %v", test.data, got, test.want)
		}
	}
	if m, _ := Decode(request); cap(m.Options) != 3 {
		t.Errorf("room for %d options, want 3", cap(m.Options))
	}
}
