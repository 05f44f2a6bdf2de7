package coap

import (
	"slices"

	"github.com/holdfast-iot/holdfast/messages"
)

// AddOption adds an option behind those of the same number. The message keeps
// value.
func (m *Message) AddOption(number uint16, value []byte) {
	at := len(m.Options)
	for at > 0 && m.Options[at-1].Number > number {
		at--
	}
	m.Options = slices.Insert(m.Options, at, Option{Number: number, Value: value})
}

// AddUint adds an option of the uint format, in as few bytes as possible
// (RFC 7252 section 3.2): none for 0.
func (m *Message) AddUint(number uint16, v uint32) { m.AddOption(number, encodeUint(v)) }

// AddString adds an option of the string format.
func (m *Message) AddString(number uint16, s string) { m.AddOption(number, []byte(s)) }

// AddStrings adds one option of the string format for each of values, in
// order.
func (m *Message) AddStrings(number uint16, values []string) {
	for _, s := range values {
		m.AddString(number, s)
	}
}

// AddFormat adds Content-Format or Accept when f is not nil.
func (m *Message) AddFormat(number uint16, f *messages.Format) {
	if f != nil {
		m.AddUint(number, uint32(*f))
	}
}

// AddBlock adds a Block1 or Block2 option. The value must be valid; see
// [Block].
func (m *Message) AddBlock(number uint16, b Block) { m.AddUint(number, b.value()) }

// Has reports whether the option is present.
func (m Message) Has(number uint16) bool {
	_, ok := m.Bytes(number)
	return ok
}

// Bytes returns the value of the first option with that number.
func (m Message) Bytes(number uint16) (value []byte, ok bool) {
	for _, o := range m.Options {
		if o.Number == number {
			return o.Value, true
		}
	}
	return nil, false
}

// Uint returns the first option with that number as an unsigned integer.
// Leading zero bytes are accepted (RFC 7252 section 3.2). It is not ok when
// the option is absent or longer than 4 bytes.
func (m Message) Uint(number uint16) (v uint32, ok bool) {
	value, ok := m.Bytes(number)
	if !ok || len(value) > 4 {
		return 0, false
	}
	return decodeUint(value), true
}

// OptionalUint returns the same as Uint, as a pointer that is nil when the
// option is absent.
func (m Message) OptionalUint(number uint16) *uint32 {
	if v, ok := m.Uint(number); ok {
		return &v
	}
	return nil
}

// Format returns Content-Format or Accept, or nil when the option is absent or
// longer than 2 bytes.
func (m Message) Format(number uint16) *messages.Format {
	value, ok := m.Bytes(number)
	if !ok || len(value) > 2 {
		return nil
	}
	f := messages.Format(decodeUint(value))
	return &f
}

// Strings returns the values of all options with that number, verbatim and in
// order, or nil.
func (m Message) Strings(number uint16) []string {
	n := m.count(number)
	if n == 0 {
		return nil
	}
	all := make([]string, 0, n)
	for _, o := range m.Options {
		if o.Number == number {
			all = append(all, string(o.Value))
		}
	}
	return all
}

func (m Message) count(number uint16) int {
	n := 0
	for _, o := range m.Options {
		if o.Number == number {
			n++
		}
	}
	return n
}

// Path returns the Uri-Path, one segment each, verbatim: a segment may be
// empty or contain a slash. The root is nil.
func (m Message) Path() []string { return m.Strings(URIPath) }

// Query returns the Uri-Query, one argument each, verbatim.
func (m Message) Query() []string { return m.Strings(URIQuery) }

// Block returns the Block1 or Block2 option, when present and not longer than
// 3 bytes.
func (m Message) Block(number uint16) (b Block, ok bool) {
	value, ok := m.Bytes(number)
	if !ok || len(value) > 3 {
		return Block{}, false
	}
	return parseBlock(decodeUint(value)), true
}

// encodeUint returns v in network byte order without leading zero bytes.
func encodeUint(v uint32) []byte {
	switch {
	case v == 0:
		return nil
	case v < 1<<8:
		return []byte{byte(v)}
	case v < 1<<16:
		return []byte{byte(v >> 8), byte(v)}
	case v < 1<<24:
		return []byte{byte(v >> 16), byte(v >> 8), byte(v)}
	}
	return []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

// decodeUint is the inverse of encodeUint for at most 4 bytes.
func decodeUint(value []byte) uint32 {
	var v uint32
	for _, b := range value {
		v = v<<8 | uint32(b)
	}
	return v
}
