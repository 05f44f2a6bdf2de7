package systemtest

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Times of the tests on the operating system's sockets. Virtual time is where
// instants are exact: here nothing may come early, and late is no fault, since
// the machine is busy with other tests.
const (
	LiveDelay    = time.Second            // r0 of LiveConfig
	LiveEarly    = 100 * time.Millisecond // by how much the clocks of an event and of a timer may differ
	LivePatience = 2 * time.Minute        // after which a test gives up
)

// Live is a server on loopback.
type Live struct {
	T      *testing.T
	Server *lwm2mtest.Server
}

// NewLive makes a server without open ports. It closes with the test.
func NewLive(t *testing.T) *Live {
	t.Helper()
	l := &Live{T: t, Server: lwm2mtest.NewServer(lwm2mtest.ServerOptions{})}
	t.Cleanup(func() { _ = l.Server.Close() }) // it always returns nil
	return l
}

// Listen opens a socket on loopback; port 0 means any.
func (l *Live) Listen(port uint16) net.PacketConn {
	l.T.Helper()
	loopback := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	pc, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		l.T.Fatal(err)
	}
	return pc
}

// Serve opens a port of the management server.
func (l *Live) Serve(security lwm2mtest.Security) *lwm2mtest.Service {
	l.T.Helper()
	return l.Server.ServeManagement(l.Listen(0), security)
}

// LiveConfig is a configuration with a management server and an r0 of LiveDelay.
func LiveConfig(t *testing.T, server *holdfast.Account) holdfast.Config {
	return holdfast.Config{
		Endpoint: Endpoint, StateDir: t.TempDir(), Server: server,
		Reconnect: holdfast.ReconnectConfig{InitialMin: LiveDelay, InitialMax: LiveDelay},
	}
}

// LiveNoSec is an account over plain CoAP; host is an address with its port.
func LiveNoSec(host string) *holdfast.Account {
	return &holdfast.Account{URI: "coap://" + host, Security: holdfast.SecurityNoSec}
}

// LivePSK is an account over PSK.
func LivePSK(host string) *holdfast.Account {
	return &holdfast.Account{
		URI: "coaps://" + host, Security: holdfast.SecurityPSK, PSKIdentity: Endpoint, PSKKey: Key,
	}
}

// Start starts a client. A test that waits for too long loses its events, and
// fails.
func (l *Live) Start(cfg holdfast.Config) *Client {
	l.T.Helper()
	return l.StartFor(cfg, LivePatience)
}

// StartFor is Start with another limit.
func (l *Live) StartFor(cfg holdfast.Config, patience time.Duration) *Client {
	l.T.Helper()
	client, err := holdfast.New(cfg)
	if err != nil {
		l.T.Fatal(err)
	}
	c := &Client{Client: client, T: l.T, live: true}
	events, unsubscribe := client.Events(1 << 12)
	c.Feed = events
	enough := time.AfterFunc(patience, unsubscribe)
	if err := client.Start(context.Background()); err != nil {
		l.T.Fatal(err)
	}
	l.T.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = client.Close(ctx) // the server may be dead
		enough.Stop()
	})
	return c
}
