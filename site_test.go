package holdfast_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Addresses and names of a site.
const (
	siteEndpoint  = "gw-1"
	siteServer    = "192.0.2.1"
	siteBootstrap = "192.0.2.2"
)

// site is a small simulated network: one gateway, one server that is management
// and bootstrap server in one. It lives in a synctest bubble.
type site struct {
	t       *testing.T
	network *lwm2mtest.Network
	gateway *lwm2mtest.Host
	server  *lwm2mtest.Server
	taps    []holdfast.Option
}

func newSite(t *testing.T) *site {
	t.Helper()
	n := lwm2mtest.NewNetwork(lwm2mtest.NetworkOptions{Seed: 1})
	s := &site{
		t: t, network: n, gateway: n.Host("gateway", netip.MustParseAddr("192.0.2.10")),
		server: lwm2mtest.NewServer(lwm2mtest.ServerOptions{}),
	}
	t.Cleanup(func() {
		_ = s.server.Close() // what it closes is the test's own
		_ = n.Close()
	})
	return s
}

// serve opens a port of a host for the management or the bootstrap server.
func (s *site) serve(host string, port uint16, security lwm2mtest.Security) *lwm2mtest.Service {
	s.t.Helper()
	pc, err := s.network.Host(host, netip.MustParseAddr(host)).ListenPacket(port)
	if err != nil {
		s.t.Fatal(err)
	}
	if host == siteBootstrap {
		return s.server.ServeBootstrap(pc, security)
	}
	return s.server.ServeManagement(pc, security)
}

// plain is a configuration with a management server without security.
func (s *site) plain() holdfast.Config {
	return s.with(&holdfast.Account{URI: "coap://" + siteServer, Security: holdfast.SecurityNoSec}, nil)
}

func (s *site) with(server, bootstrap *holdfast.Account) holdfast.Config {
	return holdfast.Config{Endpoint: siteEndpoint, StateDir: s.t.TempDir(), Server: server, Bootstrap: bootstrap}
}

// start starts a client; it is closed with the test at the latest.
func (s *site) start(cfg holdfast.Config) (*holdfast.Client, <-chan holdfast.Event) {
	s.t.Helper()
	client, err := holdfast.New(cfg, append(s.taps, lwm2mtest.WithTransport(s.gateway))...)
	if err != nil {
		s.t.Fatal(err)
	}
	events, _ := client.Events(1 << 10)
	if err := client.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = client.Close(context.Background()) }) // the test may have closed it
	return client, events
}

// registered starts a client and waits until it is registered.
func (s *site) registered() (*holdfast.Client, <-chan holdfast.Event) {
	s.t.Helper()
	s.serve(siteServer, 5683, lwm2mtest.NoSec())
	client, events := s.start(s.plain())
	if err := client.Await(s.within(time.Minute), holdfast.Registered); err != nil {
		s.t.Fatal(err)
	}
	return client, events
}

// within is a context that ends with the test, or after d of virtual time.
func (s *site) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(s.t.Context(), d)
	s.t.Cleanup(cancel)
	return ctx
}

// failure returns the error of the next error event.
func (s *site) failure(events <-chan holdfast.Event) error {
	s.t.Helper()
	for {
		select {
		case e, open := <-events:
			if !open {
				s.t.Fatal("no error event came")
			}
			if e.Type == holdfast.EventError {
				return e.Err()
			}
		case <-s.within(time.Hour).Done():
			s.t.Fatal("no error event came")
		}
	}
}
