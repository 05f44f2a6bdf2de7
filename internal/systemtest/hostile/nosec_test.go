package hostile_test

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/tlv"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// blind is a client without any security, registered and with a bootstrap
// account, and somebody who writes the addresses of both servers, sees no
// packet and tries every port.
type blind struct {
	*systemtest.Wire
	cfg       holdfast.Config
	bootstrap net.PacketConn
}

// evilURI is the server that the forger would have the client talk to.
const evilURI = "coap://192.0.2.66"

func withoutSecurity(t *testing.T, test func(t *testing.T, b *blind)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &blind{Wire: &systemtest.Wire{World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), MID: 0x4000}}
		defer b.World.Close()
		b.Socket = b.Listen(systemtest.CoAPPort)
		b.Server.ServeManagement(b.Socket, lwm2mtest.NoSec())
		b.bootstrap = b.ListenBootstrap(systemtest.CoAPPort)
		b.Server.ServeBootstrap(b.bootstrap, lwm2mtest.NoSec())
		b.Server.SetBootstrap(systemtest.Endpoint, b.genuine())
		b.cfg = b.NoSec()
		b.cfg.Bootstrap = &holdfast.Account{URI: "coap://192.0.2.2", Security: holdfast.SecurityNoSec}
		b.Client = b.Start(b.cfg)
		b.Client.Next(holdfast.EventRegistered)
		test(t, b)
	})
}

// genuine is what the real bootstrap server does: its account has a lifetime of
// its own, to be told by.
func (b *blind) genuine() lwm2mtest.BootstrapConfig {
	account := lwm2mtest.AccountConfig{URI: "coap://192.0.2.1", Lifetime: 2 * time.Hour}
	return lwm2mtest.BootstrapConfig{Delete: []string{"/0", "/1"}, Writes: account.Writes()}
}

// forged is a whole bootstrap: Delete, Writes that put the forger's account in
// the place of every other, Finish; as confirmable messages, as NONs, and its
// Writes in blocks too.
func (b *blind) forged() [][]byte {
	var out [][]byte
	for _, kind := range []coap.Type{coap.CON, coap.NON} {
		out = append(out, b.operation(kind, messages.DELETE, "/", nil))
		for _, w := range (lwm2mtest.AccountConfig{URI: evilURI, Lifetime: time.Hour}).Writes() {
			path, err := lwm2m.ParsePath(w.Path)
			if err != nil {
				b.T.Fatal(err)
			}
			data, err := tlv.Encode(path, lwm2m.Payload{Nodes: w.Nodes, Instances: []lwm2m.Path{path}})
			if err != nil {
				b.T.Fatal(err)
			}
			out = append(out, b.operation(kind, messages.PUT, w.Path, data), b.block(kind, w.Path, data, false))
		}
		out = append(out, b.block(kind, "/0/1", make([]byte, 1024), true), b.operation(kind, messages.POST, "/bs", nil))
	}
	return out
}

func (b *blind) operation(kind coap.Type, method messages.CoAPCode, path string, body []byte) []byte {
	m := b.Request(method, path)
	m.Type = kind
	if m.Payload = body; body != nil {
		m.AddFormat(coap.ContentFormat, new(messages.FormatTLV))
	}
	return systemtest.Encode(b.T, m)
}

// block makes a Write of one block, or of one block and more that exceed what a
// bootstrap may deliver.
func (b *blind) block(kind coap.Type, path string, body []byte, more bool) []byte {
	m := b.Request(messages.PUT, path)
	m.Type, m.Payload = kind, body
	m.AddFormat(coap.ContentFormat, new(messages.FormatTLV))
	m.AddBlock(coap.Block1, coap.Block{More: more, SZX: coap.MaxSZX})
	if more {
		m.AddUint(coap.Size1, 1<<30)
	}
	return systemtest.Encode(b.T, m)
}

// strike sends the forger's bootstrap to a port of the client, and to the ports
// beside it, and returns what the client says to the bootstrap server's address.
func (b *blind) strike(client netip.AddrPort) (answers []coap.Message) {
	b.T.Helper()
	synctest.Wait()
	before := b.LastPacket()
	for _, data := range b.forged() {
		for port := client.Port() - 1; port <= client.Port()+1; port++ {
			b.InjectTo(netip.AddrPortFrom(client.Addr(), port), b.bootstrap, data)
		}
	}
	synctest.Wait()
	return b.toBootstrapServer(before)
}

