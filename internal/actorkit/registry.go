package actorkit

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"
)

// registryBuckets is how many maps hold the actors of a system, each of them in
// 32 parts with a lock of their own. protoactor makes 1,024, which are 2.8 MB for
// every system, however few actors it has.
const registryBuckets = 32

// shrinkRegistry leaves a new system registryBuckets maps. Nobody uses the system
// yet. What it has registered for itself is kept: the bucket of a name depends on
// how many there are.
func shrinkRegistry(system *actor.ActorSystem) {
	registry := system.ProcessRegistry
	own := map[string]any{}
	for _, bucket := range registry.LocalPIDs.LocalPIDs {
		if bucket.IsEmpty() {
			continue // Items would start a goroutine for each of its parts
		}
		for id, process := range bucket.Items() {
			own[id] = process
			bucket.Remove(id)
		}
	}
	registry.LocalPIDs.LocalPIDs = slices.Clone(registry.LocalPIDs.LocalPIDs[:registryBuckets])
	for id, process := range own {
		registry.Add(process.(actor.Process), id)
	}
}
