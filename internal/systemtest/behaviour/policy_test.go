package behaviour_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// failuresAt demands an error at each of these instants after began.
func failuresAt(t *testing.T, c *systemtest.Client, began time.Time, code holdfast.ErrorCode, instants ...time.Duration) {
	t.Helper()
	for i, at := range instants {
		e := c.Next(holdfast.EventError)
		if e.Code != code || e.Attempt != uint64(i+1) || e.Time.Sub(began) != at {
			t.Fatalf("after %v, want %v: %+v", e.Time.Sub(began), at, e)
		}
	}
}

// LwM2M Core section 6.2.1.2 with its defaults: attempts 60, 120, 240 and 480 s
// apart, connect errors before the first Register included. Where the standard
// stops, attempts go on at the cap.
func TestPolicyLwM2MNeverGoesDark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		cfg := w.NoSec()
		cfg.Reconnect.Policy = holdfast.PolicyLwM2M
		began := time.Now()
		c := w.Start(cfg)
		sequence := []time.Duration{0, 60 * time.Second, 180 * time.Second, 420 * time.Second, 900 * time.Second}
		failuresAt(t, c, began, holdfast.CodeNetwork, append(sequence, 900*time.Second+systemtest.Week, 900*time.Second+2*systemtest.Week)...)
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		if e := c.Next(holdfast.EventRegistered); e.Time.Sub(began) != 900*time.Second+3*systemtest.Week {
			t.Errorf("registered after %v", e.Time.Sub(began))
		}
		c.ExpectClose(nil)
	})
}

// A failed series leads to a bootstrap where there is one (/1/x/16), and the
// numbers that the bootstrap writes count from then on, also under auto.
func TestWrittenRetryResourcesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		service := w.ServeBoth()
		writes := lwm2mtest.AccountConfig{URI: "coaps://192.0.2.1", PSKIdentity: systemtest.Endpoint, PSKKey: systemtest.Key}.Writes()
		server := lwm2m.PathOf(objects.Server, 0)
		for id, value := range map[uint16]uint64{
			objects.ServerCommunicationRetryCount: 3, objects.ServerCommunicationRetryTimer: 7,
			objects.ServerCommunicationSequenceDelayTimer: 100, objects.ServerCommunicationSequenceRetryCount: 2,
		} {
			writes[1].Nodes = append(writes[1].Nodes, lwm2m.Node{Path: server.Child(id), Value: lwm2m.Unsigned(value)})
		}
		w.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{Delete: []string{"/0", "/1"}, Writes: writes})
		c := w.Start(w.Factory())
		c.WaitFor(holdfast.Registered)

		service.Abort()
		began := time.Now()
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		var at []time.Duration
		for _, seconds := range []int{0, 7, 21, 121, 128, 142} {
			at = append(at, time.Duration(seconds)*time.Second)
		}
		failuresAt(t, c, began, holdfast.CodeNetwork, at...)
		if e := c.Next(holdfast.EventBootstrapped); e.Time.Sub(began) != 142*time.Second { // the series has failed
			t.Errorf("bootstrapped after %v", e.Time.Sub(began))
		}
		w.ServePSK()
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
	})
}
