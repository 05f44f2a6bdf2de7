package peer

import (
	"fmt"
	"net"
	"os"
	"sync"
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

// portsDrawn are the ports that sockets of this process have had, by the address that they
// were connected to.
var portsDrawn struct {
	sync.Mutex
	of map[string]map[int]bool
}

// Dial connects a UDP socket to the address of a peer, from a port that none of this process
// has had towards it. A peer may know the session of an earlier one for as long as it likes,
// and some drop the ClientHello of another that comes from there.
func Dial(addr string) (*net.UDPConn, error) {
	to, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		return nil, err
	}
	for range portAttempts {
		conn, err := net.DialUDP("udp4", nil, to)
		if err != nil {
			return nil, err
		}
		if drawn(addr, conn.LocalAddr().(*net.UDPAddr).Port) {
			return conn, nil
		}
		defer func() { _ = conn.Close() }() // it stays open until there is another: the next is not to be the same
	}
	return nil, fmt.Errorf("peer: %d sockets to %s, and each has a port that was used before", portAttempts, addr)
}

// drawn notes a port, and reports whether it is a new one.
func drawn(addr string, port int) bool {
	portsDrawn.Lock()
	defer portsDrawn.Unlock()
	if portsDrawn.of[addr][port] {
		return false
	}
	if portsDrawn.of == nil {
		portsDrawn.of = map[string]map[int]bool{}
	}
	if portsDrawn.of[addr] == nil {
		portsDrawn.of[addr] = map[int]bool{}
	}
	portsDrawn.of[addr][port] = true
	return true
}
