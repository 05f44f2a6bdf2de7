package systemtest

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Addresses of the simulated network.
var (
	GatewayAddr   = netip.MustParseAddr("192.0.2.10")
	ServerAddr    = netip.MustParseAddr("192.0.2.1")
	BootstrapAddr = netip.MustParseAddr("192.0.2.2")
	ImageAddr     = netip.MustParseAddr("192.0.2.3")
)

const (
	Endpoint = "gw-0001" // the client's name, and its PSK identity
	CoAPPort = 5683      // of both servers, without security
	DTLSPort = 5684      // the same with it
)

// Key is the pre-shared key of the client and the management server.
var Key = []byte("0123456789abcdef")

// World is a simulated network with a server and the host of one client. It
// lives in a bubble of testing/synctest.
type World struct {
	T             *testing.T
	Network       *lwm2mtest.Network
	Gateway       *lwm2mtest.Host // of the client
	Host          *lwm2mtest.Host // of the management server
	BootstrapHost *lwm2mtest.Host // nil until ListenBootstrap
	ImageHost     *lwm2mtest.Host // nil until ServeImages
	Server        *lwm2mtest.Server
	Images        *lwm2mtest.Server // nil until ServeImages
	Probe         *lwm2mtest.Probe  // on the client's actors
}

// NewWorld makes a world without open ports. The caller closes it, in the same
// bubble.
func NewWorld(t *testing.T, opts lwm2mtest.ServerOptions) *World {
	t.Helper()
	if opts.Location == nil {
		opts.Location = lwm2mtest.NumberedLocation
	}
	n := lwm2mtest.NewNetwork(lwm2mtest.NetworkOptions{Seed: 1})
	w := &World{
		T: t, Network: n, Gateway: n.Host("gateway", GatewayAddr), Host: n.Host("server", ServerAddr),
		Server: lwm2mtest.NewServer(opts), Probe: lwm2mtest.NewProbe(nil),
	}
	n.SetDNS("server.test", ServerAddr)
	return w
}

// Close ends the world: two virtual seconds let protoactor's dead-letter
// throttle go.
func (w *World) Close() {
	w.T.Helper()
	if err := w.Server.Close(); err != nil {
		w.T.Error(err)
	}
	if w.Images != nil {
		if err := w.Images.Close(); err != nil {
			w.T.Error(err)
		}
	}
	if err := w.Network.Close(); err != nil {
		w.T.Error(err)
	}
	time.Sleep(2 * time.Second)
}

// Serve opens the management server's port.
func (w *World) Serve(port uint16, security lwm2mtest.Security) *lwm2mtest.Service {
	w.T.Helper()
	pc, err := w.Host.ListenPacket(port)
	if err != nil {
		w.T.Fatal(err)
	}
	return w.Server.ServeManagement(pc, security)
}

// ServePSK opens the management server's port for the client's key.
func (w *World) ServePSK() *lwm2mtest.Service {
	w.T.Helper()
	return w.Serve(DTLSPort, lwm2mtest.PSK(Endpoint, Key))
}

// NoSec is a configuration with a management server over plain CoAP and an r0
// of exactly 5 s.
func (w *World) NoSec() holdfast.Config {
	return holdfast.Config{
		Endpoint: Endpoint,
		StateDir: StateDir(w.T),
		Server:   &holdfast.Account{URI: "coap://192.0.2.1", Security: holdfast.SecurityNoSec},
		Reconnect: holdfast.ReconnectConfig{
			InitialMin: 5 * time.Second, InitialMax: 5 * time.Second,
		},
	}
}

// StateDir makes a state directory as a client would.
func StateDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir() // which others may look into
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// PSK is a configuration with a management server over PSK.
func (w *World) PSK() holdfast.Config {
	cfg := w.NoSec()
	cfg.Server = &holdfast.Account{
		URI: "coaps://192.0.2.1", Security: holdfast.SecurityPSK, PSKIdentity: Endpoint, PSKKey: Key,
	}
	return cfg
}

// Start starts a client whose random draws are all 0: r0 is its minimum, and
// the first resend comes after exactly ACK_TIMEOUT.
func (w *World) Start(cfg holdfast.Config, options ...holdfast.Option) *Client {
	w.T.Helper()
	options = append([]holdfast.Option{
		lwm2mtest.WithTransport(w.Gateway), lwm2mtest.WithTap(w.Probe),
		lwm2mtest.WithRand(func() float64 { return 0 }), WithStoreFS(quickDisk{store.OS()}),
	}, options...)
	client, err := holdfast.New(cfg, options...)
	if err != nil {
		w.T.Fatal(err)
	}
	return StartRecorded(w.T, client)
}
