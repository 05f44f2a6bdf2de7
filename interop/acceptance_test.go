package interop

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/interop/peer"
)

// What Leshan offers: a value in each of its formats, and what has several values
// in those that can hold several.
var (
	manyFormats      = []string{"TLV", "SENML_CBOR", "SENML_JSON", "JSON"}
	valueFormats     = append(slices.Clone(manyFormats), "TEXT", "CBOR")
	compositeFormats = []string{"SENML_CBOR", "SENML_JSON"}
)

// subject is a client that is registered with a Leshan server and has the OMA's test
// object (3442) with its initial values, of which servers may create and delete
// instances.
type subject struct {
	peer.Device
	manufacturer string
	// change has the client find a new value in /3442/0.
	change func(resource uint16, value any)
	// send has the client send what paths have now, and sendSeries two samples of
	// /3442/0/120: 0, and then 1.
	send       func(format string, paths ...string)
	sendSeries func(format string)
}

// managing has what Leshan's server can do with a client, and what the client does of
// its own accord. Each is given a client of its own.
var managing = map[string]func(*testing.T, subject){
	"Read": reads, "Write": writes, "Merge": merges, "Large": large, "Create": creates, "Execute": executes,
	"ReadComposite": readsComposite, "WriteComposite": writesComposite, "Attributes": attributes,
	"Observe": observes, "ObserveComposite": observesComposite, "Forget": forgets,
	"Periods": periods, "Thresholds": thresholds, "Send": sends,
}

// Each operation is proven with Leshan's own client: what fails with ours is then
// not the fault of the tests.
func TestLeshanOperationsOnItsOwnClient(t *testing.T) {
	for name, operation := range managing {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			operation(t, leshanSubject(t))
		})
	}
}

// leshanSubject is Leshan's own client.
func leshanSubject(t *testing.T) subject {
	t.Helper()
	server := management(t)
	client := peer.Leshan(t, peer.LeshanClient, "--server", "coap://"+server.CoAP(), "--endpoint", endpoint)
	server.event("registered")
	change := func(resource uint16, value any) {
		path := "/3442/0/" + strconv.Itoa(int(resource))
		client.Do(peer.Object{"op": "change", "path": path, "value": value})
	}
	return subject{
		Device: server.Device(endpoint), manufacturer: "Leshan", change: change,
		send: func(format string, paths ...string) {
			client.Do(peer.Object{"op": "send", "paths": paths, "format": format})
		},
		sendSeries: func(format string) {
			for i := range 2 {
				change(120, i)
				client.Do(peer.Object{"op": "collect", "paths": []string{"/3442/0/120"}})
			}
			client.Do(peer.Object{"op": "send_collected", "format": format})
		},
	}
}

// initial are the values of the test object, each both as a single resource and, a
// thousand further, as the only instance of a multiple one.
var initial = map[string]any{
	"110": "initial value", "120": 1024.0, "125": "9223372036854775808", "130": 3.14159, "140": true,
	"150": "0123456789abcdef", "160": "2000-01-01T00:00:00Z", "170": "3:0", "180": "</3442>",
}

func initialValues() map[string]any {
	all := make(map[string]any)
	for id, value := range initial {
		all["/3442/0/"+id] = value
		all["/3442/0/1"+id+"/0"] = value
	}
	return all
}

// is demands a code, and returns the reply.
func is(t *testing.T, r peer.Reply, code string) peer.Reply {
	t.Helper()
	if r.Code != code || r.Failure != "" {
		t.Errorf("reply %+v, want %s", r, code)
	}
	return r
}

// observed demands that an observation is established, and returns the reply.
func observed(t *testing.T, r peer.Reply) peer.Reply {
	t.Helper()
	if is(t, r, "CONTENT(205)"); r.Observe == nil {
		t.Fatalf("not observed: %+v", r)
	}
	return r
}

// has demands exactly those values.
func has(t *testing.T, r peer.Reply, values map[string]any) {
	t.Helper()
	is(t, r, "CONTENT(205)")
	if !reflect.DeepEqual(r.Values, values) {
		t.Errorf("values %v, want %v", r.Values, values)
	}
}

