package hostile_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Row 41: message IDs, tokens and r0 cannot be foretold: with the cryptographic
// source, tokens have 8 bytes and never repeat, and two clients begin in
// different places.
func TestHostile41NumbersCannotBeForetold(t *testing.T) {
	type draw struct {
		mid   uint16
		retry time.Duration
	}
	draws := map[draw]bool{}
	tokens := map[string]bool{}
	const clients = 8
	for range clients {
		synctest.Test(t, func(t *testing.T) {
			w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
			defer w.Close()
			w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
			hole := w.Network.Impair(lwm2mtest.ToHost(w.Host), lwm2mtest.Conditions{BlackHole: true})
			cfg := w.NoSec()
			cfg.Reconnect = holdfast.ReconnectConfig{} // r0 from 2 to 10 s
			c := startRandom(w, cfg)
			e := c.Next(holdfast.EventError)
			hole.Lift()
			c.WaitFor(holdfast.Registered)
			sent := w.SentAfter(0)
			retry, _ := e.RetryIn()
			draws[draw{sent[0].MID, retry}] = true
			for _, m := range sent {
				if len(m.Token) != 8 {
					t.Errorf("token %x", m.Token)
				}
				tokens[string(m.Token)] = true
			}
			c.ExpectClose(nil)
		})
	}
	if len(draws) != clients {
		t.Errorf("%d different beginnings of %d clients", len(draws), clients)
	}
	if len(tokens) < 3*clients {
		t.Errorf("%d tokens of %d clients with at least 3 exchanges each", len(tokens), clients)
	}
}

// startRandom starts a client with the source of randomness of production.
func startRandom(w *systemtest.World, cfg holdfast.Config) *systemtest.Client {
	w.T.Helper()
	client, err := holdfast.New(cfg, lwm2mtest.WithTransport(w.Gateway))
	if err != nil {
		w.T.Fatal(err)
	}
	return systemtest.StartRecorded(w.T, client)
}

// Row 44: addresses to which nothing can be sent are skipped, and of a thousand
// only eight are tried.
func TestHostile44HostileNameServers(t *testing.T) {
	unusable := []netip.Addr{
		netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("ff02::1"),
		netip.MustParseAddr("255.255.255.255"), {},
	}
	var thousand []netip.Addr
	for i := range 1000 {
		thousand = append(thousand, netip.AddrFrom4([4]byte{198, 51, 100 + byte(i>>8), byte(i)}))
	}
	for _, tt := range []struct {
		name  string
		first []netip.Addr
		found bool // the good address, which comes last
		tried int
	}{
		{"unusable ones", unusable, true, 1},
		{"the same a thousand times", repeated(netip.IPv4Unspecified(), 1000), true, 1},
		{"a thousand black holes", thousand, false, 8},
		{"IPv4 in IPv6", []netip.Addr{netip.MustParseAddr("::ffff:0.0.0.0"), netip.MustParseAddr("::ffff:224.0.0.1")}, true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
				w.Network.SetDNS("server.test", append(tt.first[:len(tt.first):len(tt.first)], systemtest.ServerAddr)...)
				cfg := w.NoSec()
				cfg.Server.URI = "coap://server.test"
				c := w.Start(cfg)
				if !tt.found {
					for range 5 {
						c.Next(holdfast.EventError)
					}
				}
				if tt.found {
					c.WaitFor(holdfast.Registered)
				}
				tried := map[netip.Addr]bool{}
				for _, p := range w.Network.Packets() {
					if p.From.Addr() == systemtest.GatewayAddr {
						tried[p.To.Addr()] = true
					}
				}
				if len(tried) != tt.tried {
					t.Errorf("%d addresses were tried: %v", len(tried), tried)
				}
				w.Network.SetDNS("server.test", systemtest.ServerAddr)
				w.ExpectHealthy(c)
				c.ExpectClose(nil)
			})
		})
	}
}

func repeated(a netip.Addr, n int) []netip.Addr {
	list := make([]netip.Addr, n)
	for i := range list {
		list[i] = a
	}
	return list
}
