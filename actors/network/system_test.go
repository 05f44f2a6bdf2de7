package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// nameServer is a name server on loopback, and its address. It knows good.test, and
// that empty.test has no address.
func nameServer(t *testing.T) (server *lwm2mtest.NameServer, address string) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server = lwm2mtest.NewNameServer()
	t.Cleanup(server.Close)
	server.ServePacket(pc)
	server.Set("good.test", addr("192.0.2.1"), addr("192.0.2.2"), addr("2001:db8::1"))
	server.Set("empty.test")
	return server, pc.LocalAddr().String()
}

func newSystem(t *testing.T, nameServer string) *System {
	s := NewSystem(nameServer)
	t.Cleanup(s.Close)
	return s
}

func TestLookup(t *testing.T) {
	_, address := nameServer(t)
	got, err := newSystem(t, address).Lookup(within(t, time.Minute), "good.test")
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, netip.Addr.Compare)
	want := []netip.Addr{addr("192.0.2.1"), addr("192.0.2.2"), addr("2001:db8::1")}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLookupFailures(t *testing.T) {
	server, address := nameServer(t)
	system := newSystem(t, address)
	lookup := func(host string, want ResolveReason) {
		t.Helper()
		_, err := system.Lookup(within(t, time.Minute), host)
		if err == nil {
			t.Errorf("%s was found", host)
			return
		}
		failure := newResolveError(host, err)
		if failure.Reason != want {
			t.Errorf("%s: got %v (%v), want %v", host, failure.Reason, err, want)
		}
		wantClass(t, failure, messages.ClassDNS)
	}
	lookup("missing.test", ResolveNotFound)
	lookup("empty.test", ResolveNotFound)
	server.Behave(lwm2mtest.NameManners{Code: 2})
	lookup("good.test", ResolveServerFailure)
}

func TestLookupIsBoundedByItsContext(t *testing.T) {
	server, address := nameServer(t)
	server.Behave(lwm2mtest.NameManners{Silent: true})
	_, err := newSystem(t, address).Lookup(within(t, 50*time.Millisecond), "silent.test")
	if got := newResolveError("silent.test", err).Reason; got != ResolveTimeout {
		t.Errorf("got %v (%v), want a timeout", got, err)
	}
}

func TestNobodyAnswersNames(t *testing.T) {
	_, err := newSystem(t, closedPort(t).String()).Lookup(within(t, time.Minute), "good.test")
	wantClass(t, newResolveError("good.test", err), messages.ClassDNS)
}

// closedPort returns a loopback port on which nobody listens.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}

// ICMP port unreachable on a real socket, well before the deadline.
func TestClosedPortIsRefused(t *testing.T) {
	remote := closedPort(t)
	_, err := establish(within(t, time.Minute), newSystem(t, ""), open{remote: remote, security: secure(t, "coaps://server.test", psk())}, nil, nil)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want ECONNREFUSED", err)
	}
	wantClass(t, err, messages.ClassRefused)

	s, err := establish(within(t, time.Minute), newSystem(t, ""), open{remote: remote}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_, err = s.Read()
	wantClass(t, err, messages.ClassRefused)
}

func TestCloseUnblocksARead(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	s, err := establish(context.Background(), newSystem(t, ""), open{remote: netip.MustParseAddrPort(pc.LocalAddr().String())}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() {
		_, err := s.Read()
		result <- err
	}()
	s.Close()
	if err := <-result; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
