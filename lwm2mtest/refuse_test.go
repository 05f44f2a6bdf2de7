package lwm2mtest

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

func TestNetworkRefusedPort(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		w.Impair(Everywhere(), Conditions{Latency: 5 * time.Millisecond})
		c := must(w.client.Dial(t.Context(), netip.AddrPortFrom(serverAddr, 9)))(t)
		must(c.Write([]byte("x")))(t)
		_, err := c.Read(make([]byte, 1))
		assertErrno(t, err, "read", syscall.ECONNREFUSED)
		if got := time.Since(w.start); got != 10*time.Millisecond {
			t.Errorf("refused after %v, want a round trip of 10ms", got)
		}
		must(c.Write([]byte("x")))(t)
		time.Sleep(11 * time.Millisecond)
		_, err = c.Write([]byte("y"))
		assertErrno(t, err, "write", syscall.ECONNREFUSED)
		must(c.Write([]byte("z")))(t) // the error was reported once
	})
}

func TestNetworkRefuseWhileListening(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		down := w.Impair(ToPort(netip.AddrPortFrom(serverAddr, 5683)), Conditions{Refuse: true})
		w.write(t, "x")
		_, err := w.conn.Read(make([]byte, 1))
		assertErrno(t, err, "read", syscall.ECONNREFUSED)
		down.Lift()
		w.write(t, "y")
		if got := texts(w.read(t, 1)); got != "y" {
			t.Errorf("got %q", got)
		}
	})
}

func TestNetworkClosedSocketRefuses(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		if err := w.pc.Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.pc.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		w.write(t, "x")
		_, err := w.conn.Read(make([]byte, 1))
		assertErrno(t, err, "read", syscall.ECONNREFUSED)
		w.pc = must(w.server.ListenPacket(5683))(t)
		w.write(t, "y")
		if got := texts(w.read(t, 1)); got != "y" {
			t.Errorf("got %q", got)
		}
	})
}

func TestNetworkICMPCanBeLost(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		w.Impair(FromHost(w.server), Conditions{BlackHole: true})
		c := must(w.client.Dial(t.Context(), netip.AddrPortFrom(serverAddr, 9)))(t)
		must(c.Write([]byte("x")))(t)
		assertSilent(t, c)
	})
}

func TestNetworkUnreachable(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH} {
		bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
			w.Impair(FromHost(w.client), Conditions{Unreachable: errno})
			_, err := w.conn.Write([]byte("x"))
			assertErrno(t, err, "write", errno)
			if c := w.Counters(); c.Unreachable != 1 || c.Sent != 0 || len(w.Packets()) != 0 {
				t.Errorf("counters %+v", c)
			}
		})
	}
}

func TestNetworkMissingFamilyIsUnreachable(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		_, err := w.client.Dial(t.Context(), netip.MustParseAddrPort("[fd00::1]:5683"))
		assertErrno(t, err, "dial", syscall.ENETUNREACH)
	})
}
