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

// Addresses of the simulated network.
var (
	gatewayAddr   = netip.MustParseAddr("192.0.2.10")
	serverAddr    = netip.MustParseAddr("192.0.2.1")
	bootstrapAddr = netip.MustParseAddr("192.0.2.2")
)

const (
	endpoint = "gw-0001"
	coapPort = 5683
	dtlsPort = 5684
)

var testKey = []byte("0123456789abcdef")

// world is a simulated network with a server and the host of one client. It
// lives in a synctest bubble.
type world struct {
	t             *testing.T
	network       *lwm2mtest.Network
	gateway       *lwm2mtest.Host
	host          *lwm2mtest.Host // of the management server
	bootstrapHost *lwm2mtest.Host
	server        *lwm2mtest.Server
	probe         *lwm2mtest.Probe
}

func newWorld(t *testing.T, opts lwm2mtest.ServerOptions) *world {
	t.Helper()
	n := lwm2mtest.NewNetwork(lwm2mtest.NetworkOptions{Seed: 1})
	w := &world{
		t: t, network: n, gateway: n.Host("gateway", gatewayAddr), host: n.Host("server", serverAddr),
		server: lwm2mtest.NewServer(opts), probe: lwm2mtest.NewProbe(nil),
	}
	n.SetDNS("server.test", serverAddr)
	return w
}

// close ends the world: two virtual seconds let protoactor's dead-letter
// throttle go.
func (w *world) close() {
	w.t.Helper()
	if err := w.server.Close(); err != nil {
		w.t.Error(err)
	}
	if err := w.network.Close(); err != nil {
		w.t.Error(err)
	}
	time.Sleep(2 * time.Second)
}

// serve opens the management server's port.
func (w *world) serve(port uint16, security lwm2mtest.Security) *lwm2mtest.Service {
	w.t.Helper()
	pc, err := w.host.ListenPacket(port)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.server.ServeManagement(pc, security)
}

// noSec is a configuration with a management server over plain CoAP and an r0
// of exactly 5 s.
func (w *world) noSec() holdfast.Config {
	return holdfast.Config{
		Endpoint: endpoint,
		StateDir: w.t.TempDir(),
		Server:   &holdfast.Account{URI: "coap://192.0.2.1", Security: holdfast.SecurityNoSec},
		Reconnect: holdfast.ReconnectConfig{
			InitialMin: 5 * time.Second, InitialMax: 5 * time.Second,
		},
	}
}

// runner is one client with a record of its events.
type runner struct {
	*holdfast.Client
	t      *testing.T
	events <-chan holdfast.Event
	seen   []holdfast.Event
}

// start starts a client whose random draws are all 0: r0 is its minimum, and
// the first resend comes after exactly ACK_TIMEOUT.
func (w *world) start(cfg holdfast.Config, options ...holdfast.Option) *runner {
	w.t.Helper()
	options = append([]holdfast.Option{
		holdfast.WithTransport(w.gateway), holdfast.WithTap(w.probe),
		holdfast.WithRand(func() float64 { return 0 }),
	}, options...)
	client, err := holdfast.New(cfg, options...)
	if err != nil {
		w.t.Fatal(err)
	}
	r := &runner{Client: client, t: w.t}
	r.events, _ = client.Events(1 << 16)
	if err := client.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// patience is how long tests wait for anything, in virtual time: longer than
// the longest delay of the policy.
const patience = 15 * 24 * time.Hour

// await waits for a state.
func (r *runner) await(state holdfast.State) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Await(ctx, state); err != nil {
		r.t.Fatalf("%v; events: %s", err, r.story())
	}
}

// next returns the next event of a type, waiting for it.
func (r *runner) next(kind holdfast.EventType) holdfast.Event {
	r.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case e, open := <-r.events:
			if !open {
				r.t.Fatalf("no %s event came; events: %s", kind, r.story())
			}
			r.seen = append(r.seen, e)
			if e.Type == kind {
				return e
			}
		case <-timeout.C:
			r.t.Fatalf("no %s event came; events: %s", kind, r.story())
		}
	}
}

// story returns what has happened so far, one line an event.
func (r *runner) story() string {
	for len(r.events) > 0 {
		r.seen = append(r.seen, <-r.events)
	}
	text := ""
	for _, e := range r.seen[max(0, len(r.seen)-30):] {
		text += "\n" + e.Time.Format(time.TimeOnly) + " " + string(e.Type) + " " + string(e.State) + e.Name + " " + e.Detail
	}
	return text
}

// close closes the client and demands a certain outcome.
func (r *runner) close(want error) {
	r.t.Helper()
	err := r.Close(context.Background())
	if !isError(err, want) {
		r.t.Errorf("Close: %v, want %v", err, want)
	}
}
