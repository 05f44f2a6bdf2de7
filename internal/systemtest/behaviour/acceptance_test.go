package behaviour_test

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// sentSince returns when the gateway has sent packets, counted from an instant.
func sentSince(w *systemtest.World, from time.Time) (at []time.Duration) {
	for _, p := range w.Network.Packets() {
		if p.From.Addr() == systemtest.GatewayAddr && !p.Time.Before(from) {
			at = append(at, p.Time.Sub(from))
		}
	}
	return at
}

// Over ten seconds of a dead server, no packet leaves but the scheduled ones:
// those of the policy where the port refuses (r0 is 1 s), those of RFC 7252
// section 4.2 and RFC 6347 section 4.2.4 where it is silent.
func TestTenSecondsOfADeadServer(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name       string
		secured    bool
		conditions lwm2mtest.Conditions
		running    bool // registered before
		want       []time.Duration
	}{
		{"refused Updates", false, lwm2mtest.Conditions{Refuse: true}, true, []time.Duration{0, 1 * s, 3 * s, 7 * s}},
		// The second packet is the close_notify of the session that was lost.
		{"refused Updates on DTLS", true, lwm2mtest.Conditions{Refuse: true}, true, []time.Duration{0, 0, 1 * s, 3 * s, 7 * s}},
		{"refused Registers", false, lwm2mtest.Conditions{Refuse: true}, false, []time.Duration{0, 1 * s, 3 * s, 7 * s}},
		{"refused handshakes", true, lwm2mtest.Conditions{Refuse: true}, false, []time.Duration{0, 1 * s, 3 * s, 7 * s}},
		{"silence after Updates", false, lwm2mtest.Conditions{BlackHole: true}, true, []time.Duration{0, 2 * s, 6 * s}},
		{"silence after Updates on DTLS", true, lwm2mtest.Conditions{BlackHole: true}, true, []time.Duration{0, 2 * s, 6 * s}},
		{"silence after Registers", false, lwm2mtest.Conditions{BlackHole: true}, false, []time.Duration{0, 2 * s, 6 * s}},
		{"silence after ClientHellos", true, lwm2mtest.Conditions{BlackHole: true}, false, []time.Duration{0, 1 * s, 3 * s, 7 * s}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				cfg, port, security := w.NoSec(), uint16(systemtest.CoAPPort), lwm2mtest.NoSec()
				if tt.secured {
					cfg, port, security = w.PSK(), systemtest.DTLSPort, lwm2mtest.PSK(systemtest.Endpoint, systemtest.Key)
				}
				cfg.Reconnect = holdfast.ReconnectConfig{InitialMin: s, InitialMax: s}
				w.Serve(port, security)
				c, began := dies(w, cfg, tt.conditions, tt.running)
				time.Sleep(10 * s)
				synctest.Wait()
				if sent := sentSince(w, began); !slices.Equal(sent, tt.want) {
					t.Errorf("packets left at %v, want %v", sent, tt.want)
				}
				_ = c.Close(context.Background()) // there is nobody to say good-bye to
			})
		})
	}
}

// dies starts a client, before or after its server dies.
func dies(w *systemtest.World, cfg holdfast.Config, conditions lwm2mtest.Conditions, running bool) (c *systemtest.Client, began time.Time) {
	w.T.Helper()
	if !running {
		w.Network.Impair(lwm2mtest.ToHost(w.Host), conditions)
		began = time.Now()
		return w.Start(cfg), began
	}
	c = w.Start(cfg)
	c.WaitFor(holdfast.Registered)
	time.Sleep(time.Minute)
	w.Network.Impair(lwm2mtest.ToHost(w.Host), conditions)
	began = time.Now()
	if err := c.RegisterUpdate(context.Background()); err != nil {
		w.T.Fatal(err)
	}
	return c, began
}

var otherAddr = netip.MustParseAddr("192.0.2.3")

