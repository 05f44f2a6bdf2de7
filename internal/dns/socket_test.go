package dns

import (
	"context"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onLoopback serves UDP and TCP on one port.
func onLoopback(t *testing.T) (*lwm2mtest.NameServer, *Resolver) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Skip("the port is taken for UDP:", err)
	}
	server := lwm2mtest.NewNameServer()
	t.Cleanup(server.Close)
	server.ServePacket(pc)
	server.ServeListener(l)
	server.Set("gw.test", four, six)
	resolver := &Resolver{Server: l.Addr().String(), Etc: t.TempDir()}
	t.Cleanup(resolver.Close)
	return server, resolver
}

// A truncated answer is asked for over TCP.
func TestTruncated(t *testing.T) {
	server, resolver := onLoopback(t)
	server.Behave(lwm2mtest.NameManners{TruncateEDNS: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := resolver.Lookup(ctx, "gw.test", nil)
	if err != nil || len(got) == 0 {
		t.Fatalf("%v, %v", got, err)
	}
	over := map[bool]int{}
	for _, q := range server.Queries() {
		over[q.TCP]++
	}
	if over[true] == 0 || over[false] == 0 {
		t.Errorf("%d queries over TCP, %d over UDP", over[true], over[false])
	}
	server.Behave(lwm2mtest.NameManners{Truncate: true, NoTCP: true})
	if got, err := resolver.Lookup(ctx, "gw.test", nil); err != nil || len(got) == 0 {
		t.Errorf("without TCP: %v, %v", got, err)
	}
}

// Nobody listens: the error tells, and comes at once.
func TestNoServer(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := pc.LocalAddr().String()
	pc.Close()
	r := Resolver{Server: address, Etc: t.TempDir()}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if got, err := r.Lookup(ctx, "gw.test", nil); err == nil {
		t.Error(got)
	}
	if ctx.Err() != nil {
		t.Error("it took a minute")
	}
}