// toBootstrapServer returns what the client has sent there after a packet.
func (b *blind) toBootstrapServer(seq uint64) (sent []coap.Message) {
	for _, p := range b.Network.Packets() {
		if p.Seq > seq && p.From.Addr() == systemtest.GatewayAddr && p.To.Addr() == systemtest.BootstrapAddr {
			m, err := coap.Decode(p.Data)
			if err != nil {
				b.T.Fatal(err)
			}
			sent = append(sent, m)
		}
	}
	return sent
}

// trigger forges an Execute of the Bootstrap-Request Trigger and returns the
// port from which the client asks its bootstrap server.
func (b *blind) trigger() netip.AddrPort {
	b.T.Helper()
	b.ExpectAnswer("bootstrap trigger", b.Request(messages.POST, "/1/0/9"), messages.Changed)
	synctest.Wait()
	return b.ClientAddr()
}

// genuineOnly demands that the client has the real account, and has met the
// forger nowhere.
func (b *blind) genuineOnly() {
	b.T.Helper()
	b.Client.Next(holdfast.EventBootstrapped)
	if e := b.Client.Next(holdfast.EventRegistered); e.Server != "coap://192.0.2.1" || e.Lifetime != 7200*time.Second {
		b.T.Errorf("registered %+v", e)
	}
	for _, p := range b.Network.Packets() {
		if p.To.Addr() == netip.MustParseAddr("192.0.2.66") {
			b.T.Fatal("a packet has gone to the forger")
		}
	}
	b.ExpectHealthy(b.Client)
}

// Row 19: without security, a trigger is forged, and a whole bootstrap, Finish
// included, while the real bootstrap server is still thinking. Nothing counts
// before its 2.04 to our own token: nothing is answered, nothing changes, and
// the real bootstrap takes place.
func TestHostile19NothingCountsBeforeTheBootstrapServerAnswers(t *testing.T) {
	for name, thinking := range map[string]lwm2mtest.Behaviour{
		"late":              {Delay: 1500 * time.Millisecond},
		"separate response": {Separate: true, Delay: time.Minute},
		"first answer lost": {Silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			withoutSecurity(t, func(t *testing.T, b *blind) {
				before := b.Durable(b.cfg)
				b.Server.Misbehave(systemtest.Endpoint, lwm2mtest.BootstrapRequest, 1, thinking)
				client := b.trigger()
				for range 5 {
					if got := b.strike(client); len(got) > 0 {
						t.Fatalf("answered %v", got)
					}
					b.ExpectUnchanged(b.cfg, before)
					time.Sleep(200 * time.Millisecond)
				}
				b.genuineOnly()
				if n := b.errors(); n > 0 {
					t.Errorf("%d errors: %s", n, b.Client.Story())
				}
				b.Client.ExpectClose(nil)
			})
		})
	}
}

// errors counts the errors so far.
func (b *blind) errors() (n int) {
	_ = b.Client.Story()
	for _, e := range b.Client.Seen {
		if e.Type == holdfast.EventError {
			n++
		}
	}
	return n
}

// Row 19: with the real server silent for good, the forger gets nowhere either:
// the attempt ends by its budget, and the account stays.
func TestHostile19AForgedBootstrapDoesNotReplaceTheAnswer(t *testing.T) {
	withoutSecurity(t, func(t *testing.T, b *blind) {
		before := b.Durable(b.cfg)
		b.Server.Misbehave(systemtest.Endpoint, lwm2mtest.BootstrapRequest, -1, lwm2mtest.Behaviour{Silent: true})
		client := b.trigger()
		began := time.Now()
		for range 17 {
			b.strike(client)
			time.Sleep(10 * time.Second)
		}
		e := b.Client.Next(holdfast.EventError)
		if e.Code != holdfast.CodeTimeout || e.Phase != "bootstrap" || e.Time.Sub(began) != 3*time.Minute {
			t.Errorf("after %v: %+v", e.Time.Sub(began), e)
		}
		b.ExpectUnchanged(b.cfg, before)
		b.ExpectHealthy(b.Client)
		b.Client.ExpectClose(nil)
	})
}

