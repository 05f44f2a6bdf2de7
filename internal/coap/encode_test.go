package coap

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/messages"
)

func register() Message {
	m := Message{
		Type: CON, Code: messages.POST, MID: 0x7d34,
		Token:   []byte{1, 2, 3, 4, 5, 6, 7, 8},
		Payload: []byte(`</>;rt="oma.lwm2m";ct="11543 112",</1/0>,</3/0>`),
	}
	m.AddString(URIPath, "rd")
	m.AddUint(ContentFormat, uint32(messages.FormatLinkFormat))
	m.AddStrings(URIQuery, []string{"ep=gw-0001", "lt=86400", "lwm2m=1.1", "b=U"})
	return m
}

// TestEncodeBytes compares with bytes composed by hand (RFC 7252 section 3,
// appendix A).
func TestEncodeBytes(t *testing.T) {
	m := Message{Type: CON, Code: messages.GET, MID: 0x7d34, Token: []byte{0x20}}
	m.AddString(URIPath, "temperature")
	want := append([]byte{0x41, 0x01, 0x7d, 0x34, 0x20, 0xbb}, "temperature"...)
	got, err := Encode(m)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("Encode = %x, %v, want %x", got, err, want)
	}
}

func TestEncodeEmpty(t *testing.T) {
	for want, m := range map[string]Message{
		"\x60\x00\x01\x02": EmptyACK(0x0102),
		"\x70\x00\x01\x02": Reset(0x0102),
		"\x40\x00\x01\x02": {Type: CON, MID: 0x0102},
	} {
		if got, err := Encode(m); err != nil || string(got) != want {
			t.Errorf("Encode(%s) = %x, %v", m, got, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	tests := []struct {
		name string
		m    Message
		want Reason
	}{
		{"type 4", Message{Type: 4, Code: messages.GET}, BadCombination},
		{"request in ACK", Message{Type: ACK, Code: messages.GET}, BadCombination},
		{"empty NON", Message{Type: NON}, BadCombination},
		{"class 7", Message{Code: 7 << 5}, ReservedClass},
		{"9-byte token", Message{Code: messages.GET, Token: make([]byte, 9)}, BadTokenLength},
		{"empty with token", Message{Token: []byte{1}}, NotEmpty},
		{"empty with payload", Message{Payload: []byte{1}}, NotEmpty},
		{"options out of order", Message{Code: messages.GET, Options: []Option{{URIQuery, nil}, {URIPath, nil}}}, OptionOrder},
		{"segment of 256 bytes", Message{Code: messages.GET, Options: []Option{{URIPath, make([]byte, 256)}}}, CriticalOption},
		{"Accept twice", Message{Code: messages.GET, Options: []Option{{Accept, nil}, {Accept, nil}}}, CriticalOption},
		{"65 options", Message{Code: messages.GET, Options: make([]Option, 65)}, TooManyOptions},
		{"2 KiB of options", Message{Code: messages.GET, Options: slices.Repeat([]Option{{URIPath, make([]byte, 255)}}, 9)}, OptionsTooLong},
	}
	for _, test := range tests {
		_, err := Encode(test.m)
		if e, ok := errors.AsType[*FormatError](err); !ok || e.Reason != test.want {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

// TestOptionsStayInOrder: options may be added in any order; those of one
// number keep the order in which they were added.
func TestOptionsStayInOrder(t *testing.T) {
	var m Message
	m.AddString(URIQuery, "q")
	m.AddStrings(URIPath, []string{"a", "b"})
	m.AddUint(Accept, 0)
	m.AddString(URIPath, "c")
	want := []Option{{URIPath, []byte("a")}, {URIPath, []byte("b")}, {URIPath, []byte("c")}, {URIQuery, []byte("q")}, {Accept, nil}}
	if diff := cmp.Diff(want, m.Options); diff != "" {
		t.Error(diff)
	}
}

// TestUintMinimalLength: RFC 7252 section 3.2.
func TestUintMinimalLength(t *testing.T) {
	for v, length := range map[uint32]int{0: 0, 1: 1, 255: 1, 256: 2, 65535: 2, 65536: 3, 1<<24 - 1: 3, 1 << 24: 4, 1<<32 - 1: 4} {
		var m Message
		m.AddUint(MaxAge, v)
		got, ok := m.Uint(MaxAge)
		if !ok || got != v || len(m.Options[0].Value) != length {
			t.Errorf("%d: read %d in %d bytes, want %d bytes", v, got, len(m.Options[0].Value), length)
		}
	}
}

// TestUintLeadingZeros: RFC 7252 section 3.2 demands that they are accepted.
func TestUintLeadingZeros(t *testing.T) {
	m := Message{Options: []Option{{MaxAge, []byte{0, 0, 0, 60}}, {Size1, make([]byte, 5)}}}
	if v, ok := m.Uint(MaxAge); !ok || v != 60 {
		t.Errorf("Uint = %d, %v", v, ok)
	}
	if _, ok := m.Uint(Size1); ok {
		t.Error("a value of 5 bytes is no uint32")
	}
}

func TestAccessors(t *testing.T) {
	m := register()
	if got := m.Path(); !cmp.Equal(got, []string{"rd"}) {
		t.Errorf("Path = %q", got)
	}
	if got := m.Query(); len(got) != 4 || got[3] != "b=U" {
		t.Errorf("Query = %q", got)
	}
	if f := m.Format(ContentFormat); f == nil || *f != messages.FormatLinkFormat {
		t.Errorf("Format = %v", f)
	}
	if m.Format(Accept) != nil || m.OptionalUint(MaxAge) != nil || m.Has(Echo) {
		t.Error("an absent option was found")
	}
	if _, found := m.UnrecognizedCritical(func(n uint16) bool { return n == URIPath }); !found {
		t.Error("Uri-Query was not found unrecognized")
	}
	if _, found := m.UnrecognizedCritical(func(uint16) bool { return true }); found {
		t.Error("found something unrecognized")
	}
}

// TestBlockValues: RFC 7959 section 2.2.
func TestBlockValues(t *testing.T) {
	tests := []struct {
		b    Block
		want []byte
	}{
		{Block{}, nil},
		{Block{SZX: 6}, []byte{0x06}},
		{Block{Num: 1, More: true, SZX: 2}, []byte{0x1a}},
		{Block{Num: 62, SZX: 1}, []byte{0x03, 0xe1}},
		{Block{Num: MaxBlockNumber, More: true, SZX: 7}, []byte{0xff, 0xff, 0xff}},
	}
	for _, test := range tests {
		var m Message
		m.AddBlock(Block2, test.b)
		if !bytes.Equal(m.Options[0].Value, test.want) {
			t.Errorf("%s: %x, want %x", test.b, m.Options[0].Value, test.want)
		}
		if got, ok := m.Block(Block2); !ok || got != test.b {
			t.Errorf("read %+v, want %+v", got, test.b)
		}
	}
	if _, ok := (Message{}).Block(Block1); ok {
		t.Error("an absent option was found")
	}
}

func TestBlockArithmetic(t *testing.T) {
	if b, ok := At(128, true, 1); !ok || b != (Block{Num: 4, More: true, SZX: 1}) || b.Offset() != 128 || b.Size() != 32 {
		t.Errorf("At = %+v, %v", b, ok)
	}
	if _, ok := At(16<<20, false, 0); ok {
		t.Error("block number 2^20 was accepted")
	}
	for size, szx := range map[int]uint8{-1: 0, 15: 0, 16: 0, 31: 0, 32: 1, 1023: 5, 1024: 6, 1 << 20: 6} {
		if got := SZXForSize(size); got != szx {
			t.Errorf("SZXForSize(%d) = %d, want %d", size, got, szx)
		}
	}
	if s := (Block{Num: 3, More: true, SZX: 6}).String(); s != "3/1/1024" {
		t.Errorf("String = %q", s)
	}
}

// TestRoundTrip: what encodes decodes to the same.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawMessage(t)
		data, err := Encode(want)
		if err != nil {
			t.Skip("drew more than fits")
		}
		got, err := Decode(data)
		if err != nil {
			t.Fatalf("%v\n%x", err, data)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func drawMessage(t *rapid.T) Message {
	m := Message{
		Type:    Type(rapid.IntRange(0, 1).Draw(t, "type")),
		Code:    rapid.SampledFrom([]messages.CoAPCode{messages.GET, messages.POST, messages.Content, messages.NotFound}).Draw(t, "code"),
		MID:     rapid.Uint16().Draw(t, "mid"),
		Token:   rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "token"),
		Payload: rapid.SliceOfN(rapid.Byte(), 0, 1024).Draw(t, "payload"),
	}
	segments := rapid.SliceOfN(rapid.StringN(-1, -1, 255), 0, 8).Draw(t, "path")
	m.AddStrings(URIPath, segments)
	if rapid.Bool().Draw(t, "block") {
		num := rapid.Uint32Range(0, MaxBlockNumber).Draw(t, "num")
		m.AddBlock(Block1, Block{Num: num, More: true, SZX: 6})
	}
	unknown := rapid.Uint16Range(1000, 65535).Draw(t, "unknown")
	m.AddOption(unknown, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value"))
	return m
}

func BenchmarkEncodeRegister(b *testing.B) {
	m := register()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRegister(b *testing.B) {
	data, _ := Encode(register())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodeDecodeRegister is the figure of docs/performance.md: composing
// is part of it, as it is of every Register.
func BenchmarkEncodeDecodeRegister(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		data, err := Encode(register())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

func TestKinds(t *testing.T) {
	for code, want := range map[messages.CoAPCode][3]bool{
		messages.Empty:    {true, false, false},
		messages.GET:      {false, true, false},
		31:                {false, true, false},
		messages.Content:  {false, false, true},
		messages.NotFound: {false, false, true},
	} {
		m := Message{Code: code}
		if got := [3]bool{m.IsEmpty(), m.IsRequest(), m.IsResponse()}; got != want {
			t.Errorf("%s: %v, want %v", code, got, want)
		}
	}
	if CON.String() != "CON" || RST.String() != "RST" || Type(4).String() != "invalid" {
		t.Error("types are misnamed")
	}
}
