package hostile_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// silence is how long a bootstrap server may say nothing: EXCHANGE_LIFETIME.
const silence = 247 * time.Second

// hostileBootstrap runs a test with a client that has been bootstrapped once
// and is registered, over PSK.
func hostileBootstrap(t *testing.T, test func(t *testing.T, w *systemtest.World, c *systemtest.Client, cfg holdfast.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeAndDeliver()
		cfg := w.Factory()
		c := w.Start(cfg)
		c.Next(holdfast.EventRegistered)
		test(t, w, c, cfg)
	})
}

// bootstrapAgain makes the management server ask for a bootstrap, in which the
// bootstrap server does what config says, and returns how that went.
func bootstrapAgain(w *systemtest.World, config lwm2mtest.BootstrapConfig) lwm2mtest.BootstrapResult {
	w.T.Helper()
	w.Server.SetBootstrap(systemtest.Endpoint, config)
	synctest.Wait() // the server has noted the end of the bootstrap before
	n := len(w.Server.Bootstraps(systemtest.Endpoint))
	got, err := w.Server.Do(context.Background(), systemtest.Endpoint, lwm2mtest.Request{Method: messages.POST, Path: "/1/0/9"})
	if err != nil || got.Code != messages.Changed {
		w.T.Fatalf("Bootstrap-Request Trigger: %v, %v", got.Code, err)
	}
	result, err := w.Server.WaitBootstraps(context.Background(), systemtest.Endpoint, n+1)
	if err != nil {
		w.T.Fatal(err)
	}
	return result
}

// keepsItsAccount demands that a bootstrap that went wrong is reported so, has
// changed nothing, and that a good one is possible afterwards.
func keepsItsAccount(w *systemtest.World, c *systemtest.Client, cfg holdfast.Config, before systemtest.Durable, code holdfast.ErrorCode) {
	w.T.Helper()
	time.Sleep(silence + time.Second)
	if e := c.Next(holdfast.EventError); e.Code != code {
		w.T.Errorf("%+v, want code %d", e, code)
	}
	w.ExpectUnchanged(cfg, before)
	w.ExpectHealthy(c)
	w.Deliver(systemtest.Key)
	c.Next(holdfast.EventBootstrapped)
	c.Next(holdfast.EventRegistered)
	w.ExpectHealthy(c)
	c.ExpectClose(nil)
}

// refusedWrites has the bootstrap server write every payload, each of which
// must be refused, and demands that nothing of it stays.
func refusedWrites(t *testing.T, path string, format messages.Format, payloads map[string]string) {
	t.Helper()
	hostileBootstrap(t, func(t *testing.T, w *systemtest.World, c *systemtest.Client, cfg holdfast.Config) {
		before := w.Durable(cfg)
		managementWrites(w, path, format, payloads)
		config := lwm2mtest.BootstrapConfig{KeepGoing: true, NoFinish: true}
		var names []string
		for name, payload := range payloads {
			names = append(names, name)
			config.Writes = append(config.Writes, lwm2mtest.BootstrapWrite{Path: path, Format: &format, Payload: []byte(payload)})
		}
		result := bootstrapAgain(w, config)
		if len(result.Steps) != len(names) {
			t.Fatalf("%d of %d writes were made: %v", len(result.Steps), len(names), result.Err)
		}
		for i, step := range result.Steps {
			if step.Err != nil || step.Response.Code != messages.BadRequest {
				t.Errorf("%s: answered %v, %v", names[i], step.Response.Code, step.Err)
			}
		}
		keepsItsAccount(w, c, cfg, before, holdfast.CodeBootstrapFailed)
	})
}

// managementWrites has the management server send the same payloads, as a Write and
// as a Partial Update.
func managementWrites(w *systemtest.World, path string, format messages.Format, payloads map[string]string) {
	w.T.Helper()
	for name, payload := range payloads {
		for _, method := range []messages.CoAPCode{messages.PUT, messages.POST} {
			got, err := w.Server.Do(context.Background(), systemtest.Endpoint, lwm2mtest.Request{
				Method: method, Path: path, Format: &format, Payload: []byte(payload),
			})
			if err != nil || got.Code != messages.BadRequest {
				w.T.Errorf("%s by a management server: answered %v %q, %v", name, got.Code, got.Payload, err)
			}
		}
	}
}

// Row 19: a management server has no business on the bootstrap interface.
func TestHostile19BootstrapOperationsOfAManagementServer(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		w.ExpectAnswer("finish", w.Request(messages.POST, "/bs"), messages.MethodNotAllowed)
		w.ExpectAnswer("delete all", w.Request(messages.DELETE, "/"), messages.MethodNotAllowed)
		w.ExpectAnswer("delete the accounts", w.Request(messages.DELETE, "/0"), messages.Unauthorized)
		w.ExpectAnswer("write an account", w.Request(messages.PUT, "/0/0"), messages.Unauthorized)
		w.ExpectAnswer("delete the server object", w.Request(messages.DELETE, "/1/0"), messages.MethodNotAllowed)
		w.ExpectAnswer("delete bs", w.Request(messages.DELETE, "/bs"), messages.MethodNotAllowed)
		w.ExpectAnswer("read bs", w.Request(messages.GET, "/bs"), messages.MethodNotAllowed)
		w.Client.ExpectQuiet()
		w.Finish()
	})
}

