package coap

import (
	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/udp/coder"

	"github.com/holdfast-iot/holdfast/messages"
)

// Check tells whether m can be encoded, without doing so: its errors are those of
// [Encode].
func Check(m Message) error {
	if reason, option := encodable(m); reason != 0 {
		return m.formatError(reason, option)
	}
	return nil
}

// usualOptions is how many options a message has room for on the stack, which would have to
// grow for many more.
const usualOptions = 12

// Encode returns the datagram of m, freshly allocated. Errors are of type
// *FormatError: what [Decode] would refuse is not encoded either.
func Encode(m Message) ([]byte, error) {
	if err := Check(m); err != nil {
		return nil, err
	}
	var options [usualOptions]message.Option
	lenient := message.Message{
		Type:      message.Type(m.Type),
		Code:      codes.Code(m.Code),
		MessageID: int32(m.MID),
		Token:     m.Token,
		Options:   appendLenient(options[:0], m.Options),
		Payload:   m.Payload,
	}
	size, err := coder.DefaultCoder.Size(lenient)
	if err != nil {
		return nil, m.formatError(CodecRefused, 0)
	}
	datagram := make([]byte, size)
	if _, err := coder.DefaultCoder.Encode(lenient, datagram); err != nil {
		return nil, m.formatError(CodecRefused, 0)
	}
	return datagram, nil
}

func (m Message) formatError(reason Reason, option uint16) *FormatError {
	return &FormatError{Reason: reason, Option: option, Type: m.Type, Code: m.Code, MID: m.MID}
}

func appendLenient(to message.Options, from []Option) message.Options {
	for _, o := range from {
		to = append(to, message.Option{ID: message.OptionID(o.Number), Value: o.Value})
	}
	return to
}

// encodable returns what keeps m from being encoded, or 0.
func encodable(m Message) (reason Reason, option uint16) {
	if m.Type > RST || !combines(m.Type, m.Code) {
		return BadCombination, 0
	}
	if reservedClass(m.Code) {
		return ReservedClass, 0
	}
	if len(m.Token) > MaxTokenLength {
		return BadTokenLength, 0
	}
	if m.IsEmpty() && len(m.Token)+len(m.Options)+len(m.Payload) > 0 {
		return NotEmpty, 0
	}
	return encodableOptions(m.Options)
}

func encodableOptions(options []Option) (reason Reason, option uint16) {
	if len(options) > MaxOptions {
		return TooManyOptions, 0
	}
	size, previous := 0, uint16(0)
	for i, o := range options {
		if o.Number < previous {
			return OptionOrder, o.Number
		}
		if !acceptable(o.Number, len(o.Value), i > 0 && o.Number == previous) {
			return CriticalOption, o.Number
		}
		size += optionSize(int(o.Number-previous), len(o.Value))
		previous = o.Number
	}
	if size > MaxOptionBytes {
		return OptionsTooLong, 0
	}
	return 0, 0
}

// optionSize returns the bytes that an option takes (RFC 7252 section 3.1).
func optionSize(delta, length int) int {
	return 1 + extensionSize(delta) + extensionSize(length) + length
}

func extensionSize(v int) int {
	switch {
	case v < 13:
		return 0
	case v < 269:
		return 1
	}
	return 2
}

// reservedClass reports whether the code is in a class that makes the message
// a format error (RFC 7252 section 4.2).
func reservedClass(code messages.CoAPCode) bool {
	class := code.Class()
	return class == 1 || class > 5
}

// combines reports whether a message of that type may carry that code
// (RFC 7252 section 4.3, table 1).
func combines(t Type, code messages.CoAPCode) bool {
	switch t {
	case NON:
		return code != messages.Empty
	case ACK:
		return !code.IsRequest()
	case RST:
		return code == messages.Empty
	}
	return true
}
