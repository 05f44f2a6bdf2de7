package peer

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
)

const (
	// portAttempts bounds the search for neighbouring free ports.
	portAttempts = 50
	// Ports of peers are below those that the system gives to sockets that do not ask for one,
	// and each process takes its own, one after the other: several peers bind theirs in a way
	// that lets another have the same, and then one of the two hears nothing.
	firstPort     = 10_000
	portProcesses = 70
	portsOfOne    = 320
)

// portsUsed counts the ports that this process has taken.
var portsUsed atomic.Uint32

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
	at := int(portsUsed.Add(uint32(n))) - n
	first := firstPort + os.Getpid()%portProcesses*portsOfOne + at%(portsOfOne-n)
	for i := range n {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: first + i})
		if err != nil {
			return 0, err
		}
		defer conn.Close() // all stay open until all are found
	}
	return first, nil
}