// one is a value at a path.
func one(path string, value any) map[string]any { return map[string]any{path: value} }

func reads(t *testing.T, d subject) {
	for _, format := range manyFormats {
		for _, path := range []string{"/3442", "/3442/0"} {
			r := d.Read(path, format)
			if has(t, r, initialValues()); r.Format != format {
				t.Errorf("%s as %s came as %s", path, format, r.Format)
			}
		}
	}
	for _, format := range valueFormats {
		for id, value := range initial {
			for _, path := range []string{"/3442/0/" + id, "/3442/0/1" + id + "/0"} {
				r := d.Read(path, format)
				if has(t, r, one(path, value)); r.Format != format {
					t.Errorf("%s as %s came as %s", path, format, r.Format)
				}
			}
		}
	}
	has(t, d.Read("/3442/0/150", "OPAQUE"), one("/3442/0/150", initial["150"]))
	is(t, d.Read("/9", "TLV"), "NOT_FOUND(404)")
	is(t, d.Read("/3442/0/3", "TLV"), "METHOD_NOT_ALLOWED(405)")
	r := is(t, d.Discover("/3442/0"), "CONTENT(205)")
	if dim := r.Links["/3442/0/1110"]["dim"]; dim == nil || *dim != "1" {
		t.Errorf("links %v", r.Links)
	}
}

func writes(t *testing.T, d subject) {
	for i, format := range valueFormats {
		for _, path := range []string{"/3442/0/120", "/3442/0/1120/0"} {
			is(t, d.Write(path, format, i), "CHANGED(204)")
			has(t, d.Read(path, "TLV"), one(path, float64(i)))
		}
	}
	for _, format := range valueFormats {
		for id, value := range initial {
			path := "/3442/0/" + id
			is(t, d.Write(path, format, value), "CHANGED(204)")
			has(t, d.Read(path, "SENML_CBOR"), one(path, value))
		}
	}
	is(t, d.Write("/3442/0/150", "OPAQUE", "00ff"), "CHANGED(204)")
	has(t, d.Read("/3442/0/150", "TLV"), one("/3442/0/150", "00ff"))
	for _, format := range manyFormats {
		writesMany(t, d, format)
	}
	is(t, d.Write("/3442/0", "TLV", peer.Object{"110": "alone"}), "CHANGED(204)")
	has(t, d.Read("/3442/0", "TLV"), one("/3442/0/110", "alone"))
}

func writesMany(t *testing.T, d subject, format string) {
	t.Helper()
	is(t, d.Write("/3442/0/1120", format, peer.Object{"0": 1, "5": 2}), "CHANGED(204)")
	has(t, d.Read("/3442/0/1120", format), map[string]any{"/3442/0/1120/0": 1.0, "/3442/0/1120/5": 2.0})
	is(t, d.Update("/3442/0", format, peer.Object{"110": format, "1120": peer.Object{"7": 3}}), "CHANGED(204)")
	has(t, d.Read("/3442/0/1120", format), map[string]any{
		"/3442/0/1120/0": 1.0, "/3442/0/1120/5": 2.0, "/3442/0/1120/7": 3.0,
	})
	if r := d.Read("/3442/0", format); r.Values["/3442/0/110"] != format || r.Values["/3442/0/140"] != true {
		t.Errorf("after an update as %s: %v", format, r.Values)
	}
}

// A multiple resource can be updated by itself: what is not mentioned stays.
func merges(t *testing.T, d subject) {
	for i, format := range manyFormats {
		is(t, d.Write("/3442/0/1120", format, peer.Object{"0": 1}), "CHANGED(204)")
		is(t, d.Update("/3442/0/1120", format, peer.Object{"7": i}), "CHANGED(204)")
		has(t, d.Read("/3442/0/1120", format), map[string]any{"/3442/0/1120/0": 1.0, "/3442/0/1120/7": float64(i)})
	}
}

// What does not fit into a message goes in blocks, both ways.
func large(t *testing.T, d subject) {
	for i, format := range append(slices.Clone(valueFormats), "OPAQUE") {
		path, value := "/3442/0/110", strings.Repeat(string(rune('a'+i)), 5000)
		if format == "OPAQUE" {
			path, value = "/3442/0/150", strings.Repeat("5a", 5000)
		}
		is(t, d.Write(path, format, value), "CHANGED(204)")
		has(t, d.Read(path, format), one(path, value))
	}
}

