package interop

import (
	"testing"

	"github.com/holdfast-iot/holdfast/interop/peer"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// Rights in an Access Control object (LwM2M Core section 8.2).
const (
	mayRead    = 1
	mayWrite   = 2
	mayExecute = 4
	mayDelete  = 8
	mayCreate  = 16
	// bootstrapOnly owns what no server may change.
	bootstrapOnly = 65535
	anyInstance   = 65535
)

// Two Leshan servers at once have different rights to the same object: the first may
// do everything, the second only read the instance that it was granted.
func TestLeshanServersWithRights(t *testing.T) {
	t.Parallel()
	cfg := quick(t)
	cfg.Objects = []object.Object{newTestObject(t)}
	_, first, second := twoServers(t, cfg,
		peer.Object{
			"object": 3442, "object_instance": 0, "owner": firstServer,
			"rights": map[int]int{firstServer: mayRead | mayWrite | mayExecute | mayDelete, secondServer: mayRead},
		},
		peer.Object{
			"object": 3442, "object_instance": anyInstance, "owner": bootstrapOnly,
			"rights": map[int]int{firstServer: mayCreate},
		},
		peer.Object{"object": 3, "object_instance": 0, "owner": firstServer, "rights": map[int]int{0: mayRead}},
	)
	is(t, first.Write("/3442/0/110", "TEXT", "by the first"), "CHANGED(204)")
	is(t, first.Create("/3442", "TLV", peer.Object{"5": peer.Object{"110": "its own"}}), "CREATED(201)")

	has(t, second.Read("/3442/0/110", "TEXT"), one("/3442/0/110", "by the first"))
	is(t, second.Write("/3442/0/110", "TEXT", "by the second"), "UNAUTHORIZED(401)")
	is(t, second.Execute("/3442/0/0", ""), "UNAUTHORIZED(401)")
	is(t, second.Delete("/3442/0"), "UNAUTHORIZED(401)")
	is(t, second.Create("/3442", "TLV", peer.Object{"6": peer.Object{"110": "no"}}), "UNAUTHORIZED(401)")
	is(t, second.Read("/3442/5", "TLV"), "UNAUTHORIZED(401)")
	seen := is(t, second.Read("/3442", "SENML_CBOR"), "CONTENT(205)")
	if _, leaked := seen.Values["/3442/5/110"]; leaked || seen.Values["/3442/0/110"] != "by the first" {
		t.Errorf("the second server sees %v", seen.Values)
	}
	composite := is(t, second.ReadComposite("SENML_CBOR", "/3442/0/110", "/3442/5/110"), "CONTENT(205)")
	if len(composite.Values) != 1 {
		t.Errorf("the second server sees %v", composite.Values)
	}
	is(t, second.Write("/2/0/2", "TLV", peer.Object{"102": 31}), "UNAUTHORIZED(401)")

	// The owner lets the second server write.
	is(t, first.Update("/2/0", "TLV", peer.Object{"2": peer.Object{"102": mayRead | mayWrite}}), "CHANGED(204)")
	is(t, second.Write("/3442/0/110", "TEXT", "by the second"), "CHANGED(204)")
	has(t, first.Read("/3442/0/110", "TEXT"), one("/3442/0/110", "by the second"))
	is(t, first.Delete("/3442/5"), "DELETED(202)")
}
