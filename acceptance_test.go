package holdfast_test

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// r0 is the first delay of the clients that a world starts.
const r0 = 5 * time.Second

// singleFailure is one failure of the kind after which other clients have been
// seen to give up for good, or to try again without any delay.
type singleFailure struct {
	// start returns a client that is about to fail, once.
	start func(w *world) *runner
	// mend ends the fault.
	mend func(w *world)
	code holdfast.ErrorCode
	coap string
	// sent says when packets leave, from the failure on; consecutive ones of
	// one instant count as one.
	sent []time.Duration
	// looked says when names are looked up.
	looked []time.Duration
}

// The failures. mend of an impairment is set by its start.
func singleFailures() map[string]*singleFailure {
	refusedUpdate := &singleFailure{code: messages.ConnectNetworkError, sent: []time.Duration{0, r0}}
	refusedUpdate.start = func(w *world) *runner {
		w.serve(coapPort, lwm2mtest.NoSec())
		c := w.start(w.noSec())
		c.await(holdfast.Registered)
		c.next(holdfast.EventRegistered)
		time.Sleep(time.Minute) // so that the Register is out of sight
		closed := w.network.Impair(lwm2mtest.ToHost(w.host), lwm2mtest.Conditions{Refuse: true})
		refusedUpdate.mend = func(*world) { closed.Lift() }
		if err := c.RegisterUpdate(); err != nil {
			w.t.Fatal(err)
		}
		return c
	}
	return map[string]*singleFailure{
		"refused packet on Update": refusedUpdate,
		"NXDOMAIN": {
			start: func(w *world) *runner {
				w.serve(coapPort, lwm2mtest.NoSec())
				w.network.FailDNS("server.test", lwm2mtest.NameNotFound)
				cfg := w.noSec()
				cfg.Server.URI = "coap://server.test"
				return w.start(cfg)
			},
			mend: func(w *world) { w.network.SetDNS("server.test", serverAddr) },
			code: messages.ConnectDNSResolvingFailed, sent: []time.Duration{r0}, looked: []time.Duration{0, r0},
		},
		"refused handshake": {
			start: func(w *world) *runner {
				w.serve(dtlsPort, lwm2mtest.PSK(endpoint, testKey)).RefuseHandshakes(40)
				return w.start(w.psk())
			},
			mend: func(w *world) { w.server.AcceptHandshakes() },
			code: messages.ConnectSecureConnectionFailed, sent: []time.Duration{r0},
		},
		"5.00 from the bootstrap server": {
			start: func(w *world) *runner {
				w.server.Misbehave(endpoint, lwm2mtest.BootstrapRequest, 1, lwm2mtest.Behaviour{Answer: messages.InternalServerError})
				w.serve(dtlsPort, lwm2mtest.PSK(endpoint, testKey))
				w.serveBootstrap(lwm2mtest.PSK("bs-"+endpoint, bootstrapKey))
				w.deliver(testKey)
				return w.start(w.factory())
			},
			mend: func(*world) {},
			code: messages.ConnectBootstrapFailed, coap: "5.00", sent: []time.Duration{0, r0},
		},
	}
}

// After one failure the next attempt comes when the policy says, to the
// instant, and nothing leaves before.
func TestNextAttemptAfterASingleFailure(t *testing.T) {
	for name, f := range singleFailures() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, lwm2mtest.ServerOptions{})
				defer w.close()
				c := f.start(w)
				e := c.next(holdfast.EventError)
				failed := e.Time
				wait, announced := e.RetryIn()
				if e.Code != f.code || e.CoAP != f.coap || e.Attempt != 1 || !announced || wait != r0 {
					t.Errorf("%+v", e)
				}
				f.mend(w)
				if e := c.next(holdfast.EventRegistered); e.Time.Sub(failed) != r0 {
					t.Errorf("registered %v after the failure, want %v", e.Time.Sub(failed), r0)
				}
				if sent := slices.Compact(w.sentSince(failed)); !slices.Equal(sent, f.sent) {
					t.Errorf("packets left at %v, want %v", sent, f.sent)
				}
				if looked := w.lookedUpSince(failed); !slices.Equal(looked, f.looked) {
					t.Errorf("names were looked up at %v, want %v", looked, f.looked)
				}
				if n := w.server.Registers(endpoint); n != 1 {
					t.Errorf("%d registrations, want 1", n)
				}
				c.close(nil)
			})
		})
	}
}

// sentSince returns when the gateway has sent packets, counted from an instant.
func (w *world) sentSince(from time.Time) (at []time.Duration) {
	for _, p := range w.network.Packets() {
		if p.From.Addr() == gatewayAddr && !p.Time.Before(from) {
			at = append(at, p.Time.Sub(from))
		}
	}
	return at
}