func creates(t *testing.T, d subject) {
	for i, format := range manyFormats {
		id := strconv.Itoa(10 + i)
		path := "/3442/" + id
		is(t, d.Create("/3442", format, peer.Object{id: peer.Object{"110": format}}), "CREATED(201)")
		d.registers(t, path, true)
		has(t, d.Read(path+"/110", "TLV"), one(path+"/110", format))
		is(t, d.Delete(path), "DELETED(202)")
		d.registers(t, path, false)
		is(t, d.Read(path, "TLV"), "NOT_FOUND(404)")
	}
	r := is(t, d.CreateAny("/3442", peer.Object{"110": "any"}), "CREATED(201)")
	has(t, d.Read("/"+r.Location+"/110", "TLV"), one("/"+r.Location+"/110", "any"))
	is(t, d.Delete("/3442/99"), "NOT_FOUND(404)")
}

// registers demands that the next Update has an instance, or has it no more.
func (d subject) registers(t *testing.T, path string, there bool) {
	t.Helper()
	objects, _ := d.Event("updated")["objects"].(map[string]any)
	if _, found := objects[path]; found != there {
		t.Errorf("the Update has %v; %s should be there: %t", objects, path, there)
	}
}

func executes(t *testing.T, d subject) {
	is(t, d.Execute("/3442/0/3", "0='a',3"), "CHANGED(204)")
	has(t, d.Read("/3442/0/4", "TLV"), map[string]any{"/3442/0/4/0": "a", "/3442/0/4/3": ""})
	is(t, d.Write("/3442/0/110", "TEXT", "other"), "CHANGED(204)")
	is(t, d.Execute("/3442/0/0", ""), "CHANGED(204)") // resets the values
	has(t, d.Read("/3442/0/110", "TEXT"), one("/3442/0/110", initial["110"]))
}

func attributes(t *testing.T, d subject) {
	is(t, d.Attributes("/3442/0/120", "pmin=1&pmax=60&gt=10&lt=2.5&st=1"), "CHANGED(204)")
	is(t, d.Attributes("/3442/0/120", "gt"), "CHANGED(204)")
	var got []string
	for name, value := range d.Discover("/3442/0/120").Links["/3442/0/120"] {
		got = append(got, name+"="+*value)
	}
	if slices.Sort(got); !slices.Equal(got, []string{"lt=2.5", "pmax=60", "pmin=1", "st=1"}) {
		t.Errorf("attributes %v", got)
	}
}

func observes(t *testing.T, d subject) {
	for i, format := range valueFormats {
		first := observed(t, d.Observe("/3442/0/120", format))
		d.change(120, i)
		n := d.Notification(first.Token)
		has(t, n.Reply, one("/3442/0/120", float64(i)))
		if n.Path != "/3442/0/120" || n.Format != format || n.Observe == nil || *n.Observe <= *first.Observe {
			t.Errorf("notification %+v after %+v", n, first)
		}
		is(t, d.Cancel(first.Token), "CONTENT(205)")
		if left := d.Observations(); len(left) != 0 {
			t.Errorf("after the cancellation: %v", left)
		}
	}
	watchesAbove(t, d, "/3442/0")
	watchesAbove(t, d, "/3442")
}

// watchesAbove observes an instance or an object.
func watchesAbove(t *testing.T, d subject, path string) {
	t.Helper()
	first := observed(t, d.Observe(path, "SENML_CBOR"))
	d.change(110, path)
	if n := d.Notification(first.Token); n.Values["/3442/0/110"] != path || n.Values["/3442/0/140"] != true {
		t.Errorf("notification of %s: %+v", path, n)
	}
	is(t, d.Cancel(first.Token), "CONTENT(205)")
}

