//go:build unix

package network

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// datagramPair returns a connected socket of the operating system, whose send
// buffer fills because nobody reads, and the peer's end.
func datagramPair(t *testing.T) (client, peer *net.UnixConn) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ready") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name := func(n string) *net.UnixAddr { return &net.UnixAddr{Name: filepath.Join(dir, n), Net: "unixgram"} }
	peer, err = net.ListenUnixgram("unixgram", name("peer"))
	if err != nil {
		t.Fatal(err)
	}
	client, err = net.DialUnix("unixgram", name("client"), name("peer"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close(); client.Close() })
	return client, peer
}

// A socket whose send buffer is full loses the datagram at once, whoever else is
// reading or writing, and sends again as soon as there is room.
func TestFullSocketDoesNotWait(t *testing.T) {
	client, peer := datagramPair(t)
	s := plain(t, client)
	r := newRunner(testEpoch, nil, func(in any) { t.Errorf("the link was told %v", in) }, nil)
	r.session.Store(&s)
	reading := make(chan error, 1)
	go func() { _, err := s.Read(); reading <- err }()

	began := time.Now()
	for r.write(make([]byte, 1000)) {
		if time.Since(began) > time.Minute {
			t.Fatal("the socket takes everything")
		}
	}
	var writers sync.WaitGroup
	began = time.Now()
	for range 8 {
		writers.Go(func() {
			for range 1000 {
				if r.write(make([]byte, 1000)) {
					t.Error("a full socket has taken a datagram")
				}
			}
		})
	}
	writers.Wait()
	// Each used to wait for a second. The bound is generous: machines are slow.
	if waited := time.Since(began); waited > 30*time.Second {
		t.Errorf("8000 writes took %v", waited)
	}
	if _, err := peer.Read(make([]byte, 2000)); err != nil {
		t.Fatal(err)
	}
	if !r.write([]byte("x")) {
		t.Error("nothing is sent although there is room again")
	}
	s.Close()
	<-reading
}

// A read that finds nothing holds no buffer while it waits, and takes one when
// something has come.
func TestIdleReadHoldsNoBuffer(t *testing.T) {
	client, peer := datagramPair(t)
	s := newSocket(client)
	try := func() (done bool) {
		if err := s.ready.raw.Control(func(fd uintptr) { done = s.ready.read(fd) }); err != nil {
			t.Fatal(err)
		}
		return done
	}
	if try() || s.ready.in.b != nil {
		t.Error("a read of nothing is done, or keeps its buffer")
	}
	if _, err := peer.WriteTo([]byte("x"), client.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if !try() || s.ready.in.b == nil || s.ready.in.n != 1 {
		t.Errorf("read %d bytes", s.ready.in.n)
	}
}

// A closed socket ends both directions.
func TestClosedSocket(t *testing.T) {
	client, _ := datagramPair(t)
	s := newSocket(client)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.receive()
	wantClass(t, err, messages.ClassSocket)
	if err := s.send([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a send on a closed socket: %v", err)
	}
}
