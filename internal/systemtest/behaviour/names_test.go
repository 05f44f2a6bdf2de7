package behaviour

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// The good address of a server comes late, and the one that is there is a black hole:
// the two share what is left of the attempt.
func TestAnAddressThatIsResolvedLateIsTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Network.SetDNS("server.test", netip.MustParseAddr("192.0.2.99"))
		w.Network.SetLateDNS("server.test", time.Second, systemtest.ServerAddr)
		cfg := w.NoSec()
		cfg.Server.URI = "coap://server.test"
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		began := time.Now()
		client := w.Start(cfg, lwm2mtest.WithTransport(lwm2mtest.LateHost{Host: w.Gateway}))
		if e := client.Next(holdfast.EventRegistered); e.Attempts != 1 || e.Time.Sub(began).Truncate(time.Second) != 90*time.Second {
			t.Errorf("registered after %v in %d attempts: %s", e.Time.Sub(began), e.Attempts, client.Story())
		}
		client.ExpectClose(nil)
	})
}

// A name server that answers for one family only, or knows no EDNS, over real
// sockets: a Register within seconds.
func TestRegistersWithTheNameServersOfTheField(t *testing.T) {
	for name, manners := range map[string]lwm2mtest.NameManners{
		"silent about IPv6":    {SilentAAAA: true},
		"slow about IPv6":      {DelayAAAA: 3 * time.Second},
		"FORMERR to EDNS":      {EDNS: lwm2mtest.EDNSFormErr},
		"NOTIMP to EDNS":       {EDNS: lwm2mtest.EDNSNotImp},
		"drops EDNS":           {EDNS: lwm2mtest.EDNSDropped},
		"cuts short, no TCP":   {Truncate: true},
		"surrounded by forged": {Forge: true},
	} {
		t.Run(name, func(t *testing.T) {
			names := lwm2mtest.NewNameServer()
			defer names.Close()
			at := listenLoopback(t)
			names.ServePacket(at)
			names.Set("server.test", netip.MustParseAddr("127.0.0.1"))
			names.Behave(manners)
			server := lwm2mtest.NewServer(lwm2mtest.ServerOptions{})
			defer server.Close()
			pc := listenLoopback(t)
			server.ServeManagement(pc, lwm2mtest.NoSec())
			_, port, err := net.SplitHostPort(pc.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			client, err := holdfast.New(holdfast.Config{
				Endpoint: systemtest.Endpoint, StateDir: t.TempDir(), DNS: holdfast.DNSConfig{Server: at.LocalAddr().String()},
				Server: &holdfast.Account{URI: "coap://server.test:" + port, Security: holdfast.SecurityNoSec},
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			if err := client.Start(ctx); err != nil {
				t.Fatal(err)
			}
			if err := client.Await(ctx, holdfast.Registered); err != nil {
				t.Error(err)
			}
			if errs := client.Explain().Transitions; len(errs) == 0 {
				t.Error("no transition")
			}
			for _, e := range client.Explain().Transitions {
				if e.Type == holdfast.EventError {
					t.Errorf("%s: %s", e.Name, e.Detail)
				}
			}
			if err := client.Close(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

func listenLoopback(t *testing.T) net.PacketConn {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return pc
}
