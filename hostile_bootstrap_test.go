package holdfast_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// silence is how long a bootstrap server may say nothing: EXCHANGE_LIFETIME.
const silence = 247 * time.Second

// hostileBootstrap runs a test with a client that has been bootstrapped once
// and is registered, over PSK.
func hostileBootstrap(t *testing.T, test func(t *testing.T, w *world, c *runner, cfg holdfast.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		w.serve(dtlsPort, lwm2mtest.PSK(endpoint, testKey))
		w.serveBootstrap(lwm2mtest.PSK("bs-"+endpoint, bootstrapKey))
		w.deliver(testKey)
		cfg := w.factory()
		c := w.start(cfg)
		c.next(holdfast.EventRegistered)
		test(t, w, c, cfg)
	})
}

// bootstrapAgain makes the management server ask for a bootstrap, in which the
// bootstrap server does what config says, and returns how that went.
func (w *world) bootstrapAgain(config lwm2mtest.BootstrapConfig) lwm2mtest.BootstrapResult {
	w.t.Helper()
	w.server.SetBootstrap(endpoint, config)
	synctest.Wait() // the server has noted the end of the bootstrap before
	n := len(w.server.Bootstraps(endpoint))
	got, err := w.server.Do(context.Background(), endpoint, lwm2mtest.Request{Method: messages.POST, Path: "/1/0/9"})
	if err != nil || got.Code != messages.Changed {
		w.t.Fatalf("Bootstrap-Request Trigger: %v, %v", got.Code, err)
	}
	result, err := w.server.WaitBootstraps(context.Background(), endpoint, n+1)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

// keepsItsAccount demands that a bootstrap that went wrong is reported so, has
// changed nothing, and that a good one is possible afterwards.
func (w *world) keepsItsAccount(c *runner, cfg holdfast.Config, before durable, code holdfast.ErrorCode) {
	w.t.Helper()
	time.Sleep(silence + time.Second)
	if e := c.next(holdfast.EventError); e.Code != code {
		w.t.Errorf("%+v, want code %d", e, code)
	}
	w.unchanged(cfg, before)
	w.healthy(c)
	w.deliver(testKey)
	c.next(holdfast.EventBootstrapped)
	c.next(holdfast.EventRegistered)
	w.healthy(c)
	c.close(nil)
}

// refusedWrites has the bootstrap server write every payload, each of which
// must be refused, and demands that nothing of it stays.
func refusedWrites(t *testing.T, path string, format messages.Format, payloads map[string]string) {
	t.Helper()
	hostileBootstrap(t, func(t *testing.T, w *world, c *runner, cfg holdfast.Config) {
		before := w.durable(cfg)
		config := lwm2mtest.BootstrapConfig{KeepGoing: true, NoFinish: true}
		var names []string
		for name, payload := range payloads {
			names = append(names, name)
			config.Writes = append(config.Writes, lwm2mtest.BootstrapWrite{Path: path, Format: &format, Payload: []byte(payload)})
		}
		result := w.bootstrapAgain(config)
		if len(result.Steps) != len(names) {
			t.Fatalf("%d of %d writes were made: %v", len(result.Steps), len(names), result.Err)
		}
		for i, step := range result.Steps {
			if step.Err != nil || step.Response.Code != messages.BadRequest {
				t.Errorf("%s: answered %v, %v", names[i], step.Response.Code, step.Err)
			}
		}
		w.keepsItsAccount(c, cfg, before, messages.ConnectBootstrapFailed)
	})
}

// Row 19: a management server has no business on the bootstrap interface.
func TestHostile19BootstrapOperationsOfAManagementServer(t *testing.T) {
	hostile(t, func(t *testing.T, w *wire) {
		w.answered("finish", w.request(messages.POST, "/bs"), messages.MethodNotAllowed)
		w.answered("delete all", w.request(messages.DELETE, "/"), messages.MethodNotAllowed)
		w.answered("delete the accounts", w.request(messages.DELETE, "/0"), messages.Unauthorized)
		w.answered("write an account", w.request(messages.PUT, "/0/0"), messages.Unauthorized)
		w.answered("delete the server object", w.request(messages.DELETE, "/1/0"), messages.MethodNotAllowed)
		w.answered("delete bs", w.request(messages.DELETE, "/bs"), messages.MethodNotAllowed)
		w.answered("read bs", w.request(messages.GET, "/bs"), messages.MethodNotAllowed)
		w.c.quiet()
		w.finish()
	})
}

// Row 19: a bootstrap server cannot manage the device, and after the Finish it
// can do nothing at all. Row 22: a Finish that is repeated is answered the same,
// one in a new message 4.05.
func TestHostile19And22BootstrapServerAfterTheFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{world: newWorld(t, lwm2mtest.ServerOptions{}), mid: 0x4000}
		defer w.world.close()
		w.serve(dtlsPort, lwm2mtest.PSK(endpoint, testKey))
		w.deliver(testKey)
		w.socket = w.bootstrapPort(coapPort)
		w.server.ServeBootstrap(w.socket, lwm2mtest.NoSec())
		cfg := w.factory()
		cfg.Bootstrap = &holdfast.Account{URI: "coap://192.0.2.2", Security: holdfast.SecurityNoSec}
		w.c = w.start(cfg)
		w.c.next(holdfast.EventRegistered)
		before := w.durable(cfg)
		finish, link := w.lastFrom(bootstrapAddr)
		w.client = link
		for range 50 {
			got := w.provoke(finish)
			if len(got) != 1 || got[0].Code != messages.Changed {
				t.Fatalf("the same Finish again: %v", got)
			}
		}
		w.answered("another Finish", w.request(messages.POST, "/bs"), messages.MethodNotAllowed)
		for _, m := range []struct {
			method messages.CoAPCode
			path   string
		}{
			{messages.DELETE, "/"}, {messages.DELETE, "/0/1"}, {messages.PUT, "/0/1"}, {messages.GET, "/1/0"},
			{messages.GET, "/3/0"}, {messages.POST, "/1/0/8"}, {messages.POST, "/1/0/9"}, {messages.GET, "/0/1/5"},
		} {
			w.answered(m.path, w.request(m.method, m.path), messages.MethodNotAllowed, messages.Unauthorized)
		}
		w.unchanged(cfg, before)
		w.healthy(w.c)
		w.c.close(nil)
	})
}

