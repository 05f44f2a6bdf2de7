package behaviour_test

import (
	"context"
	"errors"
	"fmt"
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

// Resources of the Server object that say how its server wants to be notified.
const (
	defaultMinPeriod    = "/1/0/2"
	defaultMaxPeriod    = "/1/0/3"
	notificationStoring = "/1/0/6"
)

// write writes a resource, and demands that it reads as it was written.
func (x *watched) write(path, value string) {
	x.T.Helper()
	content := lwm2mtest.Content{Format: messages.FormatText, Payload: []byte(value)}
	r, err := x.Server.Write(context.Background(), systemtest.Endpoint, path, lwm2mtest.Replace, content)
	if err != nil || r.Code != messages.Changed {
		x.T.Fatalf("%s: %v %s, %v", path, r.Code, r.Payload, err)
	}
	x.wantRead(path, value)
}

func (x *watched) wantRead(path, value string) {
	x.T.Helper()
	r, err := x.Server.Read(context.Background(), systemtest.Endpoint, path, messages.FormatText)
	if err != nil || r.Code != messages.Content || string(r.Payload) != value {
		x.T.Errorf("%s reads %v %q, %v, want %q", path, r.Code, r.Payload, err, value)
	}
}

// at lets time pass until so long after the observation began.
func (x *watched) at(since time.Duration) {
	x.client.Sleep(time.Until(x.begun.Add(since)))
	synctest.Wait()
}

// What a server writes while it observes counts for the very next notification, also for
// one that waits already, and what it has set at a path counts before it.
func TestDefaultMinimumPeriodWrittenWhileObserving(t *testing.T) {
	observed(t, nil, func(x *watched) {
		x.at(10 * time.Second)
		warm(t, x.values, 21)
		x.wantTold("10s 21")
		x.write(defaultMinPeriod, "60")
		warm(t, x.values, 22)
		x.at(69 * time.Second)
		x.wantTold()
		x.at(5 * time.Minute)
		x.wantTold("1m10s 22")

		warm(t, x.values, 23)
		x.wantTold("5m0s 23")
		x.write(defaultMinPeriod, "600")
		x.at(6 * time.Minute)
		warm(t, x.values, 24) // waits until 15m0s
		x.at(7 * time.Minute)
		x.write(defaultMinPeriod, "180") // until 8m0s
		x.at(9 * time.Minute)
		x.wantTold("8m0s 24")
		warm(t, x.values, 25) // waits until 11m0s
		x.at(10 * time.Minute)
		x.write(defaultMinPeriod, "0")
		x.wantTold("10m0s 25")

		x.write(defaultMinPeriod, "3600")
		x.attributes("/3303", "pmin=100")
		x.attributes(temperature, "pmin=20")
		warm(t, x.values, 26)
		x.at(11 * time.Minute)
		x.wantTold("10m20s 26")
		x.attributes(temperature, "pmin") // that of the object counts
		warm(t, x.values, 27)
		x.at(13 * time.Minute)
		x.wantTold("12m0s 27")
		warm(t, x.values, 28)
		x.attributes("/3303", "pmin") // what is left is the default
		x.at(3 * time.Hour)
		x.wantTold("1h12m0s 28")
		x.client.ExpectClose(nil)
	})
}

func TestDefaultMaximumPeriodWrittenWhileObserving(t *testing.T) {
	observed(t, nil, func(x *watched) {
		x.at(time.Minute)
		x.write(defaultMaxPeriod, "300")
		x.at(12 * time.Minute)
		x.wantTold("5m0s 20", "10m0s 20")
		warm(t, x.values, 21)
		x.at(18 * time.Minute)
		x.wantTold("12m0s 21", "17m0s 21")
		x.write(defaultMaxPeriod, "60") // which is over
		x.wantTold("18m0s 21")
		x.at(20 * time.Minute)
		x.wantTold("19m0s 21", "20m0s 21")

		x.attributes("/3303", "pmax=600")
		x.attributes("/3303/0", "pmax=120")
		x.at(25 * time.Minute)
		x.wantTold("22m0s 21", "24m0s 21")
		x.attributes("/3303/0", "pmax") // that of the object counts
		x.at(50 * time.Minute)
		x.wantTold("34m0s 21", "44m0s 21")
		x.attributes("/3303", "pmax") // what is left is the default, and over
		x.wantTold("50m0s 21")

		x.write(defaultMinPeriod, "90") // longer than the longest, which does not count then
		warm(t, x.values, 22)
		x.at(2 * time.Hour)
		x.wantTold("51m30s 22")
		x.attributes(temperature, "pmin=0")
		x.wantTold("2h0m0s 22")
		x.at(2*time.Hour + 90*time.Second)
		x.wantTold("2h1m0s 22")
		x.write(defaultMaxPeriod, "0") // none
		x.at(20 * time.Hour)
		x.wantTold()
		x.client.ExpectClose(nil)
	})
}

// The defaults are those of the server that has written them, and of nobody else.
func TestDefaultPeriodsOfTwoServers(t *testing.T) {
	observedByTwo(t, func(x *watched, _ *lwm2mtest.Server, relations [2]*lwm2mtest.ObserveRelation) {
		x.write(defaultMaxPeriod, "60")
		x.client.Sleep(10 * time.Minute)
		synctest.Wait()
		if one, two := len(relations[0].Notifications()), len(relations[1].Notifications()); one != 10 || two != 0 {
			x.T.Errorf("%d notifications to the server that has written, %d to the other", one, two)
		}
	})
}

// observedByTwo runs a script while two servers observe the manufacturer, which does not
// change.
func observedByTwo(t *testing.T, script func(x *watched, other *lwm2mtest.Server, relations [2]*lwm2mtest.ObserveRelation)) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		other := otherServer(w)
		defer other.Close()
		x := &watched{World: w}
		x.client, _ = withTwoServers(w, other)
		var relations [2]*lwm2mtest.ObserveRelation
		for i, server := range []*lwm2mtest.Server{w.Server, other} {
			relation, first, err := server.Observe(t.Context(), systemtest.Endpoint, "/3/0/0", messages.FormatText)
			if relation == nil || err != nil {
				t.Fatalf("%v, %v", first.Code, err)
			}
			relations[i] = relation
		}
		script(x, other, relations)
		x.client.ExpectClose(nil)
	})
}

