package accounts

import (
	"math/bits"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/access"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// Grant makes a server the owner of an object instance that it is about to create, at
// a path of two segments (LwM2M 1.0 section 7.3.1.2). What was said about an instance
// of that number before is gone. Where object 2 has no instance it gets none: its first
// would take every right to the rest of the device. The error is a [*LimitError].
func (t *Transaction) Grant(owner uint16, about lwm2m.Path) error {
	if len(t.work.Instances(objects.AccessControl)) == 0 {
		return nil
	}
	next := t.work.Clone()
	removeControls(next, about)
	next.PutInstance(objects.AccessControl, lwm2m.Instance{ID: free(next, objects.AccessControl), Resources: []lwm2m.Resource{
		{ID: objects.AccessControlObjectID, Value: lwm2m.Integer(int64(about.Object()))},
		{ID: objects.AccessControlObjectInstanceID, Value: lwm2m.Integer(int64(about.Instance()))},
		{ID: objects.AccessControlOwner, Value: lwm2m.Integer(int64(owner))},
	}})
	return t.keep(next)
}

// Withdraw removes what object 2 says about an object instance that has been deleted,
// at a path of two segments.
func (t *Transaction) Withdraw(about lwm2m.Path) {
	next := t.work.Clone()
	removeControls(next, about)
	dropEmpty(next)
	t.work = next
}

// dropEmpty removes object 2 where it has no instance: it is there as soon as it has
// one.
func dropEmpty(tree *lwm2m.Tree) {
	if len(tree.Instances(objects.AccessControl)) == 0 {
		tree.DeleteObject(objects.AccessControl)
	}
}

func removeControls(tree *lwm2m.Tree, about lwm2m.Path) {
	for _, inst := range tree.Instances(objects.AccessControl) {
		if target, ok := access.TargetOf(tree, inst); ok && target == about {
			tree.DeleteInstance(objects.AccessControl, inst)
		}
	}
}

// controlFaults finds instances of object 2 that do not say whom they are of or what
// they are about, or say it about the same as another. Servers and objects that nobody
// knows are no fault: both come and go.
func controlFaults(tree *lwm2m.Tree) (faults Faults) {
	seen := map[lwm2m.Path]bool{}
	for _, inst := range tree.Instances(objects.AccessControl) {
		r := newReader(tree, objects.AccessControl, inst)
		for _, id := range []uint16{objects.AccessControlObjectID, objects.AccessControlObjectInstanceID, objects.AccessControlOwner} {
			r.need(id, lwm2m.KindInteger)
		}
		about, ok := access.TargetOf(tree, inst)
		if ok && seen[about] {
			r.fault(objects.AccessControlObjectInstanceID, ReasonSecondControl, nil)
		}
		seen[about] = true
		faults = append(faults, r.faults...)
	}
	return faults
}

// ownerFaults finds a Write that gives an instance of object 2 to nobody: what a server
// hands over has to have somebody who can hand it on.
func (t *Transaction) ownerFaults(next *lwm2m.Tree, inst uint16) Faults {
	path := lwm2m.PathOf(objects.AccessControl, inst, objects.AccessControlOwner)
	was, _ := t.base.Value(path)
	owner, _ := next.Value(path)
	if owner == was || serverIDs(next)[owner.Int()] {
		return nil
	}
	return Faults{{Path: path, Reason: ReasonNoSuchServer}}
}

// serverIDs returns the short server IDs of the management accounts.
func serverIDs(tree *lwm2m.Tree) map[int64]bool {
	ids := map[int64]bool{}
	bootstraps := bootstrapInstances(tree)
	for _, inst := range tree.Instances(objects.Security) {
		id, found := tree.Value(lwm2m.PathOf(objects.Security, inst, objects.SecurityShortServerID))
		if found && !slices.Contains(bootstraps, inst) {
			ids[id.Int()] = true
		}
	}
	return ids
}

// bequeath takes the servers that a bootstrap has removed out of object 2 (LwM2M 1.0
// section 7.3.1.2). What they have owned passes to the server that has the most rights
// to it, and goes where there is none. What the bootstrap itself has written stays as
// it is.
func bequeath(before, after *lwm2m.Tree) {
	here := serverIDs(after)
	gone := serverIDs(before)
	for id := range here {
		delete(gone, id)
	}
	for _, inst := range after.Instances(objects.AccessControl) {
		was, _ := before.Payload(lwm2m.PathOf(objects.AccessControl, inst))
		is, _ := after.Payload(lwm2m.PathOf(objects.AccessControl, inst))
		if slices.Equal(was.Nodes, is.Nodes) {
			bequeathOne(after, inst, here, gone)
		}
	}
}

func bequeathOne(tree *lwm2m.Tree, inst uint16, here, gone map[int64]bool) {
	path := lwm2m.PathOf(objects.AccessControl, inst)
	acl, _ := tree.Resource(path.Child(objects.AccessControlACL))
	for _, entry := range acl.Instances {
		if gone[int64(entry.ID)] {
			tree.DeleteResource(path.Child(objects.AccessControlACL).Child(entry.ID))
		}
	}
	owner, _ := tree.Value(path.Child(objects.AccessControlOwner))
	if !gone[owner.Int()] {
		return
	}
	heir, found := heirOf(acl, here)
	if !found {
		tree.DeleteInstance(objects.AccessControl, inst)
		return
	}
	tree.PutResource(objects.AccessControl, inst, lwm2m.Resource{ID: objects.AccessControlOwner, Value: lwm2m.Integer(int64(heir))})
}

// heirOf returns the server that has the most rights by an ACL; of several, that with
// the lowest number.
func heirOf(acl lwm2m.Resource, here map[int64]bool) (heir uint16, found bool) {
	most := -1
	for _, entry := range acl.Instances {
		rights := access.Rights(entry.Value.Int()) & access.All
		if n := bits.OnesCount8(uint8(rights)); here[int64(entry.ID)] && n > most {
			heir, most, found = entry.ID, n, true
		}
	}
	return heir, found
}