// Within the minimum period there is one notification, of the last value; at the end
// of the maximum period there is one without a change.
func periods(t *testing.T, d subject) {
	is(t, d.Attributes("/3442/0/120", "pmin=2&pmax=4"), "CHANGED(204)")
	began := time.Now()
	first := observed(t, d.Observe("/3442/0/120", "SENML_CBOR"))
	d.change(120, 1)
	d.change(120, 2)
	for _, least := range []time.Duration{2 * time.Second, 6 * time.Second} {
		has(t, d.Notification(first.Token).Reply, one("/3442/0/120", 2.0))
		if took := time.Since(began); took < least {
			t.Errorf("notified after %v, want %v at least", took, least)
		}
	}
}

// Only what crosses a threshold, or is a step away from what was notified last, is
// notified.
func thresholds(t *testing.T, d subject) {
	for _, c := range []struct {
		attributes  string
		silent, due float64
	}{
		{"gt=10", 5, 15},
		{"gt&st=5", 18, 21}, // a step from 15
		{"st&lt=-2.5", 0, -3},
	} {
		is(t, d.Attributes("/3442/0/130", c.attributes), "CHANGED(204)")
		first := observed(t, d.Observe("/3442/0/130", "TLV"))
		d.change(130, c.silent)
		d.change(130, c.due)
		has(t, d.Notification(first.Token).Reply, one("/3442/0/130", c.due))
		is(t, d.Cancel(first.Token), "CONTENT(205)")
	}
}

func readsComposite(t *testing.T, d subject) {
	for _, format := range compositeFormats {
		r := d.ReadComposite(format, "/3442/0/110", "/3/0/0", "/3442/0/1120")
		if r.Format != format {
			t.Errorf("as %s it came as %s", format, r.Format)
		}
		has(t, r, map[string]any{
			"/3442/0/110": "initial value", "/3/0/0": d.manufacturer, "/3442/0/1120/0": 1024.0,
		})
	}
}

func writesComposite(t *testing.T, d subject) {
	for _, format := range compositeFormats {
		is(t, d.WriteComposite(format, peer.Object{"/3442/0/110": format, "/3442/0/1110/0": "c"}), "CHANGED(204)")
		has(t, d.Read("/3442/0/110", "TEXT"), one("/3442/0/110", format))
		has(t, d.Read("/3442/0/1110", "TLV"), one("/3442/0/1110/0", "c"))
	}
}

func observesComposite(t *testing.T, d subject) {
	for _, format := range compositeFormats {
		paths := []string{"/3442/0/110", "/3442/0/120"}
		first := observed(t, d.ObserveComposite(format, paths...))
		d.change(110, "observed as "+format)
		n := d.Notification(first.Token)
		if n.Values["/3442/0/110"] != "observed as "+format || !slices.Equal(n.Paths, paths) {
			t.Errorf("notification %+v", n)
		}
		is(t, d.Cancel(first.Token), "CONTENT(205)")
	}
}

// What the server has forgotten is reset, and does not come again.
func forgets(t *testing.T, d subject) {
	first := observed(t, d.Observe("/3442/0/120", "TLV"))
	second := observed(t, d.Observe("/3442/0/110", "TLV"))
	d.Forget(first.Token)
	d.Event("observation_cancelled")
	d.change(120, 999)
	d.change(110, "later")
	d.Notification(second.Token)
	if n := d.Notifications(first.Token); n != 0 {
		t.Errorf("%d notifications of what the server has forgotten", n)
	}
}

func sends(t *testing.T, d subject) {
	for _, format := range compositeFormats {
		d.send(format, "/3442/0/110", "/3/0/0")
		samples, got := d.Sent()
		want := map[string]any{"/3442/0/110": "initial value", "/3/0/0": d.manufacturer}
		if len(samples) != 1 || !reflect.DeepEqual(samples[0].Values, want) || got != format {
			t.Errorf("sent %v as %s", samples, got)
		}
		d.sendSeries(format)
		samples, _ = d.Sent()
		if len(samples) != 2 {
			t.Fatalf("sent %v, want two samples", samples)
		}
		for i, s := range samples {
			if s.Time == nil || time.Since(*s.Time) > time.Hour || s.Values["/3442/0/120"] != float64(i) {
				t.Errorf("sample %d: %v %v", i, s.Time, s.Values)
			}
		}
	}
}
