package network

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v2"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
	"github.com/holdfast-iot/holdfast/messages"
)

// established returns a session with an echoing PSK server, whose own end of
// the session is given to serve.
func established(t *testing.T, serve func(*pipe, *dtls.Conn)) (s session, client, remote *pipe) {
	t.Helper()
	client, remote = newPipe(t)
	go func() {
		conn, err := dtls.ServerWithContext(context.Background(), remote, remote.RemoteAddr(), pskServer())
		if err != nil {
			t.Error(err)
			return
		}
		serve(remote, conn)
	}()
	s, err := shakeHands(within(t, time.Minute), client, secure(t, "coaps://server.test", psk()), terms{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // the server completes its own side a little later
	return s, client, remote
}

func TestCloseNotifyEndsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, _ := established(t, func(p *pipe, c *dtls.Conn) {
			time.Sleep(time.Second) // until the client is up, too
			p.goodbye(c)
		})
		_, err := s.Read()
		wantAs[*ClosedError](t, err)
		wantClass(t, err, messages.ClassClosed)
		wantClass(t, s.Write([]byte("x")), messages.ClassClosed)
		s.Close()
		if !client.isClosed() {
			t.Error("the socket is still open")
		}
	})
}

// What is not authenticated must not touch an established session.
func TestForgedRecordsDoNotTouchASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, _ := established(t, func(_ *pipe, c *dtls.Conn) {
			c.Write([]byte("hello"))
			buffer := make([]byte, 16)
			c.Read(buffer) // until close_notify
			c.Close()
		})
		for _, forged := range [][]byte{
			alertRecord(2, 48), alertRecord(2, 0), alertRecord(1, 0),
			rawRecord(record.ApplicationData, 0, []byte("fake")),
			rawRecord(record.ChangeCipherSpec, 1, []byte{1}),
			rawRecord(record.Handshake, 0, make([]byte, handshake.HeaderSize)),
			rawRecord(record.ApplicationData, 1, make([]byte, 40)),
			rawRecord(record.Alert, 1, []byte{2, 48}),
			rawRecord(record.ConnectionID, 1, make([]byte, 64)), rawRecord(record.ConnectionID, 1, nil),
			{}, {1, 2, 3}, bytes.Repeat([]byte{22}, readBufferSize+1),
		} {
			client.inject(forged)
		}
		got, err := s.Read()
		if err == errTruncated { // of what was forged, the one that is too long
			got, err = s.Read()
		}
		if err != nil || string(got) != "hello" {
			t.Errorf("got %q, %v", got, err)
		}
		s.Close()
	})
}

func TestRefusedPortEndsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, remote := established(t, func(_ *pipe, c *dtls.Conn) { c.Read(make([]byte, 16)); c.Close() })
		client.failRead(syscall.ECONNREFUSED)
		_, err := s.Read()
		wantClass(t, err, messages.ClassRefused)
		s.Close()
		remote.Close()
	})
}

// The server must get every goodbye.
func TestEveryCloseSaysGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 200 {
			s, client, _ := established(t, func(_ *pipe, c *dtls.Conn) { c.Read(make([]byte, 16)); c.Close() })
			alerts := 0
			client.intercept(func(datagram []byte) bool {
				if r, _, ok := record.Next(datagram, 0); ok && r.Content == record.Alert && r.Epoch == 1 {
					alerts++
				}
				return false
			})
			if err := s.Close(); err != nil || alerts != 1 {
				t.Fatalf("%d alerts left, error %v", alerts, err)
			}
			synctest.Wait()
		}
	})
}

// A write that the kernel has no room for is a lost datagram, not a lost link.
func TestFullSendBufferLosesTheDatagramOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newPipe(t)
		client.failWrites(syscall.ENOBUFS)
		s, err := establish(within(t, time.Minute), dialling(client), open{remote: server}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := newRunner(testEpoch, nil, func(in any) { t.Errorf("the link was told %v", in) }, nil)
		r.session.Store(&s)
		if r.write([]byte("x")) {
			t.Error("a datagram without room counts as sent")
		}
	})
}

func TestPlainSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, remote := newPipe(t)
		s, err := establish(within(t, time.Minute), dialling(client), open{remote: server}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if got := string(<-remote.in); got != "ping" {
			t.Errorf("got %q", got)
		}
		client.inject(make([]byte, readBufferSize+100)) // dropped whole
		client.inject(make([]byte, readBufferSize))     // may have been cut
		client.inject(make([]byte, readBufferSize-1))
		for range 2 {
			if _, err := s.Read(); err != errTruncated {
				t.Errorf("a datagram that may have been cut: %v", err)
			}
		}
		got, err := s.Read()
		if len(got) != readBufferSize-1 || err != nil {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, readBufferSize-1)
		}
		client.failRead(syscall.ECONNREFUSED)
		_, err = s.Read()
		wantClass(t, err, messages.ClassRefused)
		s.Close()
	})
}

func TestDialErrors(t *testing.T) {
	tests := map[syscall.Errno]messages.Class{
		syscall.ENETUNREACH:   messages.ClassUnreachable,
		syscall.EHOSTUNREACH:  messages.ClassUnreachable,
		syscall.EACCES:        messages.ClassUnreachable,
		syscall.EINVAL:        messages.ClassUnreachable, // a blackhole route
		syscall.EADDRNOTAVAIL: messages.ClassUnreachable,
		syscall.EMFILE:        messages.ClassSocket,
	}
	for errno, class := range tests {
		transport := fakeTransport{dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: errno}
		}}
		_, err := establish(within(t, time.Minute), transport, open{remote: server}, nil, nil)
		wantClass(t, err, class)
	}
}
