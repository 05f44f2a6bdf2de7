package interop

import (
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

// managed starts a client whose lifetime is 300 s, and returns it as Leshan sees it.
func managed(t *testing.T) (*client, peer.Device) {
	t.Helper()
	server := management(t)
	cfg := quick(t)
	cfg.Server = noSec(server.CoAP())
	c := start(t, cfg)
	c.registered()
	server.event("registered")
	return c, server.Device(endpoint)
}

// holds demands that some of the values are these, and the format.
func holds(t *testing.T, r peer.Reply, format string, values map[string]any) {
	t.Helper()
	if is(t, r, "CONTENT(205)"); r.Format != format {
		t.Errorf("%v came as %s, want %s", r.Values, r.Format, format)
	}
	for path, value := range values {
		if r.Values[path] != value {
			t.Errorf("as %s: %v at %s, want %v", format, r.Values[path], path, value)
		}
	}
}

// Leshan reads objects, instances and resources, and finds the types of their
// definitions in every format.
func TestLeshanReadsServerAndDevice(t *testing.T) {
	t.Parallel()
	_, d := managed(t)
	server := map[string]any{"/1/0/0": 1.0, "/1/0/1": 300.0, "/1/0/6": true, "/1/0/7": "U"}
	device := map[string]any{"/3/0/0": holdfast.DefaultManufacturer, "/3/0/11/0": 0.0, "/3/0/16": "U"}
	for _, format := range manyFormats {
		for _, path := range []string{"/1", "/1/0"} {
			holds(t, d.Read(path, format), format, server)
		}
		for _, path := range []string{"/3", "/3/0"} {
			holds(t, d.Read(path, format), format, device)
		}
		has(t, d.Read("/3/0/11", format), one("/3/0/11/0", 0.0))
	}
	for _, format := range valueFormats {
		for _, values := range []map[string]any{server, device} {
			for path, value := range values {
				r := d.Read(path, format)
				holds(t, r, format, one(path, value))
				has(t, r, one(path, value))
			}
		}
	}
	is(t, d.Read("/3/0", "TEXT"), "NOT_ACCEPTABLE(406)")
	is(t, d.Read("/3/0/0", "OPAQUE"), "NOT_ACCEPTABLE(406)")
	is(t, d.Read("/3/0/99", "TLV"), "NOT_FOUND(404)")
	is(t, d.Read("/3/9", "TLV"), "NOT_FOUND(404)")
	is(t, d.Read("/0/0", "TLV"), "UNAUTHORIZED(401)")
}

func TestLeshanDiscoversServerAndDevice(t *testing.T) {
	t.Parallel()
	_, d := managed(t)
	for _, c := range []struct {
		path  string
		links []string
	}{
		{"/1", []string{"/1", "/1/0", "/1/0/1", "/1/0/8"}},
		{"/1/0", []string{"/1/0", "/1/0/0", "/1/0/7"}},
		{"/3/0", []string{"/3/0", "/3/0/0", "/3/0/11", "/3/0/16"}},
		{"/3/0/0", []string{"/3/0/0"}},
	} {
		r := is(t, d.Discover(c.path), "CONTENT(205)")
		for _, link := range c.links {
			if _, found := r.Links[link]; !found {
				t.Errorf("discover %s: no %s in %v", c.path, link, r.Links)
			}
		}
	}
	if dim := d.Discover("/3/0").Links["/3/0/11"]["dim"]; dim == nil || *dim != "1" {
		t.Errorf("the error codes have the dimension %v, want 1", dim)
	}
	is(t, d.Discover("/0"), "UNAUTHORIZED(401)")
	is(t, d.Discover("/9"), "NOT_FOUND(404)")
}

// Leshan writes resources and instances of the Server object in every format, and
// reads in another one what it has written.
func TestLeshanWritesTheServerObject(t *testing.T) {
	t.Parallel()
	c, d := managed(t)
	for i, format := range valueFormats {
		period, storing := float64(10+i), i%2 == 1
		is(t, d.Write("/1/0/2", format, period), "CHANGED(204)")
		is(t, d.Write("/1/0/6", format, storing), "CHANGED(204)")
		holds(t, d.Read("/1/0", "SENML_CBOR"), "SENML_CBOR", map[string]any{"/1/0/2": period, "/1/0/6": storing})
	}
	for i, format := range manyFormats {
		lifetime := float64(100 + i)
		is(t, d.Update("/1/0", format, peer.Object{"1": lifetime}), "CHANGED(204)")
		c.nextOf(holdfast.EventRegistrationUpdated)
		if u := d.Event("updated"); u["lifetime"] != lifetime {
			t.Errorf("as %s: Leshan was told %v", format, u)
		}
		holds(t, d.Read("/1/0", "TLV"), "TLV", map[string]any{"/1/0/1": lifetime, "/1/0/2": 15.0})
	}
	for i, format := range manyFormats {
		period := float64(20 + i)
		is(t, d.Write("/1/0", format, peer.Object{"1": 102, "3": period, "6": true, "7": "U"}), "CHANGED(204)")
		r := d.Read("/1/0", "TLV")
		holds(t, r, "TLV", map[string]any{"/1/0/0": 1.0, "/1/0/1": 102.0, "/1/0/3": period})
		if _, found := r.Values["/1/0/2"]; found {
			t.Errorf("as %s: what the Write has replaced is still there: %v", format, r.Values)
		}
	}
	is(t, d.Execute("/1/0/8", ""), "CHANGED(204)")
	d.Event("updated")
	is(t, d.Write("/3/0/0", "TEXT", "other"), "METHOD_NOT_ALLOWED(405)")
	is(t, d.Write("/1/0/2", "TLV", -1), "BAD_REQUEST(400)")
	is(t, d.Delete("/3/0"), "METHOD_NOT_ALLOWED(405)")
}
