package peer

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"
)

// What Leshan offers: a value in each of its formats, and what has several values
// in those that can hold several.
var (
	manyFormats  = []string{"TLV", "SENML_CBOR", "SENML_JSON", "JSON"}
	valueFormats = append(slices.Clone(manyFormats), "TEXT", "CBOR")
)

const yardstick = "leshan-client"

// initial are the values of Leshan's test object, one of each type and one of
// several.
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

// leshanPair is a server and Leshan's own client, registered with it.
func leshanPair(t *testing.T, serverArgs []string, clientArgs ...string) (server *LeshanPeer, d Device, client *LeshanPeer) {
	t.Helper()
	server = Leshan(t, LeshanServer, serverArgs...)
	client = Leshan(t, LeshanClient, append(clientArgs,
		"--server", "coap://"+server.CoAP(), "--endpoint", yardstick)...)
	d = server.Device(yardstick)
	links, _ := d.Event("registered")["objects"].(map[string]any)
	if _, found := links["/3442/0"]; !found {
		t.Fatalf("registered with %v", links)
	}
	return server, d, client
}

// is demands a code, and returns the reply.
func is(t *testing.T, r Reply, code string) Reply {
	t.Helper()
	if r.Code != code || r.Failure != "" {
		t.Errorf("reply %+v, want %s", r, code)
	}
	return r
}

// has demands exactly those values.
func has(t *testing.T, r Reply, values map[string]any) {
	t.Helper()
	is(t, r, "CONTENT(205)")
	if !reflect.DeepEqual(r.Values, values) {
		t.Errorf("values %v, want %v", r.Values, values)
	}
}

// Every operation of the harness is run against Leshan's own client, so that a
// failure with ours is ours.
func TestLeshanReadsItsOwnClient(t *testing.T) {
	t.Parallel()
	_, d, _ := leshanPair(t, nil)
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
				has(t, d.Read(path, format), map[string]any{path: value})
			}
		}
	}
	has(t, d.Read("/3442/0/150", "OPAQUE"), map[string]any{"/3442/0/150": initial["150"]})
	for _, format := range []string{"SENML_CBOR", "SENML_JSON"} {
		has(t, d.ReadComposite(format, "/3442/0/110", "/3/0/0", "/3442/0/1120"), map[string]any{
			"/3442/0/110": "initial value", "/3/0/0": "Leshan", "/3442/0/1120/0": 1024.0,
		})
	}
	r := is(t, d.Discover("/3442/0"), "CONTENT(205)")
	if dim := r.Links["/3442/0/1110"]["dim"]; dim == nil || *dim != "1" {
		t.Errorf("links %v", r.Links)
	}
	is(t, d.Read("/9", "TLV"), "NOT_FOUND(404)")
	is(t, d.Read("/3442/0/3", "TLV"), "METHOD_NOT_ALLOWED(405)")
}

func TestLeshanWritesToItsOwnClient(t *testing.T) {
	t.Parallel()
	_, d, _ := leshanPair(t, nil)
	for i, format := range valueFormats {
		for _, path := range []string{"/3442/0/120", "/3442/0/1120/0"} {
			is(t, d.Write(path, format, i), "CHANGED(204)")
			has(t, d.Read(path, "TLV"), map[string]any{path: float64(i)})
		}
	}
	is(t, d.Write("/3442/0/125", "SENML_CBOR", "18446744073709551615"), "CHANGED(204)")
	has(t, d.Read("/3442/0/125", "TLV"), map[string]any{"/3442/0/125": "18446744073709551615"})
	is(t, d.Write("/3442/0/150", "OPAQUE", "00ff"), "CHANGED(204)")
	has(t, d.Read("/3442/0/150", "TLV"), map[string]any{"/3442/0/150": "00ff"})
	for _, format := range manyFormats {
		is(t, d.Write("/3442/0/1120", format, Object{"0": 1, "5": 2}), "CHANGED(204)")
		is(t, d.Update("/3442/0/1120", format, Object{"7": 3}), "CHANGED(204)")
		has(t, d.Read("/3442/0/1120", format), map[string]any{
			"/3442/0/1120/0": 1.0, "/3442/0/1120/5": 2.0, "/3442/0/1120/7": 3.0,
		})
		is(t, d.Update("/3442/0", format, Object{"110": format}), "CHANGED(204)")
		if r := d.Read("/3442/0", format); r.Values["/3442/0/110"] != format || r.Values["/3442/0/1120/7"] != 3.0 {
			t.Errorf("after an update as %s: %v", format, r.Values)
		}
	}
	for _, format := range []string{"SENML_CBOR", "SENML_JSON"} {
		is(t, d.WriteComposite(format, Object{"/3442/0/110": format, "/3442/0/1110/0": "c"}), "CHANGED(204)")
		has(t, d.ReadComposite(format, "/3442/0/110", "/3442/0/1110"),
			map[string]any{"/3442/0/110": format, "/3442/0/1110/0": "c"})
	}
	is(t, d.Write("/3442/0", "TLV", Object{"110": "alone"}), "CHANGED(204)")
	has(t, d.Read("/3442/0", "TLV"), map[string]any{"/3442/0/110": "alone"})
}

