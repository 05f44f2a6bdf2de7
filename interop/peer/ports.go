package peer

import (
	"fmt"
	"net"
)

// portAttempts bounds the search for neighbouring free ports.
const portAttempts = 50

// freePorts returns the first of n neighbouring UDP ports that are free on
// loopback. Another process may take one before the peer binds it, so starting
// a peer is tried more than once.
func freePorts(n int) (int, error) {
	var err error
	for range portAttempts {
		var first int
		if first, err = tryPorts(n); err == nil {
			return first, nil
		}
	}
	return 0, fmt.Errorf("peer: no %d free ports: %w", n, err)
}

func tryPorts(n int) (int, error) {
	first := 0
	for i := range n {
		port := 0
		if i > 0 {
			port = first + i
		}
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			return 0, err
		}
		defer conn.Close() // all stay open until all are found
		if i == 0 {
			first = conn.LocalAddr().(*net.UDPAddr).Port
		}
	}
	return first, nil
}
