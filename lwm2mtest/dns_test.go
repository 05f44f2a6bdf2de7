package lwm2mtest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDNS(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		addrs := []netip.Addr{netip.MustParseAddr("fd00::2"), serverAddr}
		w.SetDNS("dual.test", addrs...)
		if got, err := w.client.Lookup(t.Context(), "dual.test"); err != nil || len(got) != 2 || got[0] != addrs[0] {
			t.Errorf("got %v, %v", got, err)
		}
		if got, err := w.client.Lookup(t.Context(), "10.1.2.3"); err != nil || got[0].String() != "10.1.2.3" {
			t.Errorf("got %v, %v", got, err)
		}
		if got, err := w.client.Lookup(t.Context(), "server.test"); err != nil || got[0] != serverAddr {
			t.Errorf("a host's name: %v, %v", got, err)
		}
		want := []Lookup{{w.start, "client.test", "dual.test"}, {w.start, "client.test", "server.test"}}
		if diff := cmp.Diff(want, w.Lookups()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDNSFailures(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		w.FailDNS("not.test", NameNotFound)
		w.FailDNS("fail.test", ServerFailure)
		w.FailDNS("silent.test", NoAnswerFromDNS)
		if e := lookupError(t, ctx, w.client, "not.test"); !e.IsNotFound {
			t.Errorf("%+v", e)
		}
		if e := lookupError(t, ctx, w.client, "unknown.test"); !e.IsNotFound {
			t.Errorf("%+v", e)
		}
		if e := lookupError(t, ctx, w.client, "fail.test"); !e.IsTemporary || e.IsNotFound {
			t.Errorf("%+v", e)
		}
		e := lookupError(t, ctx, w.client, "silent.test")
		if !e.IsTimeout || !errors.Is(e, context.DeadlineExceeded) || time.Since(w.start) != 7*time.Second {
			t.Errorf("%+v after %v", e, time.Since(w.start))
		}
	})
}

func lookupError(t *testing.T, ctx context.Context, h *Host, name string) *net.DNSError {
	t.Helper()
	_, err := h.Lookup(ctx, name)
	var dnsErr *net.DNSError
	if !errors.As(err, &dnsErr) {
		t.Fatalf("%s: error %v is no DNS error", name, err)
	}
	return dnsErr
}