func (w *world) lookedUpSince(from time.Time) (at []time.Duration) {
	for _, l := range w.network.Lookups() {
		if l.Name == "server.test" && !l.Time.Before(from) {
			at = append(at, l.Time.Sub(from))
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
				w := newWorld(t, lwm2mtest.ServerOptions{})
				defer w.close()
				cfg, port, security := w.noSec(), uint16(coapPort), lwm2mtest.NoSec()
				if tt.secured {
					cfg, port, security = w.psk(), dtlsPort, lwm2mtest.PSK(endpoint, testKey)
				}
				cfg.Reconnect = holdfast.ReconnectConfig{InitialMin: s, InitialMax: s}
				w.serve(port, security)
				c, began := w.dies(cfg, tt.conditions, tt.running)
				time.Sleep(10 * s)
				synctest.Wait()
				if sent := w.sentSince(began); !slices.Equal(sent, tt.want) {
					t.Errorf("packets left at %v, want %v", sent, tt.want)
				}
				_ = c.Close(context.Background()) // there is nobody to say good-bye to
			})
		})
	}
}

// dies starts a client, before or after its server dies.
func (w *world) dies(cfg holdfast.Config, conditions lwm2mtest.Conditions, running bool) (c *runner, began time.Time) {
	w.t.Helper()
	if !running {
		w.network.Impair(lwm2mtest.ToHost(w.host), conditions)
		began = time.Now()
		return w.start(cfg), began
	}
	c = w.start(cfg)
	c.await(holdfast.Registered)
	time.Sleep(time.Minute)
	w.network.Impair(lwm2mtest.ToHost(w.host), conditions)
	began = time.Now()
	if err := c.RegisterUpdate(); err != nil {
		w.t.Fatal(err)
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
				w := newWorld(t, lwm2mtest.ServerOptions{})
				defer w.close()
				other := w.otherServer()
				defer other.Close()
				c, management := w.withTwoServers(other, holdfast.WithRand(func() float64 { return tt.draw }))
				management.ForgetSessions()
				began := time.Now()
				if err := c.RegisterUpdate(); err != nil {
					t.Fatal(err)
				}
				c.servedMeanwhile(other, began.Add(tt.silence-time.Second))
				e := c.next(holdfast.EventError)
				if e.Code != messages.ConnectNetworkError || e.Server != "coaps://192.0.2.1" || *e.RetryInMS != 0 {
					t.Errorf("%+v", e)
				}
				back := c.next(holdfast.EventRegistered)
				if took := back.Time.Sub(began).Round(time.Second); took != tt.silence || back.Server != "coaps://192.0.2.1" {
					t.Errorf("a new session after %v, want %v: %+v", took, tt.silence, back)
				}
				var at []time.Duration
				for _, r := range other.Requests(endpoint, lwm2mtest.Update) {
					at = append(at, r.Time.Sub(began))
				}
				if !slices.Equal(at, tt.updates) {
					t.Errorf("the other server had Updates at %v, want %v", at, tt.updates)
				}
				c.close(nil)
			})
		})
	}
}

// otherServer starts a second management server, on a host of its own.
func (w *world) otherServer() *lwm2mtest.Server {
	w.t.Helper()
	pc, err := w.network.Host("other", otherAddr).ListenPacket(coapPort)
	if err != nil {
		w.t.Fatal(err)
	}
	other := lwm2mtest.NewServer(lwm2mtest.ServerOptions{})
	other.ServeManagement(pc, lwm2mtest.NoSec())
	return other
}

// withTwoServers bootstraps a client that registers with both servers; with
// the other one it has a lifetime of a minute.
func (w *world) withTwoServers(other *lwm2mtest.Server, options ...holdfast.Option) (*runner, *lwm2mtest.Service) {
	w.t.Helper()
	first := lwm2mtest.AccountConfig{URI: "coaps://192.0.2.1", PSKIdentity: endpoint, PSKKey: testKey}
	second := lwm2mtest.AccountConfig{
		SecurityInstance: 2, ServerInstance: 1, ShortServerID: 2, URI: "coap://192.0.2.3", Lifetime: time.Minute,
	}
	w.server.SetBootstrap(endpoint, lwm2mtest.BootstrapConfig{Writes: append(first.Writes(), second.Writes()...)})
	management := w.serve(dtlsPort, lwm2mtest.PSK(endpoint, testKey))
	w.serveBootstrap(lwm2mtest.PSK("bs-"+endpoint, bootstrapKey))
	c := w.start(w.factory(), options...)
	for range 2 {
		c.next(holdfast.EventRegistered)
	}
	if err := other.WaitRegistered(context.Background(), endpoint); err != nil {
		w.t.Fatal(err)
	}
	return c, management
}

// servedMeanwhile demands, every second until an instant, that the other
// server reads an object and that the control API answers, without delay.
func (r *runner) servedMeanwhile(other *lwm2mtest.Server, end time.Time) {
	r.t.Helper()
	for time.Now().Before(end) {
		time.Sleep(time.Second)
		asked := time.Now()
		got, err := other.Read(context.Background(), endpoint, "/3/0", messages.FormatTLV)
		if err != nil || got.Code != messages.Content {
			r.t.Fatalf("read by the other server: %v, %v", got.Code, err)
		}
		for _, path := range []string{"/v1/status", "/v1/explain", "/livez"} {
			if answer := r.ask(http.MethodGet, path); answer.Code != http.StatusOK {
				r.t.Fatalf("%s: %d %s", path, answer.Code, answer.Body)
			}
		}
		if took := time.Since(asked); took != 0 {
			r.t.Fatalf("served after %v", took)
		}
	}
}