func TestLeshanManagesItsOwnClient(t *testing.T) {
	t.Parallel()
	_, d, _ := leshanPair(t, nil)
	for i, format := range manyFormats {
		id := strconv.Itoa(10 + i)
		path := "/3442/" + id
		is(t, d.Create("/3442", format, Object{id: Object{"110": format}}), "CREATED(201)")
		d.Event("updated")
		has(t, d.Read(path+"/110", "TLV"), map[string]any{path + "/110": format})
		is(t, d.Delete(path), "DELETED(202)")
		d.Event("updated")
		is(t, d.Read(path, "TLV"), "NOT_FOUND(404)")
	}
	if r := is(t, d.CreateAny("/3442", Object{"110": "any"}), "CREATED(201)"); r.Location != "3442/1" {
		t.Errorf("created at %q", r.Location)
	}
	is(t, d.Execute("/3442/0/3", "0='a',3"), "CHANGED(204)")
	has(t, d.Read("/3442/0/4", "TLV"), map[string]any{"/3442/0/4/0": "a", "/3442/0/4/3": ""})
	is(t, d.Execute("/3442/0/0", ""), "CHANGED(204)")
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

func TestLeshanObservesItsOwnClient(t *testing.T) {
	t.Parallel()
	_, d, client := leshanPair(t, nil)
	change := func(path string, value any) {
		t.Helper()
		client.Do(Object{"op": "change", "path": path, "value": value})
	}
	for i, format := range valueFormats {
		first := is(t, d.Observe("/3442/0/120", format), "CONTENT(205)")
		if first.Observe == nil {
			t.Fatalf("not observed: %+v", first)
		}
		change("/3442/0/120", i)
		n := d.Notification(first.Token)
		has(t, n.Reply, map[string]any{"/3442/0/120": float64(i)})
		if n.Path != "/3442/0/120" || n.Format != format || n.Observe == nil || *n.Observe <= *first.Observe {
			t.Errorf("notification %+v after %+v", n, first)
		}
		is(t, d.Cancel(first.Token), "CONTENT(205)")
		if left := d.Observations(); len(left) != 0 {
			t.Errorf("after the cancellation: %v", left)
		}
	}
	for _, format := range []string{"SENML_CBOR", "SENML_JSON"} {
		paths := []string{"/3442/0/110", "/3442/0/120"}
		first := is(t, d.ObserveComposite(format, paths...), "CONTENT(205)")
		change("/3442/0/110", format)
		n := d.Notification(first.Token)
		if n.Values["/3442/0/110"] != format || !slices.Equal(n.Paths, paths) {
			t.Errorf("notification %+v", n)
		}
		is(t, d.Cancel(first.Token), "CONTENT(205)")
	}
	first := is(t, d.Observe("/3442/0/120", "TLV"), "CONTENT(205)")
	second := is(t, d.Observe("/3442/0/110", "TLV"), "CONTENT(205)")
	d.Forget(first.Token)
	d.Event("observation_cancelled")
	change("/3442/0/120", 999)
	change("/3442/0/110", "later")
	d.Notification(second.Token)
	if n := d.Notifications(first.Token); n != 0 {
		t.Errorf("%d notifications of what the server has forgotten", n)
	}
}

func TestLeshanReceivesFromItsOwnClient(t *testing.T) {
	t.Parallel()
	_, d, client := leshanPair(t, nil)
	for _, format := range []string{"SENML_CBOR", "SENML_JSON"} {
		client.Do(Object{"op": "send", "paths": []string{"/3442/0/110", "/3/0/0"}, "format": format})
		samples, got := d.Sent()
		want := []Sample{{Values: map[string]any{"/3442/0/110": "initial value", "/3/0/0": "Leshan"}}}
		if !reflect.DeepEqual(samples, want) || got != format {
			t.Errorf("sent %v as %s", samples, got)
		}
		for i := range 2 {
			client.Do(Object{"op": "change", "path": "/3442/0/120", "value": i})
			client.Do(Object{"op": "collect", "paths": []string{"/3442/0/120"}})
		}
		client.Do(Object{"op": "send_collected", "format": format})
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

// Leshan takes a client for asleep when it has heard nothing of it, and sends it
// nothing then; an Update wakes it up.
func TestLeshanQueuesForItsOwnClient(t *testing.T) {
	t.Parallel()
	_, d, client := leshanPair(t, []string{"--awake", "1500"}, "--queue", "true")
	d.Event("awake")
	d.Event("asleep")
	if r := d.Read("/3/0", "TLV"); r.Failure != "sleeping" || d.Awake() {
		t.Errorf("asleep: %+v", r)
	}
	client.Do(Object{"op": "update"})
	d.Event("awake")
	has(t, d.Read("/3/0/0", "TLV"), map[string]any{"/3/0/0": "Leshan"})
}

// What Leshan does not send is told apart from what a device has refused, and from
// a device that is silent.
func TestLeshanFailures(t *testing.T) {
	t.Parallel()
	server, d, client := leshanPair(t, nil)
	for _, c := range []struct {
		op        string
		arguments Object
		failure   string
	}{
		{"nonesuch", nil, "bad_command"},
		{"read", Object{"path": "/x"}, "invalid_request"},
		{"read", Object{"path": "/3/0", "format": "WORDS"}, "bad_command"},
		{"read", Object{"path": "/3/0", "timeout_ms": 3600000}, "bad_command"},
		{"write", Object{"path": "/3442/0/120", "value": "x"}, "bad_command"},
		{"write", Object{"path": "/3442/0/120", "value": "x", "type": "STRING"}, "invalid_request"},
		{"write", Object{"path": "/3442/0", "value": Object{"110": "x"}, "format": "TEXT"}, "invalid_request"},
		{"create", Object{"path": "/3442", "resources": Object{"110": "x"}, "format": "SENML_CBOR"}, "invalid_request"},
		{"cancel", Object{"path": "/3/0"}, "bad_command"},
	} {
		if r := d.Do(c.op, c.arguments); r.Failure != c.failure || r.Failed == "" {
			t.Errorf("%s %v: %+v, want %s", c.op, c.arguments, r, c.failure)
		}
	}
	if r := server.Device("nobody").Read("/3/0", "TLV"); r.Failure != "not_registered" {
		t.Errorf("nobody: %+v", r)
	}
	client.Kill()
	arguments := Object{"path": "/3/0", "timeout_ms": 300}
	if r := d.Do("read", arguments); r.Failure != "timeout" {
		t.Errorf("a device that is gone: %+v", r)
	}
}

// Two servers, one client each: what one is told the other does not hear.
func TestLeshanServersSideBySide(t *testing.T) {
	t.Parallel()
	one, first, _ := leshanPair(t, nil)
	_, second, _ := leshanPair(t, nil)
	is(t, first.Write("/3442/0/110", "TEXT", "first"), "CHANGED(204)")
	has(t, second.Read("/3442/0/110", "TEXT"), map[string]any{"/3442/0/110": "initial value"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := one.WaitEvent(ctx, "registered", nil); err == nil {
		t.Error("the client of the other server has registered here too")
	}
}
