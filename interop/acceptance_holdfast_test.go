package interop

import (
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// served are the operations that the client has.
var served = []string{
	"Read", "Write", "Merge", "Large", "Create", "Execute",
	"ReadComposite", "WriteComposite", "Attributes", "Observe", "Forget", "Periods", "Thresholds",
}

func TestLeshanOperations(t *testing.T) {
	for _, name := range served {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			managing[name](t, holdfastSubject(t))
		})
	}
}

// holdfastSubject is the client under test.
func holdfastSubject(t *testing.T) subject {
	t.Helper()
	server := management(t)
	test := newTestObject(t)
	cfg := quick(t)
	cfg.Server = noSec(server.CoAP())
	cfg.Objects = []object.Object{test}
	c := start(t, cfg)
	c.registered()
	server.event("registered")
	return subject{Device: server.Device(endpoint), manufacturer: holdfast.DefaultManufacturer, change: test.change}
}
