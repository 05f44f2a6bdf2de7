package interop

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// served are the operations that the client has.
var served = []string{
	"Read", "Write", "Merge", "Large", "Create", "Execute",
	"ReadComposite", "WriteComposite", "Attributes", "Observe", "ObserveComposite", "Forget", "Periods", "Thresholds",
}

func TestLeshanOperations(t *testing.T) {
	for _, name := range served {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			managing[name](t, holdfastSubject(t))
		})
	}
}

// A server gets what the client sends of its own accord once it has allowed that: what
// paths have now, and samples with their times. The format is the client's choice.
func TestLeshanTakesWhatIsSent(t *testing.T) {
	t.Parallel()
	d, c := holdfastClient(t)
	var refused *holdfast.SendError
	if err := c.Send(t.Context(), holdfast.AllServers, "/3442/0/110"); !errors.As(err, &refused) {
		t.Errorf("before the server allows it: %v", err)
	}
	is(t, d.Write("/1/0/23", "TEXT", false), "CHANGED(204)")
	if err := c.Send(t.Context(), holdfast.AllServers, "/3442/0/110", "/3/0/0"); err != nil {
		t.Fatal(err)
	}
	samples, _ := d.Sent()
	want := map[string]any{"/3442/0/110": "initial value", "/3/0/0": d.manufacturer}
	if len(samples) != 1 || !reflect.DeepEqual(samples[0].Values, want) {
		t.Errorf("sent %v", samples)
	}
	now := time.Now().Truncate(time.Second)
	if err := c.SendSamples(t.Context(), holdfast.AllServers, counted(now.Add(-time.Minute), 0), counted(now, 1)); err != nil {
		t.Fatal(err)
	}
	samples, _ = d.Sent()
	if len(samples) != 2 {
		t.Fatalf("sent %v, want two samples", samples)
	}
	for i, s := range samples {
		at := now.Add(time.Duration(i-1) * time.Minute)
		if s.Time == nil || !s.Time.Equal(at) || s.Values["/3442/0/120"] != float64(i) {
			t.Errorf("sample %d: %v %v", i, s.Time, s.Values)
		}
	}
}

// counted is a sample of /3442/0/120.
func counted(at time.Time, n int64) lwm2m.Sample {
	path := lwm2m.PathOf(3442, 0, 120)
	return lwm2m.Sample{At: at, Payload: lwm2m.Payload{Nodes: []lwm2m.Node{{Path: path, Value: lwm2m.Integer(n)}}}}
}

// holdfastSubject is the client under test.
func holdfastSubject(t *testing.T) subject {
	t.Helper()
	s, _ := holdfastClient(t)
	return s
}

func holdfastClient(t *testing.T) (subject, *client) {
	t.Helper()
	server := management(t)
	test := newTestObject(t)
	cfg := quick(t)
	cfg.Server = noSec(server.CoAP())
	cfg.Objects = []object.Object{test}
	c := start(t, cfg)
	c.registered()
	server.event("registered")
	return subject{Device: server.Device(endpoint), manufacturer: holdfast.DefaultManufacturer, change: test.change}, c
}
