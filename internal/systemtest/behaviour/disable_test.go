package behaviour_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// pauseAsked is the Disable Timeout of these tests.
const pauseAsked = 10 * time.Minute

// disable has the server send the client away.
func (x *watched) disable() {
	x.T.Helper()
	x.write("/1/0/5", "600")
	if r, err := x.Server.Execute(context.Background(), systemtest.Endpoint, "/1/0/4", ""); err != nil || r.Code != messages.Changed {
		x.T.Fatalf("%v, %v", r.Code, err)
	}
	x.client.Next(holdfast.EventDisabled)
	synctest.Wait()
}

// fill has two values stored, and a third under way that the server does not confirm.
func (x *watched) fill() {
	x.T.Helper()
	x.away(func() {
		x.lose()
		for _, degrees := range []float64{21, 22, 23} {
			warm(x.T, x.values, degrees)
			synctest.Wait()
		}
		x.relation.Ignore(true)
	})
	warm(x.T, x.values, 24)
	synctest.Wait()
	if n := x.relation.Counts().Ignored; n == 0 {
		x.T.Fatal("nothing is under way")
	}
}

// wantForgotten demands that the client tells nothing of what was observed before it was
// sent away, and that the server can begin anew, without the attributes of before.
func (x *watched) wantForgotten() {
	x.T.Helper()
	if err := x.relation.Err(); !errors.Is(err, lwm2mtest.ErrRegistrationEnded) {
		x.T.Errorf("the observation: %v", err)
	}
	before := x.LastPacket()
	warm(x.T, x.values, 30)
	x.client.Sleep(10 * time.Minute)
	if n := x.LastPacket() - before; n > 0 {
		x.T.Errorf("%d datagrams of what was observed before", n)
	}
	x.observe()
	warm(x.T, x.values, 31)
	x.wantTold("0s 31")
	x.client.ExpectClose(nil)
}

// A client that was disabled has left: what was observed and stored before is over, and
// the server that has it back observes anew.
func TestDisableEndsObservations(t *testing.T) {
	observed(t, []string{"pmin=0", "pmax=60"}, func(x *watched) {
		x.fill()
		x.disable()
		records, err := filepath.Glob(filepath.Join(x.cfg.StateDir, "observations-*"))
		if len(records) > 0 || err != nil {
			t.Errorf("left on the disk: %v, %v", records, err)
		}
		began, before := time.Now(), x.LastPacket()
		warm(t, x.values, 25) // during the pause
		x.client.Sleep(pauseAsked - time.Second)
		if n := x.LastPacket() - before; n > 0 {
			t.Errorf("%d datagrams during the pause", n)
		}
		if e := x.client.Next(holdfast.EventRegistered); e.Time.Sub(began) != pauseAsked {
			t.Errorf("registered after %v", e.Time.Sub(began))
		}
		x.wantForgotten()
	})
}

// The same holds for a process that begins within the pause.
func TestDisableEndsObservationsForTheNextProcess(t *testing.T) {
	observed(t, []string{"pmin=0", "pmax=60"}, func(x *watched) {
		x.fill()
		x.disable()
		x.cfg = x.Kill(x.client, x.cfg)
		time.Sleep(pauseAsked / 2)
		x.values = thermometers(t)
		x.cfg.Objects = []object.Object{x.values}
		x.client = x.Start(x.cfg)
		x.client.WaitFor(holdfast.Registered)
		x.wantForgotten()
	})
}

// It ends those of the server that has disabled the client, and of no other.
func TestDisableLeavesOtherServersTheirObservations(t *testing.T) {
	observedByTwo(t, func(x *watched, other *lwm2mtest.Server, relations [2]*lwm2mtest.ObserveRelation) {
		for _, server := range []*lwm2mtest.Server{x.Server, other} {
			r, err := server.WriteAttributes(x.T.Context(), systemtest.Endpoint, "/3/0/0", "pmax=60")
			if err != nil || r.Code != messages.Changed {
				x.T.Fatalf("%v, %v", r.Code, err)
			}
		}
		x.disable()
		x.client.Sleep(5*time.Minute + 30*time.Second)
		if err := relations[0].Err(); !errors.Is(err, lwm2mtest.ErrRegistrationEnded) {
			x.T.Errorf("the observation of the server that disables: %v", err)
		}
		if n := len(relations[1].Notifications()); n != 5 || relations[1].Err() != nil {
			x.T.Errorf("%d notifications to the other, %v", n, relations[1].Err())
		}
	})
}