// away has the server out of reach for a while, lets things happen meanwhile, and
// returns when the client has found it again, since the observation began.
func (x *watched) away(meanwhile func()) time.Duration {
	x.T.Helper()
	hole := x.Network.Impair(lwm2mtest.ToHost(x.Host), lwm2mtest.Conditions{BlackHole: true})
	meanwhile()
	hole.Lift()
	back := x.client.Next(holdfast.EventRegistered)
	if n := x.Server.Registers(systemtest.Endpoint); n != 1 {
		x.T.Errorf("%d Registers: an Update was enough; %s", n, x.client.Story())
	}
	return back.Time.Sub(x.begun)
}

// With resource 6 false nothing is stored: the server is told the newest value, once, and
// nothing where what it knows is still so. It counts from when it is written.
func TestNotificationStoringForbiddenWhileObserving(t *testing.T) {
	observed(t, nil, func(x *watched) {
		x.write(notificationStoring, "0")
		back := x.away(func() {
			warm(t, x.values, 21)     // is under way when the link turns out to be dead
			x.at(5 * time.Minute)     // the client knows
			warm(t, x.values, 22)     // is never told
			x.at(6 * time.Minute)     // nor looked at
			warm(t, x.values, 23)     // the newest
			x.at(6*time.Minute + 1e9) // not when it is back
		})
		x.at(back + time.Hour)
		x.wantTold(fmt.Sprintf("%v 23", back))

		x.write(notificationStoring, "1")
		warm(t, x.values, 24)
		x.wantTold(fmt.Sprintf("%v 24", back+time.Hour))
		back = x.away(func() {
			warm(t, x.values, 25)
			x.client.Sleep(5 * time.Minute)
			warm(t, x.values, 26)
			synctest.Wait()
			warm(t, x.values, 27)
			synctest.Wait()
		})
		x.at(back + time.Hour)
		x.wantTold(fmt.Sprintf("%v 25", back), fmt.Sprintf("%v 26", back), fmt.Sprintf("%v 27", back))
		x.client.ExpectClose(nil)
	})
}

