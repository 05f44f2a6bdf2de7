package interop

import (
	"context"
	"testing"

	"github.com/holdfast-iot/holdfast"
)

// In queue mode Leshan takes the client for asleep when it has heard nothing for as
// long as it thinks that clients listen, and asks nothing of it. An Update wakes it
// up, and it is reached again.
func TestLeshanQueueMode(t *testing.T) {
	t.Parallel()
	server := management(t, "--awake", "2000")
	cfg := quick(t)
	cfg.Server, cfg.QueueMode = noSec(server.CoAP()), true
	c := start(t, cfg)
	c.registered()
	if r := server.event("registered"); r["queue"] != true || r["binding"] != "[U]" {
		t.Errorf("the server says: %v", r)
	}
	d := server.Device(endpoint)
	d.Event("awake")
	has(t, d.Read("/3/0/0", "TEXT"), one("/3/0/0", holdfast.DefaultManufacturer))
	d.Event("asleep")
	if r := d.Read("/3/0/0", "TEXT"); r.Failure != "sleeping" || d.Awake() {
		t.Errorf("asleep: %+v", r)
	}
	if err := c.RegisterUpdate(context.Background()); err != nil {
		t.Errorf("RegisterUpdate: %v", err)
	}
	d.Event("awake")
	if u := server.event("updated"); u["queue"] != true {
		t.Errorf("the server says: %v", u)
	}
	has(t, d.Read("/3/0/0", "TEXT"), one("/3/0/0", holdfast.DefaultManufacturer))
	c.leave()
}
