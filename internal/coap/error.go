package coap

import (
	"fmt"

	"github.com/holdfast-iot/holdfast/messages"
)

// Reason says what is wrong with a message.
type Reason uint8

// The reasons of a [FormatError], with the section of RFC 7252 that is
// violated.
const (
	TooShort           Reason = iota + 1 // fewer than 4 bytes (3)
	BadVersion                           // version other than 1 (3)
	BadTokenLength                       // token longer than 8 bytes (3)
	Truncated                            // the token or an option ends after the datagram (3, 3.1)
	ReservedNibble                       // option delta or length of 15 (3.1)
	EmptyPayload                         // payload marker without payload (3)
	NotEmpty                             // code 0.00 with token, options or payload (4.1)
	ReservedClass                        // code class 1, 6 or 7 (4.2)
	BadCombination                       // the type does not go with the code: request in an ACK, NON 0.00, RST with content (4.2, 4.3)
	OptionNumber                         // the option deltas sum up to more than 65535 (3.1)
	TooManyOptions                       // more than MaxOptions
	OptionsTooLong                       // more than MaxOptionBytes
	CriticalOption                       // a known critical option has an illegal length or occurs twice (5.4.3, 5.4.5)
	UnrecognizedOption                   // a critical option that the receiver does not know (5.4.1); for receivers, no codec function returns it
	OptionOrder                          // encoding only: options are not in ascending order (3.1)
	CodecRefused                         // encoding only: the codec underneath refused what the strict check let through
	SecuredRecord                        // no version of CoAP (3) but a record of DTLS: the port is for coaps://
)

var reasonTexts = [...]string{
	"unknown", "shorter than a header", "version is not 1", "token longer than 8 bytes",
	"truncated", "reserved option delta or length", "payload marker without payload",
	"empty message with content", "reserved code class", "type and code do not go together",
	"option number above 65535", "too many options", "options too long",
	"critical option with illegal length or repeated", "critical option unknown", "options out of order",
	"refused by the codec", "a record of DTLS: the port is one for coaps://",
}

// String returns the reason in a few words.
func (r Reason) String() string {
	if int(r) < len(reasonTexts) {
		return reasonTexts[r]
	}
	return reasonTexts[0]
}

// FormatError says why a datagram is no well-formed message, or why a message
// cannot be encoded. It holds numbers only, never content.
type FormatError struct {
	Reason Reason
	Option uint16 // the option concerned, or 0

	// Type, Code and MID are those of the header; they mean nothing when
	// Ignorable.
	Type Type
	Code messages.CoAPCode
	MID  uint16
}

// Error returns a sentence for a person.
func (e *FormatError) Error() string {
	text := "coap: " + e.Reason.String()
	if e.Option != 0 {
		text += fmt.Sprintf(" (option %d)", e.Option)
	}
	if e.Ignorable() {
		return text
	}
	return fmt.Sprintf("%s: %s %s mid=%d", text, e.Type, e.Code, e.MID)
}

// Ignorable reports whether the datagram has no header of CoAP version 1, so
// that it must be ignored silently: not even a RST may answer it (RFC 7252
// section 3).
func (e *FormatError) Ignorable() bool {
	return e.Reason == TooShort || e.Reason == BadVersion || e.Reason == SecuredRecord
}

// NeedsReset reports whether the rejected message was confirmable and is
// rejected with a RST of its MID (RFC 7252 section 4.2).
func (e *FormatError) NeedsReset() bool { return e.Type == CON && !e.Ignorable() }
