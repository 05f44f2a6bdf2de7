// Package dtlstest is a DTLS 1.2 server that can be wrong in every message and
// every field, for tests only: nothing that ships in a client imports it.
//
// It owns its own encoders, its own key schedule and its own record protection,
// and shares no code with the client's DTLS on purpose: a mistake that both
// sides made would cancel itself out. With no hooks set, the server is honest
// and complete (RFC 6347, RFC 5246), which its tests show with other DTLS clients.
//
// The server is pure. A datagram goes in, datagrams come out; there is no
// goroutine, no clock and no socket, and all randomness comes from a reader
// that the test injects, so that every failure can be replayed from its seed.
//
// What an honest server sends goes through five stages: the fields of a message
// (ServerHello, KeyExchange, ...), the messages of a flight (Flight), their
// fragments, the records around these, and the datagrams. Hooks may change each
// stage. Deviations is the table of what they are used for, with what a strict
// client has to do about each; Mutate breaks flights at random.
//
// What a server checks of its client, it checks strictly: the client's Finished,
// its CertificateVerify, and that no two of its records share a sequence
// number.
package dtlstest
