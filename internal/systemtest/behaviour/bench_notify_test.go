package behaviour_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// BenchmarkNotifications is what a notification costs the process of the clients: a value
// is set, and the server, a process of its own, has the datagram. Each of 64 clients has
// sixteen observed resources, which all change before any is waited for.
func BenchmarkNotifications(b *testing.B) {
	overSecurity(b, func(b *testing.B, security holdfast.SecurityMode) {
		for _, confirmable := range []bool{false, true} {
			b.Run(fmt.Sprintf("confirmable=%t", confirmable), func(b *testing.B) {
				benchmarkNotifications(b, security, confirmable)
			})
		}
	})
}

func benchmarkNotifications(b *testing.B, security holdfast.SecurityMode, confirmable bool) {
	const resources = 16
	o := observedFleet(b, security, servingClients, resources)
	if !confirmable {
		o.wantDone("unconfirmed %d", servingClients)
	}
	used := o.measure(func() {
		for left := b.N; left > 0; {
			n := min(left, servingClients*resources)
			o.change(n, 1)
			o.wantDone("await %d", n)
			left -= n
		}
	})
	b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(b.N), "CPU-us/notification")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "notifications/s")
	b.ReportMetric(float64(b.N)/used.Seconds(), "notifications/core-s")
	o.close()
}

// BenchmarkThousandObservations is a client with 1,000 observed resources of which 100
// change each second. One iteration is one second.
func BenchmarkThousandObservations(b *testing.B) {
	const all, some = 1000, 100
	overSecurity(b, func(b *testing.B, security holdfast.SecurityMode) {
		o := observedFleet(b, security, 1, all)
		seconds := time.NewTicker(time.Second) // the load has its own pace
		defer seconds.Stop()
		used := o.measure(func() {
			for range b.N {
				<-seconds.C
				o.change(some, all/some)
				o.wantDone("await %d", some)
			}
		})
		b.ReportMetric(used.Seconds()*1e3/float64(b.N), "CPU-ms/s")
		b.ReportMetric(some*float64(b.N)/b.Elapsed().Seconds(), "notifications/s")
		o.close()
	})
}

func overSecurity(b *testing.B, run func(*testing.B, holdfast.SecurityMode)) {
	for _, security := range []holdfast.SecurityMode{holdfast.SecurityNoSec, holdfast.SecurityPSK} {
		b.Run(string(security), func(b *testing.B) { run(b, security) })
	}
}

// observedClients are clients whose sensors a server observes, one resource each.
type observedClients struct {
	*fleet
	b         *testing.B
	server    *fleetServer
	sensors   []*object.Values // of each client
	resources int
	changes   int
}

func observedFleet(b *testing.B, security holdfast.SecurityMode, clients, resources int) *observedClients {
	o := &observedClients{b: b, server: startFleetServer(b, security), resources: resources}
	o.fleet = fleetOf(b, clients, func(i int, dir string) holdfast.Config {
		cfg := memberConfig(i, dir, holdfast.Account{URI: o.server.uri, Security: security})
		cfg.Limits.Observations = resources
		o.sensors = append(o.sensors, sensors(b, resources))
		cfg.Objects = []object.Object{o.sensors[i]}
		return cfg
	})
	o.start()
	o.awaitRegistered()
	o.wantDone("observe %d %d", clients, resources)
	return o
}

// sensors are an object with so many instances, each with a value.
func sensors(b *testing.B, n int) *object.Values {
	v, err := object.NewValues(lwm2m.ObjectDef{ID: 3303, Name: "Temperature", Version: "1.0", Multiple: true, Resources: []lwm2m.ResourceDef{
		{ID: 5700, Name: "Sensor Value", Kind: lwm2m.KindFloat, Operations: lwm2m.OpRead, Mandatory: true},
	}})
	must(b, err)
	for i := range n {
		must(b, v.Set(lwm2m.PathOf(3303, uint16(i), 5700), lwm2m.Float(0)))
	}
	return v
}

// change gives so many resources a value that none of them has had: those of all
// clients in turn, every one or every so many of each client.
func (o *observedClients) change(n, every int) {
	o.changes++
	for i := range n {
		inst := i / len(o.sensors) * every
		must(o.b, o.sensors[i%len(o.sensors)].Set(lwm2m.PathOf(3303, uint16(inst), 5700), lwm2m.Float(float64(o.changes))))
	}
}

// measure returns the processor time that this process uses in a run.
func (o *observedClients) measure(run func()) time.Duration {
	o.b.ReportAllocs()
	o.b.ResetTimer()
	before := processorTime()
	run()
	used := processorTime() - before
	o.b.StopTimer()
	return used
}

func (o *observedClients) wantDone(format string, args ...any) {
	o.b.Helper()
	if answer := o.server.ask(o.b, format, args...); answer != "done" {
		o.b.Fatal(answer)
	}
}

func (o *observedClients) close() {
	o.fleet.close()
	o.server.stop(o.b)
}

// observe observes the sensors of so many clients, each resource by itself.
func (s servant) observe(clients, resources int) error {
	return inTurn(4, clients*resources, func(i int) error {
		return s.observeOne(systemtest.MemberName(i%clients), fmt.Sprintf("/3303/%d/5700", i/clients))
	})
}

func (s servant) observeOne(endpoint, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	relation, first, err := s.server.Observe(ctx, endpoint, path, messages.FormatText)
	switch {
	case err != nil:
		return err
	case relation == nil:
		return fmt.Errorf("%s does not let %s be observed: %v", endpoint, path, first.Code)
	}
	go s.count(relation)
	return nil
}

// count counts the notifications of a value, as they were asked for, until the
// observation ends.
func (s servant) count(relation *lwm2mtest.ObserveRelation) {
	for n := range relation.Notifications() {
		if n.Code == messages.Content && n.Confirmable != s.unconfirmed.Load() {
			s.told <- struct{}{}
		}
	}
}

// unconfirm asks so many clients for notifications that are not confirmable. Those
// that nothing is said about are.
func (s servant) unconfirm(clients int) error {
	s.unconfirmed.Store(true)
	return inTurn(4, clients, func(i int) error {
		r, err := s.server.WriteAttributes(context.Background(), systemtest.MemberName(i), "/3303", "con=0")
		if err == nil && r.Code != messages.Changed {
			err = fmt.Errorf("Write-Attributes was answered %v", r.Code)
		}
		return err
	})
}

var errNotTold = errors.New("notifications are missing")

// mostWait is how long the server waits for notifications: nothing is lost on loopback
// that does not come by then.
const mostWait = time.Minute

// await waits for so many notifications.
func (s servant) await(count int) error {
	late := time.NewTimer(mostWait)
	defer late.Stop()
	for i := range count {
		select {
		case <-s.told:
		case <-late.C:
			return fmt.Errorf("%w: %d of %d are there", errNotTold, i, count)
		}
	}
	return nil
}
