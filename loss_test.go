package holdfast_test

import (
	"context"
	"fmt"

	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// With 30 % random loss each way, 200 of 200 clients are registered within ten
// minutes.
func TestRegistrationUnderLoss(t *testing.T) {
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprintf("secured=%v", secured), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { registerUnderLoss(t, secured) })
		})
	}
}

func registerUnderLoss(t *testing.T, secured bool) {
	const clients, within = 200, 10 * time.Minute
	w := newWorld(t, lwm2mtest.ServerOptions{})
	defer w.close()
	w.network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: 20 * time.Millisecond, Loss: 0.3})
	keys := lwm2mtest.Security{}
	base, port := w.noSec(), uint16(coapPort)
	if secured {
		base, port, keys = w.psk(), dtlsPort, lwm2mtest.Security{PSK: fleetKeys(clients)}
	}
	w.serve(port, keys)
	rt, err := holdfast.NewRuntime(holdfast.WithTransport(w.gateway))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	fleet := make([]*runner, clients)
	for i := range fleet {
		fleet[i] = w.member(rt, base, i)
	}
	attempts, times := make([]int, 0, clients), make([]time.Duration, 0, clients)
	for _, c := range fleet {
		e := c.next(holdfast.EventRegistered)
		attempts = append(attempts, int(e.Attempts))
		times = append(times, e.Time.Sub(began))
	}
	slices.Sort(attempts)
	slices.Sort(times)
	t.Logf("secured=%v: %d clients; attempts median %d, max %d; registered after median %v, max %v",
		secured, clients, attempts[clients/2], attempts[clients-1], times[clients/2].Round(time.Second), times[clients-1].Round(time.Second))
	if times[clients-1] > within {
		t.Errorf("the last client was registered after %v", times[clients-1])
	}
	if err := rt.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func fleetName(i int) string { return fmt.Sprintf("gw-%04d", i) }

func fleetKeys(n int) map[string]messages.Secret {
	keys := make(map[string]messages.Secret, n)
	for i := range n {
		keys[fleetName(i)] = testKey
	}
	return keys
}

// member starts one client of a fleet, with random draws of its own.
func (w *world) member(rt *holdfast.Runtime, base holdfast.Config, i int) *runner {
	w.t.Helper()
	cfg := base
	cfg.Endpoint = fleetName(i)
	cfg.StateDir = w.t.TempDir()
	account := *base.Server
	if account.Security == holdfast.SecurityPSK {
		account.PSKIdentity = cfg.Endpoint
	}
	cfg.Server = &account
	cfg.Reconnect = holdfast.ReconnectConfig{}
	client, err := rt.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	r := &runner{Client: client, t: w.t}
	r.events, _ = client.Events(256)
	if err := client.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	return r
}
