package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// stuck is a connection whose writes wait until it is told to go on, or closed.
// It says nothing of itself, as a transport of an application may.
type stuck struct {
	net.Conn
	open   chan struct{} // a write goes on
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex
	written []string
	err     error // of a write that goes on
}

func newStuck() *stuck {
	client, _ := newEnds()
	return &stuck{Conn: client, open: make(chan struct{}), closed: make(chan struct{})}
}

func (s *stuck) Write(b []byte) (int, error) {
	select {
	case <-s.open:
	case <-s.closed:
		return 0, net.ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	s.written = append(s.written, string(b))
	return len(b), nil
}

func (s *stuck) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Conn.Close()
}

func (s *stuck) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

func plain(t testing.TB, conn net.Conn) session {
	t.Helper()
	s, err := establish(within(t, time.Minute), dialling(conn), open{remote: server}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Whoever sends on a connection that is never writable does not wait: so many
// datagrams wait in his place, in their order, and the others are lost. So that a
// last answer can leave, closing grants it a second.
func TestNeverWritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newStuck()
		s := plain(t, conn)
		began, lost := time.Now(), 0
		for i := range 100 {
			if err := s.Write([]byte(strconv.Itoa(i))); err == errNoRoom {
				lost++
			} else if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if waited := time.Since(began); waited != 0 || lost != 100-outboxRoom-1 {
			t.Errorf("%d datagrams were lost, after %v", lost, waited)
		}
		if err := s.Close(); err != nil || conn.isClosed() {
			t.Errorf("closed at once, or %v", err)
		}
		if err := s.Write([]byte("late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a write after Close: %v", err)
		}
		time.Sleep(closeLimit - 1)
		synctest.Wait()
		if conn.isClosed() {
			t.Error("closed before the limit")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if !conn.isClosed() {
			t.Error("still open after the limit")
		}
	})
}

// What waits leaves in its order as soon as it can, also while the link is being
// closed; then the connection is closed.
func TestOutboxLeavesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newStuck()
		s := plain(t, conn)
		for _, datagram := range []string{"a", "b", "c"} {
			if err := s.Write([]byte(datagram)); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		close(conn.open)
		synctest.Wait()
		if want := []string{"a", "b", "c"}; !slices.Equal(conn.written, want) || !conn.isClosed() {
			t.Errorf("%q was written, closed %v", conn.written, conn.isClosed())
		}
		if err := s.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a second Close: %v", err)
		}
	})
}

// An outbox that has nothing to write closes at once.
func TestIdleOutboxClosesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newStuck()
		close(conn.open)
		s := plain(t, conn)
		if err := s.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := s.Close(); err != nil || !conn.isClosed() {
			t.Errorf("closed %v, error %v", conn.isClosed(), err)
		}
	})
}

// A write that fails later than Send ends the link all the same, with its own
// cause: the read returns it.
func TestOutboxFailureEndsTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newStuck()
		conn.err = &net.OpError{Op: "write", Net: "udp", Err: syscall.EPERM}
		s := plain(t, conn)
		result := make(chan error, 1)
		go func() { _, err := s.Read(); result <- err }()
		if err := s.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		close(conn.open)
		wantClass(t, <-result, messages.ClassUnreachable)
		wantClass(t, s.Write([]byte("y")), messages.ClassUnreachable)
	})
}

// Time limits of a connection and a full queue of the system lose the datagram,
// not the link.
func TestOutboxWithoutRoomLosesTheDatagramOnly(t *testing.T) {
	for _, cause := range []error{timeout{}, syscall.ENOBUFS} {
		synctest.Test(t, func(t *testing.T) {
			conn := newStuck()
			conn.err = &net.OpError{Op: "write", Net: "udp", Err: cause}
			close(conn.open)
			s := plain(t, conn)
			for range 3 {
				if err := s.Write([]byte("x")); err != nil {
					t.Errorf("%v: got %v", cause, err)
				}
				synctest.Wait()
			}
			s.Close()
		})
	}
}

type timeout struct{}

func (timeout) Error() string   { return "timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

// The actor's mailbox is served while its socket takes nothing.
func TestActorServesWhileNothingCanBeWritten(t *testing.T) {
	transport := fakeTransport{dial: func(context.Context, netip.AddrPort) (net.Conn, error) { return newStuck(), nil }}
	inBubble(t, transport, func(r *rig) {
		r.connect("coap://192.0.2.1", nosec())
		r.wantStages(messages.StageConnecting, messages.StageUp)
		before := time.Now()
		sent := 0
		for range 100 {
			if r.send("x") {
				sent++
			}
		}
		answer := make(chan struct{}, 1)
		r.tell(messages.Ping{Answer: answer})
		if len(answer) != 1 || time.Since(before) != 0 || sent != outboxRoom+1 {
			t.Errorf("%d pings answered after %v, %d datagrams taken", len(answer), time.Since(before), sent)
		}
		if losses, _ := received[messages.LinkLost](r, core.Owner); len(losses) != 0 {
			t.Errorf("losses: %v", losses)
		}
	})
}
