package interop

import (
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

// The short server IDs of two management servers, whose Server instances are /1/0
// and /1/1.
const (
	firstServer  = 101
	secondServer = 102
)

// twoServers starts a client that a bootstrap server has given two management servers,
// and object 2 as access says. It returns the client as each of them sees it.
func twoServers(t *testing.T, cfg holdfast.Config, access ...peer.Object) (c *client, first, second peer.Device) {
	t.Helper()
	one, two, bs := management(t), management(t), bootstrap(t)
	bs.Do(peer.Object{
		"op": "config", "ep": endpoint, "delete": []string{"/0", "/1", "/2"}, "access": access,
		"security": []peer.Object{
			{"instance": 1, "ssid": firstServer, "uri": "coap://" + one.CoAP()},
			{"instance": 2, "ssid": secondServer, "uri": "coap://" + two.CoAP()},
		},
		"servers": []peer.Object{
			{"instance": 0, "ssid": firstServer, "lifetime": 300},
			{"instance": 1, "ssid": secondServer, "lifetime": 600},
		},
	})
	cfg.Bootstrap = noSec(bs.CoAP())
	c = start(t, cfg)
	first, second = one.Device(endpoint), two.Device(endpoint)
	for device, lifetime := range map[peer.Device]float64{first: 300, second: 600} {
		if r := device.Event("registered"); r["lifetime"] != lifetime {
			t.Errorf("registered with %v, want %v s", r, lifetime)
		}
	}
	return c, first, second
}

// Two Leshan servers at once each manage their own account, and do not see that of
// the other.
func TestLeshanTwoServers(t *testing.T) {
	t.Parallel()
	c, first, second := twoServers(t, quick(t))
	for _, s := range []struct {
		peer.Device
		own, other string
		ssid       float64
	}{{first, "/1/0", "/1/1", firstServer}, {second, "/1/1", "/1/0", secondServer}} {
		r := is(t, s.Read("/1", "TLV"), "CONTENT(205)")
		if _, seen := r.Values[s.other+"/0"]; seen || r.Values[s.own+"/0"] != s.ssid {
			t.Errorf("server %v sees %v", s.ssid, r.Values)
		}
		is(t, s.Read(s.other, "TLV"), "UNAUTHORIZED(401)")
		is(t, s.Write(s.other+"/1", "TLV", 900), "UNAUTHORIZED(401)")
		is(t, s.Execute(s.other+"/8", ""), "UNAUTHORIZED(401)")
		holds(t, s.Read("/3/0/0", "TEXT"), "TEXT", one("/3/0/0", holdfast.DefaultManufacturer))
		is(t, s.Write(s.own+"/1", "SENML_CBOR", 900), "CHANGED(204)")
		if u := s.Event("updated"); u["lifetime"] != 900.0 {
			t.Errorf("server %v was told %v", s.ssid, u)
		}
	}
	c.leave()
	for _, device := range []peer.Device{first, second} {
		if u := device.Event("unregistered"); u["expired"] != false {
			t.Errorf("the server says: %v", u)
		}
	}
}
