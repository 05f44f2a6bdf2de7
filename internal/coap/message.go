package coap

import (
	"fmt"

	"github.com/holdfast-iot/holdfast/messages"
)

// Type is the message type (RFC 7252 section 3).
type Type uint8

// The message types, with their numbers on the wire.
const (
	CON Type = 0 // confirmable
	NON Type = 1 // non-confirmable
	ACK Type = 2 // acknowledgement
	RST Type = 3 // reset
)

// String returns the abbreviation that RFC 7252 uses in its figures.
func (t Type) String() string {
	names := [...]string{"CON", "NON", "ACK", "RST"}
	if int(t) < len(names) {
		return names[t]
	}
	return "invalid"
}

// Limits of the codec. What exceeds them is refused in both directions.
const (
	MaxTokenLength = 8    // bytes; RFC 7252 section 3, extended tokens (RFC 8974) are not used
	MaxOptions     = 64   // options in one message; a declared limit of ours
	MaxOptionBytes = 2048 // bytes of all options, headers included; a declared limit of ours
)

// Message is one CoAP message over UDP or DTLS. The zero value is an empty
// confirmable message.
type Message struct {
	Type    Type
	Code    messages.CoAPCode
	MID     uint16 // message ID
	Token   []byte // 0 to 8 bytes
	Options []Option
	Payload []byte // nil when absent; an empty payload does not exist on the wire
}

// Option is one option of a message. Options of a message stand in ascending
// order of their numbers; [Message.AddOption] and its like keep them so.
type Option struct {
	Number uint16
	Value  []byte
}

// IsEmpty reports whether the message is an empty one (code 0.00).
func (m Message) IsEmpty() bool { return m.Code == messages.Empty }

// IsRequest reports whether the message is a request, of a known method or
// not.
func (m Message) IsRequest() bool { return m.Code.IsRequest() }

// IsResponse reports whether the message is a response (class 2 to 5).
func (m Message) IsResponse() bool { return m.Code.Class() >= 2 }

// String returns type, code, message ID and sizes, for logs and test failures.
// It shows no content: options and payload may be secret.
func (m Message) String() string {
	return fmt.Sprintf("%s %s mid=%d token=%x options=%d payload=%d",
		m.Type, m.Code, m.MID, m.Token, len(m.Options), len(m.Payload))
}

// EmptyACK returns the empty acknowledgement of the message with ID mid
// (RFC 7252 section 4.2).
func EmptyACK(mid uint16) Message { return Message{Type: ACK, MID: mid} }

// Reset returns the reset that rejects the message with ID mid (RFC 7252
// section 4.2).
func Reset(mid uint16) Message { return Message{Type: RST, MID: mid} }
