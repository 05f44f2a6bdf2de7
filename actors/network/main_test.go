package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is where the tests' server lives.
var server = netip.MustParseAddrPort("192.0.2.1:5684")

// parse reads a URI that a test has written.
func parse(t testing.TB, s string) uri.URI {
	t.Helper()
	u, err := uri.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// psk are credentials that the tests' PSK server accepts.
func psk() messages.Credentials {
	return messages.Credentials{Mode: messages.SecurityPSK, Identity: "device", Key: messages.Secret("0123456789abcdef")}
}

// nosec are the credentials of a link without DTLS.
func nosec() messages.Credentials { return messages.Credentials{Mode: messages.SecurityNoSec} }

// wantAs fails the test unless err wraps a T, which it returns.
func wantAs[T error](t testing.TB, err error) T {
	t.Helper()
	var target T
	if !errors.As(err, &target) {
		t.Fatalf("got error %v (%T), want one that wraps %T", err, err, target)
	}
	return target
}

// wantClass fails the test unless err is of the class.
func wantClass(t testing.TB, err error, want messages.Class) {
	t.Helper()
	if got := classify(err).Class; got != want {
		t.Errorf("class of %v is %v, want %v", err, got, want)
	}
}

// fakeTransport is a Transport made of functions.
type fakeTransport struct {
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	dial   func(ctx context.Context, remote netip.AddrPort) (net.Conn, error)
}

func (f fakeTransport) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return f.lookup(ctx, host)
}

func (f fakeTransport) Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	return f.dial(ctx, remote)
}

// dialling returns a transport that hands out one connection.
func dialling(conn net.Conn) Transport {
	return fakeTransport{dial: func(context.Context, netip.AddrPort) (net.Conn, error) { return conn, nil }}
}

// within returns a context that ends after d, and is released with the test.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// seconds returns instants as durations.
func seconds(list ...int) []time.Duration {
	durations := make([]time.Duration, len(list))
	for i, s := range list {
		durations[i] = time.Duration(s) * time.Second
	}
	return durations
}
