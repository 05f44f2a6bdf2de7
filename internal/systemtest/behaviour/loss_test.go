package behaviour_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
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
	w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
	defer w.Close()
	w.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: 20 * time.Millisecond, Loss: 0.3})
	keys := lwm2mtest.Security{}
	base, port := w.NoSec(), uint16(systemtest.CoAPPort)
	if secured {
		base, port, keys = w.PSK(), systemtest.DTLSPort, lwm2mtest.Security{PSK: systemtest.MemberKeys(clients)}
	}
	w.Serve(port, keys)
	rt := holdfast.NewRuntime(lwm2mtest.WithTransport(w.Gateway))
	began := time.Now()
	fleet := make([]*systemtest.Client, clients)
	for i := range fleet {
		fleet[i] = w.Member(rt, base, i)
	}
	attempts, times := make([]int, 0, clients), make([]time.Duration, 0, clients)
	for _, c := range fleet {
		e := c.Next(holdfast.EventRegistered)
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