// After the server has lost its DTLS state, a new session is up at most 100 s
// after the first unanswered message, at the CoAP parameters of RFC 7252: 62 s
// with the least draw, 93 s with the greatest. Meanwhile another server is
// served, its Updates are sent in time, and the control API answers at once.
func TestLostSessionDisturbsNobodyElse(t *testing.T) {
	for _, tt := range []struct {
		name    string
		draw    float64
		silence time.Duration
		updates []time.Duration // at the other server
	}{
		{"least draw", 0, 62 * time.Second, []time.Duration{0, 30 * time.Second, 60 * time.Second}},
		{"greatest draw", 1 - 1e-9, 93 * time.Second, []time.Duration{0, 30 * time.Second, 60 * time.Second, 90 * time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				other := otherServer(w)
				defer other.Close()
				c, management := withTwoServers(w, other, lwm2mtest.WithRand(func() float64 { return tt.draw }))
				management.ForgetSessions()
				began := time.Now()
				if err := c.RegisterUpdate(context.Background()); err != nil {
					t.Fatal(err)
				}
				servedMeanwhile(c, other, began.Add(tt.silence-time.Second))
				e := c.Next(holdfast.EventError)
				if e.Code != holdfast.CodeNetwork || e.Server != "coaps://192.0.2.1" || systemtest.Retry(e) != 0 {
					t.Errorf("%+v", e)
				}
				back := c.Next(holdfast.EventRegistered)
				if took := back.Time.Sub(began).Round(time.Second); took != tt.silence || back.Server != "coaps://192.0.2.1" {
					t.Errorf("a new session after %v, want %v: %+v", took, tt.silence, back)
				}
				var at []time.Duration
				for _, r := range other.Requests(systemtest.Endpoint, lwm2mtest.Update) {
					at = append(at, r.Time.Sub(began))
				}
				if !slices.Equal(at, tt.updates) {
					t.Errorf("the other server had Updates at %v, want %v", at, tt.updates)
				}
				c.ExpectClose(nil)
			})
		})
	}
}

// otherServer starts a second management server, on a host of its own.
func otherServer(w *systemtest.World) *lwm2mtest.Server {
	w.T.Helper()
	pc, err := w.Network.Host("other", otherAddr).ListenPacket(systemtest.CoAPPort)
	if err != nil {
		w.T.Fatal(err)
	}
	other := lwm2mtest.NewServer(lwm2mtest.ServerOptions{})
	other.ServeManagement(pc, lwm2mtest.NoSec())
	return other
}

// withTwoServers bootstraps a client that registers with both servers; with
// the other one it has a lifetime of a minute.
func withTwoServers(w *systemtest.World, other *lwm2mtest.Server, options ...holdfast.Option) (*systemtest.Client, *lwm2mtest.Service) {
	w.T.Helper()
	first := lwm2mtest.AccountConfig{URI: "coaps://192.0.2.1", PSKIdentity: systemtest.Endpoint, PSKKey: systemtest.Key}
	second := lwm2mtest.AccountConfig{
		SecurityInstance: 2, ServerInstance: 1, ShortServerID: 2, URI: "coap://192.0.2.3", Lifetime: time.Minute,
	}
	w.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{Writes: append(first.Writes(), second.Writes()...)})
	management := w.ServeBoth()
	c := w.Start(w.Factory(), options...)
	for range 2 {
		c.Next(holdfast.EventRegistered)
	}
	if err := other.WaitRegistered(context.Background(), systemtest.Endpoint); err != nil {
		w.T.Fatal(err)
	}
	return c, management
}

// servedMeanwhile demands, every second until an instant, that the other
// server reads an object and that the control API answers, without delay.
func servedMeanwhile(r *systemtest.Client, other *lwm2mtest.Server, end time.Time) {
	r.T.Helper()
	for time.Now().Before(end) {
		time.Sleep(time.Second)
		asked := time.Now()
		got, err := other.Read(context.Background(), systemtest.Endpoint, "/3/0", messages.FormatTLV)
		if err != nil || got.Code != messages.Content {
			r.T.Fatalf("read by the other server: %v, %v", got.Code, err)
		}
		for _, path := range []string{"/v1/status", "/v1/explain", "/livez"} {
			if answer := r.Ask(http.MethodGet, path); answer.Code != http.StatusOK {
				r.T.Fatalf("%s: %d %s", path, answer.Code, answer.Body)
			}
		}
		if took := time.Since(asked); took != 0 {
			r.T.Fatalf("served after %v", took)
		}
	}
}
