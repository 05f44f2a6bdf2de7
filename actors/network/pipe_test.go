package network

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v2"
	"github.com/pion/transport/v3/deadline"
)

// pipe is one end of an in-memory pair of connected datagram sockets. It is a
// net.Conn for the client and a net.PacketConn for pion's server.
type pipe struct {
	peer          *pipe
	local, remote *net.UDPAddr
	in            chan []byte
	readErr       chan error
	closed        chan struct{}
	ending        chan struct{} // closed by endReads
	closing       sync.Once
	readDeadline  *deadline.Deadline

	mu       sync.Mutex
	onSend   func(datagram []byte) (drop bool)
	writeErr error
}

// newPipe returns both ends. They are closed with the test.
func newPipe(t testing.TB) (client, remote *pipe) {
	client, remote = newEnds()
	t.Cleanup(func() { client.Close(); remote.Close() })
	return client, remote
}

func newEnds() (client, remote *pipe) {
	a := net.UDPAddrFromAddrPort(server)
	b := &net.UDPAddr{IP: net.IPv4(198, 51, 100, 7), Port: 40000}
	client, remote = newEnd(b, a), newEnd(a, b)
	client.peer, remote.peer = remote, client
	return client, remote
}

func newEnd(local, remote *net.UDPAddr) *pipe {
	return &pipe{
		local: local, remote: remote,
		in: make(chan []byte, 512), readErr: make(chan error, 1), closed: make(chan struct{}),
		ending:       make(chan struct{}),
		readDeadline: deadline.New(),
	}
}

// intercept has f called with every datagram that is sent from now on.
func (p *pipe) intercept(f func(datagram []byte) (drop bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onSend = f
}

// failWrites makes every later Write fail.
func (p *pipe) failWrites(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writeErr = &net.OpError{Op: "write", Net: "udp", Err: os.NewSyscallError("write", err)}
}

// failRead makes one Read fail.
func (p *pipe) failRead(err error) {
	p.readErr <- &net.OpError{Op: "read", Net: "udp", Err: os.NewSyscallError("read", err)}
}

func (p *pipe) Read(b []byte) (int, error) {
	select {
	case <-p.closed:
		return 0, net.ErrClosed
	case <-p.ending:
		return 0, io.EOF
	case <-p.readDeadline.Done():
		return 0, os.ErrDeadlineExceeded
	case err := <-p.readErr:
		return 0, err
	case datagram := <-p.in:
		return copy(b, datagram), nil
	}
}

func (p *pipe) Write(b []byte) (int, error) {
	select {
	case <-p.closed:
		return 0, net.ErrClosed
	default:
	}
	p.mu.Lock()
	onSend, failure := p.onSend, p.writeErr
	p.mu.Unlock()
	if failure != nil {
		return 0, failure
	}
	datagram := append([]byte(nil), b...)
	if onSend == nil || !onSend(datagram) {
		p.peer.inject(datagram)
	}
	return len(b), nil
}

// WriteNow implements ImmediateWriter: a write never waits.
func (p *pipe) WriteNow(b []byte) (int, error) { return p.Write(b) }

// inject delivers a datagram to this end, as if the peer had sent it.
func (p *pipe) inject(datagram []byte) {
	select {
	case p.in <- datagram:
	default: // as UDP does when the receive buffer is full
	}
}

func (p *pipe) Close() error {
	err := net.ErrClosed
	p.closing.Do(func() { close(p.closed); p.readDeadline.Set(time.Time{}); err = nil })
	return err
}

// goodbye closes a server's session, with a close_notify that is certain to
// leave: its read loop would otherwise close the socket first, now and then.
func (p *pipe) goodbye(conn *dtls.Conn) {
	close(p.ending)
	for {
		if _, err := conn.Read(nil); errors.Is(err, io.EOF) {
			conn.Close()
			return
		}
	}
}

func (p *pipe) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.Read(b)
	return n, p.remote, err
}

func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) { return p.Write(b) }
func (p *pipe) LocalAddr() net.Addr                       { return p.local }
func (p *pipe) RemoteAddr() net.Addr                      { return p.remote }
func (p *pipe) SetDeadline(t time.Time) error             { return p.SetReadDeadline(t) }
func (p *pipe) SetReadDeadline(t time.Time) error         { p.readDeadline.Set(t); return nil }
func (p *pipe) SetWriteDeadline(time.Time) error          { return nil }
