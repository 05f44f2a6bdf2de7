package actorkit

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"
)

// registryBuckets is how many maps hold the actors of a system, each of them in
// 32 parts with a lock of their own. protoactor makes 1,024, which are 2.8 MB for
// every system, however few actors it has. And it computes which one by
// int(hash) % 1024, a negative number for half of all names where an int has 32
// bits: with a single map it is 0 for all. The names that a new system registers by
// itself are not among that half.
const registryBuckets = 1

// systemNames are the names under which a new system registers processes of its
// own. They are looked up, since asking 1,024 maps what they hold takes longer than
// all the rest of making a system.
var systemNames = []string{"deadletter", "eventstream"}

// shrinkRegistry leaves a new system registryBuckets maps. Nobody uses the system
// yet. What it has registered for itself is kept: the bucket of a name depends on
// how many there are.
func shrinkRegistry(system *actor.ActorSystem) {
	registry := system.ProcessRegistry
	own := map[string]actor.Process{}
	for _, id := range systemNames {
		if process, found := registry.LocalPIDs.GetBucket(id).Pop(id); found {
			own[id] = process.(actor.Process)
		}
	}
	registry.LocalPIDs.LocalPIDs = slices.Clone(registry.LocalPIDs.LocalPIDs[:registryBuckets])
	for id, process := range own {
		registry.Add(process, id)
	}
}
