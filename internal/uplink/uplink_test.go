package uplink

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/internal/linkwatch"
	"github.com/holdfast-iot/holdfast/messages"
)

// told collects what is told, also by a timer.
type told struct {
	mu  sync.Mutex
	all []messages.NetworkChanged
}

func (d *told) tell(n messages.NetworkChanged) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, n)
}

func (d *told) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.all)
}

func (d *told) last(t *testing.T) messages.NetworkChanged {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.all) == 0 {
		t.Fatal("nothing was told")
	}
	return d.all[len(d.all)-1]
}

func TestUplinkReturnsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &told{}
		u := New([]string{"eth0", "wwan0"}, d.tell)
		defer u.Close()
		var none *NoneError
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := u.Binding(ctx); !errors.Is(err, context.DeadlineExceeded) || d.count() != 0 {
			t.Fatalf("before the first look: %v", err)
		}
		was := machineOf("eth0- wwan0+")
		u.Changed(linkwatch.Change{Now: was, First: true})
		if n := d.last(t); n.Back || n.Uplink.Interface != "wwan0" || n.Uplink.Interfaces != "eth0, wwan0" || len(n.Addresses) != 2 {
			t.Fatalf("%+v", n)
		}
		is := machineOf("eth0+ wwan0+")
		u.Changed(linkwatch.Change{Now: is, Before: was})
		if n := d.last(t); n.Back || n.Uplink.Interface != "wwan0" {
			t.Fatalf("what is not used yet is no news: %+v", n)
		}
		began := time.Now()
		for d.count() < 3 {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if n := d.last(t); !n.Back || n.Uplink.Interface != "eth0" || time.Since(began) != Hold {
			t.Fatalf("after %v: %+v", time.Since(began), n)
		}
		b, err := u.Binding(t.Context())
		if err != nil || b.Name != "eth0" || b.Address(netip.MustParseAddr("198.51.100.1")) != netip.MustParseAddr("192.0.2.2") ||
			b.Address(netip.MustParseAddr("2001:db8::1")).IsValid() {
			t.Fatalf("%+v, %v", b, err)
		}
		u.Changed(linkwatch.Change{Now: machineOf("eth0-"), Before: is})
		if _, err := u.Binding(t.Context()); !errors.As(err, &none) || d.last(t).Uplink.Interface != "" || d.last(t).Back {
			t.Fatalf("%v, %+v", err, d.last(t))
		}
		u.Changed(linkwatch.Change{Now: machineOf("eth0-"), Before: machineOf("eth0-"), Err: errors.New("no sockets")})
		if _, err := u.Binding(t.Context()); err == nil || err.Error() != "the interfaces of this machine cannot be watched: no sockets" {
			t.Fatal(err)
		}
	})
}

// Without a list any interface will do, and the first look is no news.
func TestUplinkWithoutAList(t *testing.T) {
	d := &told{}
	u := New(nil, d.tell)
	is := machineOf("eth0-")
	u.Changed(linkwatch.Change{Now: is, First: true})
	if b, err := u.Binding(t.Context()); err != nil || b.Name != "" || d.count() != 0 {
		t.Fatalf("%+v, %v, %+v", b, err, d.all)
	}
	u.Changed(linkwatch.Change{Now: machineOf("eth0"), Before: is})
	if n := d.last(t); !n.Back || n.Uplink != (messages.Uplink{}) || len(n.Addresses) != 1 {
		t.Fatalf("%+v", n)
	}
	u.Changed(linkwatch.Change{Now: is, Before: machineOf("eth0")})
	if n := d.last(t); n.Back {
		t.Fatalf("%+v", n)
	}
	u.Changed(linkwatch.Change{Now: is, Before: is, Dipped: true})
	if n := d.last(t); !n.Back {
		t.Fatalf("what was gone for a moment: %+v", n)
	}
	u.Close()
	u.Changed(linkwatch.Change{Now: machineOf("eth0"), Before: is})
	if d.count() != 3 {
		t.Error("something is told after Close")
	}
}

// The first look is a hint where something was tried in vain before: while the machine could
// not be watched.
func TestUplinkThatCouldNotBeWatched(t *testing.T) {
	d := &told{}
	u := New([]string{"eth0"}, d.tell)
	defer u.Close()
	u.Changed(linkwatch.Change{Err: errors.New("no sockets")})
	if _, err := u.Binding(t.Context()); err == nil {
		t.Fatal("there is an interface")
	}
	u.Changed(linkwatch.Change{Now: machineOf("eth0"), First: true})
	if n := d.last(t); !n.Back || n.Uplink.Interface != "eth0" || n.Uplink.Reason != "" {
		t.Fatalf("%+v", n)
	}
}
