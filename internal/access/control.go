package access

import (
	"math"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// forEveryone is the instance of the ACL that has the rights of the servers without
// one of their own.
const forEveryone = 0

// control is an instance of object 2.
type control struct {
	owner uint16            // a short server ID, OwnerBootstrap, or 0 for none
	acl   map[uint16]Rights // by short server ID
}

// read reads an instance of object 2. What has an impossible value counts as absent,
// and reserved bits of the ACL as zero.
func read(tree *lwm2m.Tree, inst uint16) *control {
	path := lwm2m.PathOf(objects.AccessControl, inst)
	c := &control{acl: map[uint16]Rights{}}
	c.owner, _ = id(tree, path.Child(objects.AccessControlOwner))
	acl, _ := tree.Resource(path.Child(objects.AccessControlACL))
	for _, entry := range acl.Instances {
		if entry.Value.Kind() == lwm2m.KindInteger {
			c.acl[entry.ID] = Rights(entry.Value.Int()) & All
		}
	}
	return c
}

// ownedBy reports whether a server is the Access Control Owner.
func (c *control) ownedBy(ssid uint16) bool {
	return c.owner == ssid && ssid != 0 && ssid != objects.OwnerBootstrap
}

// rights returns those of a server (LwM2M 1.0 section 7.3.2.1): what the ACL says of
// it, else all as the owner, else what the ACL says of everyone.
func (c *control) rights(ssid uint16) Rights {
	if own, found := c.acl[ssid]; found && ssid != forEveryone {
		return own
	}
	if c.ownedBy(ssid) {
		return All
	}
	return c.acl[forEveryone]
}

// TargetOf returns what an instance of object 2 is about: the path of an object
// instance, or that of an object where it is about the right to create. It is false
// where the instance does not say.
func TargetOf(tree *lwm2m.Tree, inst uint16) (path lwm2m.Path, ok bool) {
	base := lwm2m.PathOf(objects.AccessControl, inst)
	object, ok := id(tree, base.Child(objects.AccessControlObjectID))
	if !ok || object == lwm2m.MaxID {
		return path, false
	}
	instance, ok := id(tree, base.Child(objects.AccessControlObjectInstanceID))
	if instance == objects.AnyInstance {
		return lwm2m.PathOf(object), ok
	}
	return lwm2m.PathOf(object, instance), ok
}

// id reads a value of 16 bits.
func id(tree *lwm2m.Tree, path lwm2m.Path) (value uint16, ok bool) {
	v, found := tree.Value(path)
	if !found || v.Kind() != lwm2m.KindInteger || v.Int() < 0 || v.Int() > math.MaxUint16 {
		return 0, false
	}
	return uint16(v.Int()), true
}