// A value that has changed and gone back while nothing was stored is no news.
func TestNotStoredAndUnchangedIsNotTold(t *testing.T) {
	observed(t, nil, func(x *watched) {
		x.write(notificationStoring, "0")
		back := x.away(func() {
			x.lose()
			warm(t, x.values, 22)
			synctest.Wait()
			warm(t, x.values, 20)
			x.client.Sleep(time.Minute)
		})
		x.at(back + time.Hour)
		x.wantTold()
		warm(t, x.values, 21)
		x.wantTold(fmt.Sprintf("%v 21", back+time.Hour))
		x.client.ExpectClose(nil)
	})
}

// lose has the client find out that its server is away.
func (x *watched) lose() {
	x.T.Helper()
	go func() { _ = x.client.RegisterUpdate(context.Background()) }() // it fails
	x.client.ExpectError(holdfast.CodeNetwork)
	x.client.Sleep(5 * time.Minute)
	synctest.Wait()
}

// Stored notifications keep to the periods that the server has written: what comes
// within the shortest one is told by its end, and the longest one goes on.
func TestStoredNotificationsKeepThePeriods(t *testing.T) {
	observed(t, nil, func(x *watched) {
		x.write(defaultMinPeriod, "60")
		x.write(defaultMaxPeriod, "1800")
		x.write(notificationStoring, "1")
		back := x.away(func() {
			x.lose() // for less than half an hour
			x.at(10 * time.Minute)
			warm(t, x.values, 21)
			x.at(10*time.Minute + 30*time.Second)
			warm(t, x.values, 22)
			x.at(10*time.Minute + 40*time.Second)
			warm(t, x.values, 23)
			x.at(45 * time.Minute) // at 41m0s it is still so
		})
		if back > 60*time.Minute {
			t.Fatalf("back after %v only", back)
		}
		var want []string
		for _, value := range []string{"21", "23", "23"} {
			want = append(want, fmt.Sprintf("%v %s", back, value))
		}
		x.at(72 * time.Minute)
		x.wantTold(append(want, "1h11m0s 23")...)
		x.client.ExpectClose(nil)
	})
}

// What a server has written is in force in the next process, too.
func TestDefaultsOutliveTheProcess(t *testing.T) {
	observed(t, nil, func(x *watched) {
		x.write(defaultMinPeriod, "60")
		x.write(defaultMaxPeriod, "900")
		x.write(notificationStoring, "0")
		x.restart(nil)
		x.wantRead(defaultMinPeriod, "60")
		x.wantRead(defaultMaxPeriod, "900")
		x.wantRead(notificationStoring, "0")
		told := x.told()
		if len(told) != 1 || !strings.HasSuffix(told[0], " 20") {
			t.Fatalf("told %q", told)
		}
		x.begun = time.Now().Add(-10 * time.Second) // when the process was registered and has told that
		warm(t, x.values, 21)
		x.at(20 * time.Minute)
		x.wantTold("1m0s 21", "16m0s 21")
		back := x.away(func() {
			x.lose()
			warm(t, x.values, 22)
			x.client.Sleep(2 * time.Minute)
			warm(t, x.values, 23)
			synctest.Wait()
		})
		x.at(back + 10*time.Minute)
		x.wantTold(fmt.Sprintf("%v 23", back))
		x.client.ExpectClose(nil)
	})
}

