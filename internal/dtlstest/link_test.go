package dtlstest

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// link is a Server behind a socket of the loopback, for clients of others.
type link struct {
	mu     sync.Mutex
	server *Server
	pc     *net.UDPConn
}

// newLink serves until the test ends.
func newLink(t *testing.T, s *Server) *link {
	t.Helper()
	l := &link{server: s, pc: listenLoopback(t)}
	var running sync.WaitGroup
	running.Go(l.serve)
	t.Cleanup(func() {
		if err := l.pc.Close(); err != nil {
			t.Error(err)
		}
		running.Wait()
	})
	return l
}

func listenLoopback(t *testing.T) *net.UDPConn {
	t.Helper()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return pc
}

func (l *link) serve() {
	b := make([]byte, 1<<16)
	for {
		n, from, err := l.pc.ReadFromUDP(b)
		if err != nil {
			return
		}
		l.look(func(s *Server) {
			for _, d := range s.Receive(bytes.Clone(b[:n])) {
				if _, err := l.pc.WriteToUDP(d, from); err != nil {
					return // the client is gone
				}
			}
		})
	}
}

// look runs f while no datagram is on its way.
func (l *link) look(f func(*Server)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.server)
}
