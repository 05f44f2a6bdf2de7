//go:build !unix

package network

import "net"

// await reads one datagram.
func await(conn net.Conn) (*buffer, int, error) { return awaitHolding(conn) }
