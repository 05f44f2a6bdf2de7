package hostile_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// army are the writes of n accounts without security at one address, whose
// retry resources ask for an attempt a second, for ever.
func army(n int, uri string) (writes []lwm2mtest.BootstrapWrite) {
	for i := range uint16(n) {
		account := lwm2mtest.AccountConfig{
			SecurityInstance: i + 1, ServerInstance: i, ShortServerID: i + 1, URI: uri, Lifetime: 24 * time.Hour,
		}.Writes()
		server := lwm2m.PathOf(objects.Server, i)
		for id, value := range map[uint16]uint64{
			objects.ServerCommunicationRetryCount: 1, objects.ServerCommunicationRetryTimer: 1,
			objects.ServerCommunicationSequenceDelayTimer: 1, objects.ServerCommunicationSequenceRetryCount: 1<<32 - 1,
		} {
			account[1].Nodes = append(account[1].Nodes, lwm2m.Node{Path: server.Child(id), Value: lwm2m.Unsigned(value)})
		}
		writes = append(writes, account...)
	}
	return writes
}

// armed is a client whose bootstrap server arms it against the management
// server, which refuses every packet.
func armed(w *systemtest.World, accounts int) holdfast.Config {
	w.ServeBootstrap()
	w.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{Writes: army(accounts, "coap://192.0.2.1")})
	cfg := w.Factory()
	cfg.Limits.BootstrapBytes = 1 << 20
	return cfg
}

// sightings returns when packets went to a host.
func sightings(w *systemtest.World, host *lwm2mtest.Host) (at []time.Time) {
	for _, p := range w.Network.Packets() {
		if p.To.Addr() == host.Addr() {
			at = append(at, p.Time)
		}
	}
	return at
}

// demandSpaced demands that no span of time, whose end does not count, has more
// than most of the instants.
func demandSpaced(t *testing.T, what string, at []time.Time, most int, span time.Duration) {
	t.Helper()
	for i := range max(0, len(at)-most) {
		if d := at[i+most].Sub(at[i]); d < span {
			t.Errorf("%d %s within %v, from %v on", most+1, what, d, at[i])
			return
		}
	}
}

// errorTimes takes the events that are there and returns when attempts failed.
func errorTimes(r *systemtest.Client, phase holdfast.Phase) (at []time.Time) {
	for len(r.Feed) > 0 {
		e := <-r.Feed
		if r.Seen = append(r.Seen, e); e.Type == holdfast.EventError && e.Phase == phase {
			at = append(at, e.Time)
		}
	}
	return at
}

// Row 24: a bootstrap cannot arm a client. 300 accounts with one dead address
// and the shortest retry resources make sixty packets and sixty error events in
// ten minutes, for ever; when the server is back they all register.
func TestHostile24ArmyOfAccountsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const accounts = 300
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		cfg := armed(w, accounts)
		cfg.Limits.Accounts = accounts
		c := w.Start(cfg)
		if e := c.Next(holdfast.EventBootstrapped); e.Accounts != accounts {
			t.Fatalf("%+v", e)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		packets, failures := sightings(w, w.Host), errorTimes(c, "register")
		for what, at := range map[string][]time.Time{"packets": packets, "error events": failures} {
			demandSpaced(t, what, at, 10, 10*time.Second)
			demandSpaced(t, what, at, 60, 10*time.Minute)
			if n := len(at); n < 300 || n > 370 {
				t.Errorf("%d %s in an hour", n, what)
			}
		}
		demandTurns(w, c, accounts)

		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		back := time.Now()
		for range accounts {
			c.Next(holdfast.EventRegistered)
		}
		if took := time.Since(back); took > 10*time.Minute {
			t.Errorf("all were registered after %v", took)
		}
		w.ExpectHealthy(c)
		c.ExpectClose(nil)
	})
}

// demandTurns demands that every account is said to wait for its turn, within
// the time that all of them need.
func demandTurns(w *systemtest.World, c *systemtest.Client, accounts int) {
	w.T.Helper()
	waiting := 0
	for _, s := range c.Status().Connections {
		if s.Next == nil || !s.Next.WaitsForTurn {
			continue
		}
		waiting++
		if in := time.Until(s.Next.At); in < 0 || in > time.Duration(accounts/60+1)*10*time.Minute {
			w.T.Errorf("%s waits for %v", s.Account, in)
		}
	}
	if waiting != accounts {
		w.T.Errorf("%d accounts wait for their turn", waiting)
	}
	if text := c.Explain().String(); !strings.Contains(text, "when it has its turn among the attempts of all servers") {
		w.T.Error(text)
	}
}

// Row 24: silence costs each attempt its three minutes, and no more packets
// than its resends.
func TestHostile24ArmyAgainstABlackHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const accounts = 100
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		cfg := armed(w, accounts)
		cfg.Limits.Accounts = accounts
		hole := w.Network.Impair(lwm2mtest.ToHost(w.Host), lwm2mtest.Conditions{BlackHole: true})
		c := w.Start(cfg)
		c.Next(holdfast.EventBootstrapped)
		time.Sleep(time.Hour)
		synctest.Wait()
		failures := errorTimes(c, "register")
		demandSpaced(t, "error events", failures, 10, 10*time.Second)
		demandSpaced(t, "error events", failures, 60, 10*time.Minute)
		if n := len(sightings(w, w.Host)); n > 370*15 { // three exchanges of five packets
			t.Errorf("%d packets in an hour", n)
		}
		hole.Lift()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		back := time.Now()
		for range accounts {
			c.Next(holdfast.EventRegistered)
		}
		if took := time.Since(back); took > 15*time.Minute {
			t.Errorf("all were registered after %v", took)
		}
		c.ExpectClose(nil)
	})
}

// Row 24: what makes one account too many is refused and reported, and nothing
// of it stays.
func TestHostile24AccountsBeyondTheLimit(t *testing.T) {
	hostileBootstrap(t, func(t *testing.T, w *systemtest.World, c *systemtest.Client, cfg holdfast.Config) {
		before := w.Durable(cfg)
		result := bootstrapAgain(w, lwm2mtest.BootstrapConfig{Delete: []string{"/"}, Writes: army(300, "coap://192.0.2.1")})
		last := result.Steps[len(result.Steps)-1]
		if last.Response.Code != messages.RequestEntityTooLarge || !strings.Contains(string(last.Response.Payload), "limits.accounts") {
			t.Errorf("answered %v %s", last.Response.Code, last.Response.Payload)
		}
		written := slices.DeleteFunc(result.Steps, func(s lwm2mtest.BootstrapStep) bool { return !strings.HasPrefix(s.Path, "/0/") })
		if len(written) != 9 {
			t.Errorf("%d accounts were written", len(written))
		}
		e := c.Next(holdfast.EventError)
		if e.Code != holdfast.CodeMemory || !strings.Contains(e.Detail, "9 management accounts are more than the 8 of limits.accounts") {
			t.Errorf("%+v", e)
		}
		w.ExpectUnchanged(cfg, before)
		w.ExpectHealthy(c)
		c.ExpectClose(nil)
	})
}
