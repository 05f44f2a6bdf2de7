// Package bootstrap runs one client-initiated bootstrap session over one link
// (LwM2M Core section 6.1): it sends the Bootstrap-Request, serves what the
// server then writes, reads and deletes, and judges the result at
// Bootstrap-Finish. There is one incarnation per link epoch.
//
// A session is a transaction. The server works on a copy of objects 0, 1 and 2;
// nothing leaves that copy until it has passed the consistency check and is
// durable, and the answer to Finish is sent only then. Whatever ends a session
// earlier discards the copy: the client is as it was before. No operation touches
// the bootstrap account itself, so that no server can lock a device out of its
// own recovery.
//
// The package never waits in order to try again: what fails goes to the
// supervisor as a value, which owns every delay above CoAP. The one repetition
// that happens here is a new exchange after exhausted resends of the
// Bootstrap-Request, while the attempt's budget lasts.
//
// It is internal to the runtime: only actors/supervisor starts it. Nothing in
// it may be touched from outside except through messages.
package bootstrap
