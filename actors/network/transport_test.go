package network

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// loopback is the interface on which this machine talks to itself.
func loopback(t *testing.T) net.Interface {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 {
			return i
		}
	}
	t.Skip("there is no loopback interface")
	return net.Interface{}
}

// An interface is named, or numbered.
func TestDialThroughAZone(t *testing.T) {
	lo := loopback(t)
	server, err := net.ListenPacket("udp", "[::1]:0")
	if err != nil {
		t.Skip(err)
	}
	defer server.Close()
	port := server.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	for _, zone := range []string{lo.Name, strconv.Itoa(lo.Index)} {
		conn, err := newSystem(t, "").Dial(within(t, time.Minute), netip.AddrPortFrom(addr("::1").WithZone(zone), port))
		if err != nil {
			t.Fatalf("%s: %v", zone, err)
		}
		if _, err := conn.Write([]byte(zone)); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 64)
		if n, _, err := server.ReadFrom(buf); err != nil || string(buf[:n]) != zone {
			t.Errorf("%s: %q, %v", zone, buf[:n], err)
		}
		conn.Close()
	}
}

// No interface, and none that is named: no packet reaches the peer, and the error says
// which name it is about.
func TestDialWithoutAnInterface(t *testing.T) {
	for zone, want := range map[string]string{
		"nosuch0": `this machine has no interface "nosuch0"`, "2147483646": `this machine has no interface "2147483646"`, "": "[fe80::1%25eth0]",
	} {
		remote := netip.AddrPortFrom(addr("fe80::1").WithZone(zone), 5683)
		_, err := newSystem(t, "").Dial(within(t, time.Minute), remote)
		err = &SocketError{Op: opDial, Remote: remote, Err: err}
		if !errors.As(err, new(*ZoneError)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", zone, err)
		}
		if f := classify(err); f.Class != messages.ClassUnreachable {
			t.Errorf("%q: %v", zone, f.Class)
		}
	}
}