// Two observations of one server, and one that several paths make: each has the periods
// of its own paths, and the composite the longest shortest and the shortest longest of
// its paths, of which one has the default.
func TestDefaultPeriodsOfAComposite(t *testing.T) {
	observed(t, nil, func(x *watched) {
		x.write(defaultMinPeriod, "60")
		x.write(defaultMaxPeriod, "600")
		x.attributes(temperature, "pmin=10", "pmax=900")
		both, _, err := x.Server.ObserveComposite(context.Background(), systemtest.Endpoint, messages.FormatSenMLJSON, temperature, "/3/0/0")
		if both == nil || err != nil {
			t.Fatal(err)
		}
		warm(t, x.values, 21)
		x.at(27 * time.Minute)
		x.wantTold("10s 21", "15m10s 21")
		var instants []time.Duration
		for len(both.Notifications()) > 0 {
			instants = append(instants, (<-both.Notifications()).Time.Sub(x.begun))
		}
		if want := []time.Duration{time.Minute, 11 * time.Minute, 21 * time.Minute}; !slices.Equal(instants, want) {
			t.Errorf("the composite is told at %v, want %v", instants, want)
		}
		x.client.ExpectClose(nil)
	})
}

// That an observation is over reaches the server whatever comes in between, also where
// nothing is stored: it would wait for ever.
func TestEndOfAnObservationArrives(t *testing.T) {
	for name, c := range map[string]struct {
		storing string
		between func(*watched)
	}{
		"stored": {"1", func(x *watched) { x.lose() }},
		"stored, and too much behind it": {"1", func(x *watched) {
			x.lose()
			for i := range 2000 {
				x.warmElsewhere(float64(i))
			}
		}},
		"not stored": {"0", func(x *watched) { x.client.Sleep(5 * time.Minute) }},
	} {
		t.Run(name, func(t *testing.T) {
			observed(t, nil, func(x *watched) {
				x.warmElsewhere(1)
				x.observeElsewhere()
				x.write(notificationStoring, c.storing)
				back := x.away(func() {
					x.values.Remove(lwm2m.PathOf(3303, 0))
					synctest.Wait()
					c.between(x)
				})
				x.at(back + time.Minute)
				x.wantEnded()
				x.client.ExpectClose(nil)
			})
		})
	}
}

// It does when the process has ended before.
func TestEndOfAnObservationOutlivesTheProcess(t *testing.T) {
	observed(t, nil, func(x *watched) {
		hole := x.Network.Impair(lwm2mtest.ToHost(x.Host), lwm2mtest.Conditions{BlackHole: true})
		x.values.Remove(lwm2m.PathOf(3303, 0))
		synctest.Wait()
		x.cfg = x.Kill(x.client, x.cfg)
		hole.Lift()
		x.values = thermometers(t)
		x.values.Remove(lwm2m.PathOf(3303, 0))
		x.cfg.Objects = []object.Object{x.values}
		x.client = x.Start(x.cfg)
		x.client.WaitFor(holdfast.Registered)
		x.client.Sleep(time.Minute)
		x.wantEnded()
		if n := x.Server.Registers(systemtest.Endpoint); n != 1 {
			t.Errorf("%d Registers", n)
		}
		x.client.ExpectClose(nil)
	})
}

// wantEnded demands that the client has told that the temperature is no longer there.
func (x *watched) wantEnded() {
	x.T.Helper()
	synctest.Wait()
	var last messages.CoAPCode
	for len(x.relation.Notifications()) > 0 {
		last = (<-x.relation.Notifications()).Code
	}
	if err := x.relation.Err(); !errors.Is(err, lwm2mtest.ErrObservationEnded) || last != messages.NotFound {
		x.T.Errorf("%v, told %v at last; %s", err, last, x.client.Story())
	}
}

// warmElsewhere sets another temperature.
func (x *watched) warmElsewhere(degrees float64) {
	x.T.Helper()
	if err := x.values.Set(lwm2m.PathOf(3303, 1, 5700), lwm2m.Float(degrees)); err != nil {
		x.T.Error(err)
	}
	synctest.Wait()
}

func (x *watched) observeElsewhere() {
	x.T.Helper()
	relation, first, err := x.Server.Observe(context.Background(), systemtest.Endpoint, "/3303/1/5700", messages.FormatText)
	if relation == nil || err != nil {
		x.T.Fatalf("%v, %v", first.Code, err)
	}
}
