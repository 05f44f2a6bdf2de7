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

	"golang.org/x/net/dns/dnsmessage"

	"github.com/holdfast-iot/holdfast/messages"
)

// nameServer answers on loopback until the test ends: with A and AAAA records
// for good.test, and with codes for the rest.
func nameServer(t *testing.T) (address string) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { pc.Close(); <-done })
	go func() {
		defer close(done)
		buffer := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer := nameAnswer(buffer[:n]); answer != nil {
				pc.WriteTo(answer, from)
			}
		}
	}()
	return pc.LocalAddr().String()
}

// nameAnswer answers one query; nil is silence.
func nameAnswer(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	question := m.Questions[0]
	header := dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: 60}
	switch question.Name.String() {
	case "good.test.":
		switch question.Type {
		case dnsmessage.TypeA:
			m.Answers = []dnsmessage.Resource{
				{Header: header, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}},
				{Header: header, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 2}}},
			}
		case dnsmessage.TypeAAAA:
			m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AAAAResource{AAAA: addr("2001:db8::1").As16()}}}
		}
	case "empty.test.":
	case "broken.test.":
		m.RCode = dnsmessage.RCodeServerFailure
	case "silent.test.":
		return nil
	default:
		m.RCode = dnsmessage.RCodeNameError
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}

func TestLookup(t *testing.T) {
	system := System{DNSServer: nameServer(t)}
	addrs, err := system.Lookup(within(t, time.Minute), "good.test")
	if err != nil {
		t.Fatal(err)
	}
	got := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		got[i] = a.Unmap()
	}
	slices.SortFunc(got, netip.Addr.Compare)
	want := []netip.Addr{addr("192.0.2.1"), addr("192.0.2.2"), addr("2001:db8::1")}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLookupFailures(t *testing.T) {
	system := System{DNSServer: nameServer(t)}
	for host, want := range map[string]ResolveReason{
		"missing.test": ResolveNotFound,
		"empty.test":   ResolveNotFound,
		"broken.test":  ResolveServerFailure,
	} {
		_, err := system.Lookup(within(t, time.Minute), host)
		if err == nil {
			t.Errorf("%s was found", host)
			continue
		}
		failure := newResolveError(host, err)
		if failure.Reason != want {
			t.Errorf("%s: got %v (%v), want %v", host, failure.Reason, err, want)
		}
		wantClass(t, failure, messages.ClassDNS)
	}
}

func TestLookupIsBoundedByItsContext(t *testing.T) {
	system := System{DNSServer: nameServer(t)}
	_, err := system.Lookup(within(t, 50*time.Millisecond), "silent.test")
	if got := newResolveError("silent.test", err).Reason; got != ResolveTimeout {
		t.Errorf("got %v (%v), want a timeout", got, err)
	}
}

func TestNobodyAnswersNames(t *testing.T) {
	_, err := System{DNSServer: closedPort(t).String()}.Lookup(within(t, time.Minute), "good.test")
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
	_, err := establish(within(t, time.Minute), System{}, remote, secure(t, "coaps://server.test", psk()))
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want ECONNREFUSED", err)
	}
	wantClass(t, err, messages.ClassRefused)

	s, err := establish(within(t, time.Minute), System{}, remote, nil)
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
	s, err := establish(context.Background(), System{}, netip.MustParseAddrPort(pc.LocalAddr().String()), nil)
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