// Row 19: the real server's first operation overtakes its 2.04. It is not lost:
// the server resends it, it is new to the client, and the bootstrap goes on.
func TestHostile19AFirstOperationThatOvertakesTheAnswerIsNotLost(t *testing.T) {
	withoutSecurity(t, func(t *testing.T, b *blind) {
		late, overtaken := false, 0
		b.Network.OnPacket(func(p lwm2mtest.Packet) lwm2mtest.Verdict {
			m, err := coap.Decode(p.Data)
			if p.From.Addr() != systemtest.BootstrapAddr || err != nil {
				return lwm2mtest.Verdict{}
			}
			if m.Type == coap.ACK && m.Code == messages.Changed && !late {
				late = true
				return lwm2mtest.Verdict{Delay: time.Second}
			}
			if m.Code == messages.DELETE {
				overtaken++
			}
			return lwm2mtest.Verdict{}
		})
		began := time.Now()
		b.trigger()
		e := b.Client.Next(holdfast.EventBootstrapped)
		if !late || overtaken != 3 || e.Time.Sub(began) < 2*time.Second || e.Time.Sub(began) > 3*time.Second {
			t.Errorf("after %v: late %v, %d Deletes", e.Time.Sub(began), late, overtaken)
		}
		if e := b.Client.Next(holdfast.EventRegistered); e.Lifetime != 7200*time.Second {
			t.Errorf("registered %+v", e)
		}
		if n := b.errors(); n > 0 {
			t.Errorf("%d errors: %s", n, b.Client.Story())
		}
		b.ExpectHealthy(b.Client)
		b.Client.ExpectClose(nil)
	})
}

// Row 19: before a management server has answered the Register to our own
// token, no forged Execute, Read or Write of its address is heard.
func TestHostile19NothingCountsBeforeTheRegisterIsAnswered(t *testing.T) {
	withoutSecurity(t, func(t *testing.T, b *blind) {
		b.Client.ExpectClose(nil)
		b.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{Delay: time.Second})
		n := b.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest)
		c := b.Start(b.cfg)
		synctest.Wait()
		got := b.Provoke(
			b.operation(coap.CON, messages.POST, "/1/0/9", nil), b.operation(coap.NON, messages.POST, "/1/0/9", nil),
			b.operation(coap.CON, messages.POST, "/1/0/8", nil), b.operation(coap.CON, messages.GET, "/3/0", nil),
			b.block(coap.CON, "/1/0/1", make([]byte, 1024), true),
		)
		if len(got) > 0 {
			t.Errorf("answered %v", got)
		}
		c.WaitFor(holdfast.Registered)
		if b.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest) != n || b.Server.Updates(systemtest.Endpoint) > 0 {
			t.Error("a forged trigger was heeded")
		}
		b.ExpectHealthy(c)
		c.ExpectClose(nil)
	})
}

// Row 37: somebody who poses as the server cannot set the client's pace: triggers by
// the thousand make at most one Update a second, and bootstraps at the distances
// of the policy.
func TestHostile37ForgedTriggersDoNotSetThePace(t *testing.T) {
	withoutSecurity(t, func(t *testing.T, b *blind) {
		n := b.Server.Seen(systemtest.Endpoint, lwm2mtest.Update)
		for range 600 { // a minute
			b.ExpectAnswer("update trigger", b.Request(messages.POST, "/1/0/8"), messages.Changed)
			time.Sleep(100 * time.Millisecond)
		}
		if got := b.Server.Seen(systemtest.Endpoint, lwm2mtest.Update) - n; got < 50 || got > 60 {
			t.Errorf("%d Updates in a minute", got)
		}
		began := time.Now()
		var at []time.Duration
		seen := b.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest)
		for time.Since(began) < time.Hour {
			synctest.Wait()
			b.Target = b.ClientTo(systemtest.ServerAddr)
			b.Provoke(b.operation(coap.NON, messages.POST, "/1/0/9", nil))
			time.Sleep(time.Second)
			if n := b.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest); n > seen {
				seen, at = n, append(at, time.Since(began).Truncate(5*time.Second))
			}
		}
		s := time.Second
		if want := []time.Duration{0, 5 * s, 15 * s, 35 * s, 75 * s, 155 * s, 315 * s, 635 * s, 1275 * s, 2555 * s}; !slices.Equal(at, want) {
			t.Errorf("bootstraps at %v, want %v", at, want)
		}
		b.ExpectHealthy(b.Client)
		if _, err := b.Server.Do(context.Background(), systemtest.Endpoint, lwm2mtest.Request{Method: messages.POST, Path: "/1/0/8"}); err != nil {
			t.Error(err)
		}
		b.Client.ExpectClose(nil)
	})
}
