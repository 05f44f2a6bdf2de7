// Package handshake is the messages of the DTLS 1.2 handshake on the wire, as
// far as a client needs them: composing those of a client, reading those of a
// server, cutting messages into fragments and putting fragments together.
//
// It owns no state but that of an [Inbox]. Every reader takes untrusted input:
// lengths are checked before anything is believed, nothing is read twice, and
// a message that is too long or too short is an error. Readers return
// views of their input. What the values mean, and which of them were offered,
// is the business of package dtls.
//
// Pure, not safe for concurrent use, and not part of the public API.
package handshake