// lastFrom returns the latest datagram that a host has sent, and to whom.
func (w *world) lastFrom(host netip.Addr) (data []byte, to netip.AddrPort) {
	for _, p := range w.network.Packets() {
		if p.From.Addr() == host {
			data, to = p.Data, p.To
		}
	}
	return data, to
}

// Row 19: within a session a bootstrap server cannot read the device, observe,
// execute or create.
func TestHostile19ManagementOperationsOfABootstrapServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{world: newWorld(t, lwm2mtest.ServerOptions{}), mid: 0x4000}
		defer w.world.close()
		w.socket = w.bootstrapPort(coapPort)
		w.server.ServeBootstrap(w.socket, lwm2mtest.NoSec())
		w.server.SetBootstrap(endpoint, lwm2mtest.BootstrapConfig{NoFinish: true})
		cfg := w.factory()
		cfg.Bootstrap = &holdfast.Account{URI: "coap://192.0.2.2", Security: holdfast.SecurityNoSec}
		w.c = w.start(cfg)
		if _, err := w.server.WaitBootstraps(context.Background(), endpoint, 1); err != nil {
			t.Fatal(err)
		}
		for _, m := range []struct {
			method messages.CoAPCode
			path   string
		}{
			{messages.GET, "/3/0"}, {messages.GET, "/0"}, {messages.GET, "/0/0/5"}, {messages.POST, "/1/0/8"},
			{messages.POST, "/1"}, {messages.PUT, "/3/0/14"}, {messages.FETCH, "/"}, {messages.IPATCH, "/"},
			{messages.GET, "/bs"}, {messages.PUT, "/bs"},
		} {
			w.answered(m.path, w.request(m.method, m.path), messages.MethodNotAllowed)
		}
		observe := w.request(messages.GET, "/1")
		observe.AddUint(6, 0)
		w.answered("observe", observe, messages.MethodNotAllowed)
		w.c.close(holdfast.ErrNotRegistered)
	})
}

