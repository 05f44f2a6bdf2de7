// Package record is the record layer of DTLS 1.2 (RFC 6347 section 4.1) for
// one association: it splits datagrams into records, and it protects and opens
// the records of one epoch.
//
// A [Protector] owns the keys, the sequence numbers and the replay window of
// one epoch. It is pure: no I/O, no clock, no randomness, no goroutine, and no
// allocation while it seals or opens into buffers that are large enough. It
// does not know a socket, so that a session can move to another one, be stored
// ([Protector.Export]) and come back ([Restore]).
//
// The nonce of a record that is sent is its epoch and sequence number, always
// (RFC 5288 section 3, RFC 6655 section 3), and a Protector never uses one
// twice: when its numbers or the use of its key are exhausted, it says so and
// seals no more. Nothing outside of this package chooses a nonce.
//
// Not safe for concurrent use. It is not part of the public API.
package record
