// Package lwm2mtest provides what a test of an LwM2M client needs besides the
// client, as net/http/httptest does for HTTP:
//
//   - [Network], an in-memory packet network with hosts, UDP sockets, a name
//     service and faults: latency, loss, duplication, reordering, black holes,
//     refused ports, unreachable networks, NAT rebinding, and a hook for
//     faults that depend on a packet's content;
//   - [Server], a management server and a bootstrap server in one, over any
//     [net.PacketConn], without security or over DTLS with pre-shared keys or
//     certificates, which has every operation of device management, observes
//     ([ObserveRelation]), serves files to be fetched in blocks ([File]), enrols devices for
//     certificates ([Enrolment]), and can be told to misbehave;
//   - [Installer], which installs no firmware images, and remembers which;
//   - [Probe], a recorder of the messages that actors receive, with [Expect].
//
// Everything runs on the time package, and so within a bubble of
// testing/synctest, where a week takes a millisecond and instants are asserted
// exactly. Create a Network and a Server inside the bubble that uses them.
// Nothing here keeps a goroutine after Close.
//
// The package owns both ends' view of the wire but nothing of the client: it
// must not import the root package nor the actors, so that the server's CoAP
// logic stays independent of the client's.
//
// The server is for tests, trials and demonstrations only. Its side of DTLS is
// that of pion/dtls v2, a line that is no longer maintained: its records have
// random nonces, and a hostile peer can stop it or keep it busy. It keeps no
// limits on clients. Never put it on a network that you do not trust; the
// client's side shares none of it.
package lwm2mtest
