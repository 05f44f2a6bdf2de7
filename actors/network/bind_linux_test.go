package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/linkwatch"
	"github.com/holdfast-iot/holdfast/internal/uplink"
	"github.com/holdfast-iot/holdfast/messages"
)

// on is the uplink of a client that may use one interface, with what a look at the machine
// has found.
func on(t *testing.T, view linkwatch.View) *uplink.Uplink {
	u := uplink.New([]string{"wwan0"}, func(messages.NetworkChanged) {})
	t.Cleanup(u.Close)
	u.Changed(linkwatch.Change{Now: view, First: true})
	return u
}

// Without an interface nothing leaves the machine, names included, and that is no fault of the
// name server. What leads to the machine itself is not bound.
func TestSystemWithoutItsInterface(t *testing.T) {
	_, address := nameServer(t)
	system := NewSystemOn(on(t, nil), address)
	t.Cleanup(system.Close)
	ctx := within(t, time.Minute)
	far := netip.MustParseAddrPort("192.0.2.1:5683")
	dial := func(_ context.Context) error { _, err := system.Dial(ctx, far); return err }
	tcp := func(_ context.Context) error { _, err := system.DialTCP(ctx, far); return err }
	lookup := func(_ context.Context) error { _, err := system.Lookup(ctx, "good.test"); return err }
	for name, try := range map[string]func(context.Context) error{"dial": dial, "tcp": tcp, "lookup": lookup} {
		err := try(ctx)
		if f := classify(newResolveError("good.test", err)); err == nil || f.Class != messages.ClassUnreachable || err.Error() != "wwan0 is not there" {
			t.Errorf("%s: %v, %v", name, f.Class, err)
		}
	}
	conn, err := system.Dial(ctx, netip.MustParseAddrPort("127.0.0.1:5683"))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// A socket is bound to its interface, which here is one that this machine has not got any more.
func TestSystemBindsItsSockets(t *testing.T) {
	_, address := nameServer(t)
	view := linkwatch.View{{Index: 1 << 20, Name: "wwan0", Up: true, Addresses: []linkwatch.Usable{{Addr: addr("192.0.2.9")}}}}
	system := NewSystemOn(on(t, view), address)
	t.Cleanup(system.Close)
	ctx := within(t, time.Minute)
	if conn, err := system.Dial(ctx, netip.MustParseAddrPort("192.0.2.1:5683")); err == nil || !errors.Is(err, syscall.ENODEV) {
		t.Errorf("dial: %v, %v", conn, err)
	}
	if conn, err := system.DialTCP(ctx, netip.MustParseAddrPort("192.0.2.1:80")); err == nil || !errors.Is(err, syscall.ENODEV) {
		t.Errorf("tcp: %v, %v", conn, err)
	}
	if conn, err := system.dialNames(ctx, "udp", "192.0.2.53:53"); err == nil || !errors.Is(err, syscall.ENODEV) {
		t.Errorf("names: %v, %v", conn, err)
	}
	if _, err := system.Lookup(ctx, "good.test"); err != nil {
		t.Errorf("a name server on this machine: %v", err)
	}
}

// Where the interface itself is refused, its address is taken.
func TestSocketBoundToAnAddress(t *testing.T) {
	for _, local := range []string{"127.0.0.1", "::1"} {
		to, peer := uplink.Binding{Name: "lo", Addresses: []netip.Addr{addr(local)}}, addr(local)
		d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
			var refused error
			err := raw.Control(func(fd uintptr) { refused = bindAddress(int(fd), to, peer) })
			return errors.Join(err, refused)
		}}
		conn, err := d.DialContext(within(t, time.Minute), "udp", netip.AddrPortFrom(peer, 9).String())
		if err != nil {
			t.Errorf("%s: %v", local, err)
			continue
		}
		if got := localOf(conn); got != addr(local) {
			t.Errorf("%s: bound to %v", local, got)
		}
		_ = conn.Close()
	}
}
