// Package errno says what the number means with which an operating system refuses to open a
// socket, to connect it or to send: the one judgement for all sockets of a client, datagrams
// and streams. It looks at numbers, never at words.
package errno

import (
	"errors"
	"slices"
	"syscall"
)

// Refused reports whether the peer's machine said that nobody listens there.
func Refused(err error) bool { return isAny(err, syscall.ECONNREFUSED) }

// Unreachable reports whether no packet reaches the peer: no route, no address to send from,
// no interface, or a route or a firewall that prohibits it.
func Unreachable(err error) bool {
	return isAny(err, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN,
		syscall.EADDRNOTAVAIL, syscall.EACCES, syscall.EPERM)
}

// Closed reports whether the peer, or something in between, has ended a connection.
func Closed(err error) bool {
	return isAny(err, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE)
}

// TimedOut reports whether the system has given up waiting for the peer.
func TimedOut(err error) bool { return isAny(err, syscall.ETIMEDOUT) }

func isAny(err error, numbers ...error) bool {
	return slices.ContainsFunc(numbers, func(number error) bool { return errors.Is(err, number) })
}
