// Package uplink chooses which interface of this machine a client uses, where the
// configuration names some, and says what has changed for its links.
//
// A [Chooser] is pure: it takes views of package linkwatch and instants, and returns a
// choice. An [Uplink] is a Chooser with the one timer that it needs, and what a client's
// sockets are bound to. Nothing here opens a socket, or changes anything of the machine.
package uplink