// Row 20: what would make the client unreachable, insecure or another's is
// refused, when it is written or at the Finish, and rolled back.
func TestHostile20BadAccountsAreRolledBack(t *testing.T) {
	text, opaque := messages.FormatText, messages.FormatOpaque
	write := func(path string, format messages.Format, payload string) lwm2mtest.BootstrapWrite {
		return lwm2mtest.BootstrapWrite{Path: path, Format: &format, Payload: []byte(payload)}
	}
	account := func(a lwm2mtest.AccountConfig) []lwm2mtest.BootstrapWrite { return a.Writes() }
	for _, tt := range []struct {
		name   string
		delete []string
		writes []lwm2mtest.BootstrapWrite
		want   messages.CoAPCode
	}{
		{"bootstrap account becomes another's", nil, []lwm2mtest.BootstrapWrite{write("/0/0/0", text, "coaps://192.0.2.66")}, messages.BadRequest},
		{"key of the bootstrap account", nil, []lwm2mtest.BootstrapWrite{write("/0/0/5", opaque, "another key")}, messages.BadRequest},
		{"bootstrap account becomes a server's", nil, []lwm2mtest.BootstrapWrite{write("/0/0/1", text, "0")}, messages.BadRequest},
		{"second bootstrap account", nil, []lwm2mtest.BootstrapWrite{write("/0/1/1", text, "1")}, messages.BadRequest},
		{"short server ID 0", nil, []lwm2mtest.BootstrapWrite{write("/1/0/0", text, "0")}, messages.BadRequest},
		{"short server ID 65535", nil, []lwm2mtest.BootstrapWrite{write("/0/1/10", text, "65535")}, messages.BadRequest},
		{"short server ID twice", nil, account(lwm2mtest.AccountConfig{
			SecurityInstance: 2, ServerInstance: 1, URI: "coaps://192.0.2.1", PSKIdentity: endpoint, PSKKey: testKey,
		}), messages.NotAcceptable},
		{"NoSec on coaps", nil, account(lwm2mtest.AccountConfig{
			SecurityInstance: 2, ServerInstance: 1, ShortServerID: 2, URI: "coaps://192.0.2.1",
		}), messages.NotAcceptable},
		{"PSK on coap", nil, account(lwm2mtest.AccountConfig{
			SecurityInstance: 2, ServerInstance: 1, ShortServerID: 2, URI: "coap://192.0.2.1", PSKIdentity: "x", PSKKey: testKey,
		}), messages.NotAcceptable},
		{"no security any more", nil, account(lwm2mtest.AccountConfig{URI: "coap://192.0.2.1"}), messages.NotAcceptable},
		{"no key", nil, []lwm2mtest.BootstrapWrite{write("/0/1/5", opaque, "")}, messages.NotAcceptable},
		{"garbage certificate", nil, []lwm2mtest.BootstrapWrite{write("/0/1/2", text, "2")}, messages.NotAcceptable},
		{"raw public key", nil, []lwm2mtest.BootstrapWrite{write("/0/1/2", text, "1")}, messages.NotAcceptable},
		{"garbage URI", nil, []lwm2mtest.BootstrapWrite{write("/0/1/0", text, `coaps:\\192.0.2.1`)}, messages.NotAcceptable},
		{"URI that no Register can carry", nil, []lwm2mtest.BootstrapWrite{write("/0/1/0", text, "coaps://192.0.2.1"+strings.Repeat("/a", 80))}, messages.NotAcceptable},
		{"URI of 56 arguments", nil, []lwm2mtest.BootstrapWrite{write("/0/1/0", text, "coaps://192.0.2.1?a"+strings.Repeat("&a", 55))}, messages.NotAcceptable},
		{"URI of another scheme", nil, []lwm2mtest.BootstrapWrite{write("/0/1/0", text, "file:///etc/passwd")}, messages.NotAcceptable},
		{"no account left", []string{"/0/1"}, nil, messages.NotAcceptable},
		{"no server left", []string{"/1"}, nil, messages.NotAcceptable},
		{"nothing left", []string{"/"}, nil, messages.NotAcceptable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hostileBootstrap(t, func(t *testing.T, w *world, c *runner, cfg holdfast.Config) {
				before := w.durable(cfg)
				result := w.bootstrapAgain(lwm2mtest.BootstrapConfig{Delete: tt.delete, Writes: tt.writes})
				var refused *lwm2mtest.BootstrapError
				if !errors.As(result.Err, &refused) || refused.Step.Response.Code != tt.want {
					t.Fatalf("ended with %v, want %v", result.Err, tt.want)
				}
				w.keepsItsAccount(c, cfg, before, messages.ConnectBootstrapFailed)
			})
		})
	}
}

// Row 21: a bootstrap server that deletes everything and falls silent has
// deleted nothing: after 247 s the former account is in force, for this process
// and the next.
func TestHostile21DeleteAllThenSilence(t *testing.T) {
	hostileBootstrap(t, func(t *testing.T, w *world, c *runner, cfg holdfast.Config) {
		before := w.durable(cfg)
		began := time.Now()
		w.bootstrapAgain(lwm2mtest.BootstrapConfig{Delete: []string{"/"}, NoFinish: true})
		e := c.next(holdfast.EventError)
		if e.Code != messages.ConnectBootstrapFailed || e.Time.Sub(began) != silence {
			t.Errorf("after %v: %+v", e.Time.Sub(began), e)
		}
		w.unchanged(cfg, before)
		w.healthy(c)
		c.close(nil)
		n := w.server.Seen(endpoint, lwm2mtest.BootstrapRequest)
		c = w.start(cfg)
		w.healthy(c)
		if w.server.Seen(endpoint, lwm2mtest.BootstrapRequest) != n {
			t.Error("the account was gone after a restart")
		}
		c.close(nil)
	})
}