// Row 19: a bootstrap server cannot manage the device, and after the Finish it
// can do nothing at all. Row 22: a Finish that is repeated is answered the same,
// one in a new message 4.05.
func TestHostile19And22BootstrapServerAfterTheFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &systemtest.Wire{World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), MID: 0x4000}
		defer w.World.Close()
		w.ServePSK()
		w.Deliver(systemtest.Key)
		w.Socket = w.ListenBootstrap(systemtest.CoAPPort)
		w.Server.ServeBootstrap(w.Socket, lwm2mtest.NoSec())
		cfg := w.Factory()
		cfg.Bootstrap = &holdfast.Account{URI: "coap://192.0.2.2", Security: holdfast.SecurityNoSec}
		w.Client = w.Start(cfg)
		w.Client.Next(holdfast.EventRegistered)
		before := w.Durable(cfg)
		finish, link := lastFrom(w.World, systemtest.BootstrapAddr)
		w.Target = link
		for range 50 {
			got := w.Provoke(finish)
			if len(got) != 1 || got[0].Code != messages.Changed {
				t.Fatalf("the same Finish again: %v", got)
			}
		}
		w.ExpectAnswer("another Finish", w.Request(messages.POST, "/bs"), messages.MethodNotAllowed)
		for _, m := range []struct {
			method messages.CoAPCode
			path   string
		}{
			{messages.DELETE, "/"}, {messages.DELETE, "/0/1"}, {messages.PUT, "/0/1"}, {messages.GET, "/1/0"},
			{messages.GET, "/3/0"}, {messages.POST, "/1/0/8"}, {messages.POST, "/1/0/9"}, {messages.GET, "/0/1/5"},
		} {
			w.ExpectAnswer(m.path, w.Request(m.method, m.path), messages.MethodNotAllowed, messages.Unauthorized)
		}
		w.ExpectUnchanged(cfg, before)
		w.ExpectHealthy(w.Client)
		w.Client.ExpectClose(nil)
	})
}

// lastFrom returns the latest datagram that a host has sent, and to whom.
func lastFrom(w *systemtest.World, host netip.Addr) (data []byte, to netip.AddrPort) {
	for _, p := range w.Network.Packets() {
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
		w := &systemtest.Wire{World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), MID: 0x4000}
		defer w.World.Close()
		w.Socket = w.ListenBootstrap(systemtest.CoAPPort)
		w.Server.ServeBootstrap(w.Socket, lwm2mtest.NoSec())
		w.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{NoFinish: true})
		cfg := w.Factory()
		cfg.Bootstrap = &holdfast.Account{URI: "coap://192.0.2.2", Security: holdfast.SecurityNoSec}
		w.Client = w.Start(cfg)
		if _, err := w.Server.WaitBootstraps(context.Background(), systemtest.Endpoint, 1); err != nil {
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
			w.ExpectAnswer(m.path, w.Request(m.method, m.path), messages.MethodNotAllowed)
		}
		observe := w.Request(messages.GET, "/1")
		observe.AddUint(6, 0)
		w.ExpectAnswer("observe", observe, messages.MethodNotAllowed)
		w.Client.ExpectClose(holdfast.ErrNotRegistered)
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
			SecurityInstance: 2, ServerInstance: 1, URI: "coaps://192.0.2.1", PSKIdentity: systemtest.Endpoint, PSKKey: systemtest.Key,
		}), messages.NotAcceptable},
		{"NoSec on coaps", nil, account(lwm2mtest.AccountConfig{
			SecurityInstance: 2, ServerInstance: 1, ShortServerID: 2, URI: "coaps://192.0.2.1",
		}), messages.NotAcceptable},
		{"PSK on coap", nil, account(lwm2mtest.AccountConfig{
			SecurityInstance: 2, ServerInstance: 1, ShortServerID: 2, URI: "coap://192.0.2.1", PSKIdentity: "x", PSKKey: systemtest.Key,
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
			hostileBootstrap(t, func(t *testing.T, w *systemtest.World, c *systemtest.Client, cfg holdfast.Config) {
				before := w.Durable(cfg)
				result := bootstrapAgain(w, lwm2mtest.BootstrapConfig{Delete: tt.delete, Writes: tt.writes})
				var refused *lwm2mtest.BootstrapError
				if !errors.As(result.Err, &refused) || refused.Step.Response.Code != tt.want {
					t.Fatalf("ended with %v, want %v", result.Err, tt.want)
				}
				keepsItsAccount(w, c, cfg, before, holdfast.CodeBootstrapFailed)
			})
		})
	}
}

// Row 21: a bootstrap server that deletes everything and falls silent has
// deleted nothing: after 247 s the former account is in force, for this process
// and the next.
func TestHostile21DeleteAllThenSilence(t *testing.T) {
	hostileBootstrap(t, func(t *testing.T, w *systemtest.World, c *systemtest.Client, cfg holdfast.Config) {
		before := w.Durable(cfg)
		began := time.Now()
		bootstrapAgain(w, lwm2mtest.BootstrapConfig{Delete: []string{"/"}, NoFinish: true})
		e := c.Next(holdfast.EventError)
		if e.Code != holdfast.CodeBootstrapFailed || e.Time.Sub(began) != silence {
			t.Errorf("after %v: %+v", e.Time.Sub(began), e)
		}
		w.ExpectUnchanged(cfg, before)
		w.ExpectHealthy(c)
		c.ExpectClose(nil)
		n := w.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest)
		c = w.Start(cfg)
		w.ExpectHealthy(c)
		if w.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest) != n {
			t.Error("the account was gone after a restart")
		}
		c.ExpectClose(nil)
	})
}
