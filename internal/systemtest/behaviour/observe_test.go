package behaviour_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// thermometers are an object whose resource 5700 is a temperature.
func thermometers(t *testing.T) *object.Values {
	v, err := object.NewValues(lwm2m.ObjectDef{ID: 3303, Name: "Temperature", Version: "1.0", Multiple: true, Resources: []lwm2m.ResourceDef{
		{ID: 5700, Name: "Sensor Value", Kind: lwm2m.KindFloat, Operations: lwm2m.OpRead, Mandatory: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	warm(t, v, 20)
	return v
}

const temperature = "/3303/0/5700"

func warm(t *testing.T, v *object.Values, degrees float64) {
	t.Helper()
	if err := v.Set(lwm2m.PathOf(3303, 0, 5700), lwm2m.Float(degrees)); err != nil {
		t.Error(err)
	}
}

// watched is a world in which the server observes a temperature.
type watched struct {
	*systemtest.World
	cfg      holdfast.Config
	values   *object.Values
	client   *systemtest.Client
	relation *lwm2mtest.ObserveRelation
	begun    time.Time
}

// observed runs a script while the server observes a temperature, after it has set
// attributes, if any.
func observed(t *testing.T, attributes []string, script func(*watched)) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServePSK()
		cfg := w.PSK()
		cfg.Lifetime = 24 * time.Hour
		x := &watched{World: w, cfg: cfg, values: thermometers(t)}
		x.cfg.Objects = []object.Object{x.values}
		x.client = w.Start(x.cfg)
		x.client.Next(holdfast.EventRegistered)
		if len(attributes) > 0 {
			x.attributes(temperature, attributes...)
		}
		x.observe()
		script(x)
	})
}

func (x *watched) attributes(path string, attributes ...string) {
	x.T.Helper()
	r, err := x.Server.WriteAttributes(context.Background(), systemtest.Endpoint, path, attributes...)
	if err != nil || r.Code != messages.Changed {
		x.T.Fatalf("%v %s, %v", r.Code, r.Payload, err)
	}
}

func (x *watched) observe() {
	x.T.Helper()
	relation, first, err := x.Server.Observe(context.Background(), systemtest.Endpoint, temperature, messages.FormatText)
	if relation == nil || err != nil {
		x.T.Fatalf("%v %s, %v", first.Code, first.Payload, err)
	}
	x.relation, x.begun = relation, time.Now()
}

// told returns what the server was notified of since it was last called: when, since
// the observation began, and what.
func (x *watched) told() (all []string) {
	synctest.Wait()
	for len(x.relation.Notifications()) > 0 {
		n := <-x.relation.Notifications()
		all = append(all, fmt.Sprintf("%v %s", n.Time.Sub(x.begun), n.Payload))
	}
	return all
}

func (x *watched) wantTold(want ...string) {
	x.T.Helper()
	if got := x.told(); !slices.Equal(got, want) {
		x.T.Errorf("told %q, want %q; %s", got, want, x.client.Story())
	}
}

// For a week, across Updates, to the instant.
func TestPeriodsForAWeek(t *testing.T) {
	observed(t, []string{"pmin=600", "pmax=86400", "gt=30"}, func(x *watched) {
		time.Sleep(time.Minute)
		warm(t, x.values, 31)
		time.Sleep(time.Minute)
		warm(t, x.values, 29) // crosses back; the latest counts
		time.Sleep(time.Hour)
		x.wantTold("10m0s 29")
		warm(t, x.values, 28) // crosses nothing
		var want []string
		for day := 1; day <= 7; day++ {
			want = append(want, fmt.Sprintf("%v 28", 10*time.Minute+time.Duration(day)*24*time.Hour))
		}
		x.client.Sleep(7 * 24 * time.Hour)
		x.wantTold(want...)
		x.client.ExpectClose(nil)
		if err := x.relation.Err(); err == nil {
			t.Error("the observation has outlived the registration")
		}
	})
}

func TestCancelEndsNotifications(t *testing.T) {
	observed(t, nil, func(x *watched) {
		warm(t, x.values, 21)
		x.wantTold("0s 21")
		if r, err := x.relation.Cancel(context.Background()); err != nil || r.Code != messages.Content {
			t.Errorf("%v, %v", r.Code, err)
		}
		before := len(x.Network.Packets())
		warm(t, x.values, 22)
		time.Sleep(time.Minute)
		if n := len(x.Network.Packets()) - before; n > 0 {
			t.Errorf("%d datagrams after the end", n)
		}
		x.observe()
		x.relation.Forget() // answers RST from now on
		warm(t, x.values, 23)
		time.Sleep(time.Minute)
		before = len(x.Network.Packets())
		warm(t, x.values, 24)
		time.Sleep(time.Minute)
		if n := len(x.Network.Packets()) - before; n > 0 {
			t.Errorf("%d datagrams after the RST", n)
		}
		x.client.ExpectClose(nil)
	})
}

// A server that does not answer is registered with again, by an Update that it accepts:
// what happened meanwhile is told in order, the latest value last.
func TestStoredNotifications(t *testing.T) {
	observed(t, nil, func(x *watched) {
		hole := x.Network.Impair(lwm2mtest.ToHost(x.Host), lwm2mtest.Conditions{BlackHole: true})
		warm(t, x.values, 21)
		time.Sleep(5 * time.Minute) // silence, and the ladder fails, too
		warm(t, x.values, 22)
		time.Sleep(time.Second)
		warm(t, x.values, 23)
		hole.Lift()
		x.client.Sleep(time.Hour)
		var values []string
		for _, line := range x.told() {
			_, value, _ := strings.Cut(line, " ")
			values = append(values, value)
		}
		if !slices.Equal(values, []string{"21", "22", "23"}) {
			t.Errorf("told %q; %s", values, x.client.Story())
		}
		if err := x.relation.Err(); err != nil {
			t.Error(err)
		}
		warm(t, x.values, 24)
		if told := x.told(); len(told) != 1 || !strings.HasSuffix(told[0], " 24") {
			t.Errorf("told %q", told)
		}
		x.client.ExpectClose(nil)
	})
}

// restart kills the client and starts the next process from what is on the disk.
func (x *watched) restart(spoil func(dir string)) {
	x.T.Helper()
	x.cfg = x.Kill(x.client, x.cfg)
	if spoil != nil {
		spoil(x.cfg.StateDir)
	}
	x.values = thermometers(x.T)
	x.cfg.Objects = []object.Object{x.values}
	x.client = x.Start(x.cfg)
	x.client.WaitFor(holdfast.Registered)
	time.Sleep(10 * time.Second)
}

// A process that goes on with an Update goes on notifying, with the attributes of
// before.
func TestObservationsOutliveTheProcess(t *testing.T) {
	observed(t, []string{"gt=30"}, func(x *watched) {
		warm(t, x.values, 31)
		x.wantTold("0s 31")
		x.restart(nil)
		if err := x.relation.Err(); err != nil {
			t.Fatalf("%v; %s", err, x.client.Story())
		}
		if told := x.told(); len(told) != 1 || !strings.HasSuffix(told[0], " 20") {
			t.Errorf("told %q", told)
		}
		warm(t, x.values, 29)
		warm(t, x.values, 33)
		if told := x.told(); len(told) != 1 || !strings.HasSuffix(told[0], " 33") {
			t.Errorf("told %q", told)
		}
		links, err := x.Server.Discover(context.Background(), systemtest.Endpoint, temperature)
		if err != nil || string(links.Payload) != "<"+temperature+">;gt=30" {
			t.Errorf("%s, %v", links.Payload, err)
		}
		x.client.ExpectClose(nil)
	})
}

// A record of observations that cannot be read leads to a Register: the server sees that
// its observations are over, instead of waiting for ever.
func TestUnreadableObservationsLeadToARegister(t *testing.T) {
	observed(t, nil, func(x *watched) {
		x.restart(func(dir string) {
			files, err := filepath.Glob(filepath.Join(dir, "observations-1.*"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%v, %v", files, err)
			}
			for _, file := range files {
				if err := os.WriteFile(file, []byte("rubbish"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
		if x.relation.Err() == nil {
			t.Errorf("the server still waits; %s", x.client.Story())
		}
		x.observe()
		warm(t, x.values, 25)
		x.wantTold("0s 25")
		x.client.ExpectClose(nil)
	})
}

// A server that rejects the first notification on a new link may take the client, at its
// new address, for somebody else, and count on the observation all the same: a Register
// tells it. On the link on which it began, a rejected observation is over, and nothing else.
func TestARejectedObservationOnANewLinkLeadsToARegister(t *testing.T) {
	observed(t, nil, func(x *watched) {
		x.relation.Forget()
		time.Sleep(time.Minute)
		before := time.Now()
		warm(t, x.values, 25)
		time.Sleep(time.Minute)
		expectRequests(x.World, before, "")
		x.observe()
		x.relation.Forget()
		before = time.Now()
		where := location(x.World)
		x.restart(nil)
		expectRequests(x.World, before, "update "+where+" 2.04, register "+location(x.World)+" 2.01")
		x.observe()
		warm(t, x.values, 26)
		x.wantTold("0s 26")
		x.client.ExpectClose(nil)
	})
}

// After a Register nothing of before is notified.
func TestARegisterEndsObservations(t *testing.T) {
	observed(t, []string{"pmin=5"}, func(x *watched) {
		x.Server.Forget()
		if err := x.client.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		x.client.Next(holdfast.EventRegistered)
		before := len(x.Network.Packets())
		warm(t, x.values, 25)
		time.Sleep(time.Minute)
		if n := len(x.Network.Packets()) - before; n > 0 {
			t.Errorf("%d datagrams", n)
		}
		x.observe()
		warm(t, x.values, 26)
		x.wantTold("0s 26") // pmin has gone with the registration
		x.client.ExpectClose(nil)
	})
}

// A sensor that is faster than the network costs no more than the network takes: newer
// values take the place of older ones, and the latest arrives.
func TestFastSensorIsTamed(t *testing.T) {
	observed(t, []string{"pmin=0"}, func(x *watched) {
		x.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: 50 * time.Millisecond})
		before := len(x.Network.Packets())
		for i := range 10_000 {
			warm(t, x.values, float64(i))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		if n := len(x.Network.Packets()) - before; n > 2*101 { // with the acknowledgements
			t.Errorf("%d datagrams for 10 s at 100 ms a round trip", n)
		}
		told := x.told()
		if len(told) == 0 || !strings.HasSuffix(told[len(told)-1], " 9999") {
			t.Errorf("told at last: %q", told[max(0, len(told)-1):])
		}
		x.client.ExpectClose(nil)
	})
}

// A record of observations that has gone is missed, and leads to a Register as well; one
// that the disk refused does before anybody can miss it.
func TestLostObservationsLeadToARegister(t *testing.T) {
	observed(t, nil, func(x *watched) {
		x.restart(func(dir string) {
			files, err := filepath.Glob(filepath.Join(dir, "observations-1.*"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%v, %v", files, err)
			}
			for _, file := range files {
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
			}
		})
		if x.relation.Err() == nil {
			t.Errorf("the server still waits; %s", x.client.Story())
		}
		x.observe()
		x.restart(nil)
		if err := x.relation.Err(); err != nil {
			t.Errorf("the next start registers again: %v; %s", err, x.client.Story())
		}
		x.client.ExpectClose(nil)
	})
}

// A value of several blocks arrives whole, also where datagrams are lost.
func TestNotificationInBlocksUnderLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServePSK()
		v, err := object.NewValues(lwm2m.ObjectDef{ID: 3340, Name: "Log", Version: "1.0", Resources: []lwm2m.ResourceDef{
			{ID: 1, Name: "Text", Kind: lwm2m.KindString, Operations: lwm2m.OpRead, Mandatory: true},
		}})
		if err != nil {
			t.Fatal(err)
		}
		text := lwm2m.PathOf(3340, 0, 1)
		if err := v.Set(text, lwm2m.String("short")); err != nil {
			t.Fatal(err)
		}
		cfg := w.PSK()
		cfg.Lifetime, cfg.Objects = 24*time.Hour, []object.Object{v}
		client := w.Start(cfg)
		client.Next(holdfast.EventRegistered)
		relation, first, err := w.Server.Observe(t.Context(), systemtest.Endpoint, "/3340/0/1", messages.FormatText)
		if relation == nil || err != nil {
			t.Fatalf("%v, %v", first.Code, err)
		}
		impaired := w.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Loss: 0.2})
		long := strings.Repeat("0123456789", 512)
		if err := v.Set(text, lwm2m.String(long)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if n := len(relation.Notifications()); n != 1 {
			t.Fatalf("%d notifications; %s", n, client.Story())
		}
		if n := <-relation.Notifications(); string(n.Payload) != long {
			t.Errorf("%d bytes of %d arrive", len(n.Payload), len(long))
		}
		impaired.Lift()
		client.ExpectClose(nil)
	})
}
