package access

import (
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// Rights is what a server may do with an object instance: the bits of a value of
// the ACL, /2/x/2.
type Rights uint8

// The rights. Read is also that to Discover, Observe and Write-Attributes. Create is
// one to an object, and is written for [objects.AnyInstance].
const (
	Read Rights = 1 << iota
	Write
	Execute
	Delete
	Create

	None Rights = 0
	All         = Read | Write | Execute | Delete | Create
)

// Has reports whether all of some rights are among r.
func (r Rights) Has(some Rights) bool { return r&some == some }

// String lists the rights by their letters, such as "RW"; "-" for none.
func (r Rights) String() string {
	var b strings.Builder
	for i, letter := range []byte("RWEDC") {
		if r.Has(1 << i) {
			b.WriteByte(letter)
		}
	}
	if b.Len() == 0 {
		return "-"
	}
	return b.String()
}

// Table is what objects 1 and 2 say of the rights of servers. It does not change,
// and may be shared between goroutines.
type Table struct {
	several  bool                // there is more than one server account
	controls map[target]*control // what object 2 says, by what it says it about
	managers map[uint16]*control // the same, by the instances of object 2
	servers  []account           // the instances of object 1
}

// account is an instance of object 1 and its short server ID.
type account struct{ instance, ssid uint16 }

// target is an object instance, or the object where instance is AnyInstance.
type target struct{ object, instance uint16 }

// New reads objects 1 and 2 of a tree; servers is the number of management accounts.
// Of two instances of object 2 for one target the lower counts, and one that does not
// say what it is about says nothing.
func New(tree *lwm2m.Tree, servers int) *Table {
	t := &Table{several: servers > 1}
	for _, inst := range tree.Instances(objects.Server) {
		if ssid, ok := id(tree, lwm2m.PathOf(objects.Server, inst, objects.ServerShortServerID)); ok {
			t.servers = append(t.servers, account{inst, ssid})
		}
	}
	if controls := tree.Instances(objects.AccessControl); len(controls) > 0 {
		t.controls, t.managers = map[target]*control{}, map[uint16]*control{}
		for _, inst := range controls {
			t.add(tree, inst)
		}
	}
	return t
}

func (t *Table) add(tree *lwm2m.Tree, inst uint16) {
	c := read(tree, inst)
	t.managers[inst] = c
	about, ok := TargetOf(tree, inst)
	if !ok {
		return
	}
	key := target{about.Object(), objects.AnyInstance}
	if about.Len() == 2 {
		key.instance = about.Instance()
	}
	if t.controls[key] == nil {
		t.controls[key] = c
	}
}

// Of returns the rights of a server to an object instance.
func Of(tree *lwm2m.Tree, servers int, ssid, object, instance uint16) Rights {
	return New(tree, servers).Of(ssid, object, instance)
}

// MayCreate reports whether a server may create instances of an object.
func MayCreate(tree *lwm2m.Tree, servers int, ssid, object uint16) bool {
	return New(tree, servers).MayCreate(ssid, object)
}

// InUse reports whether rights are kept in object 2: a new object instance then
// needs an instance of object 2 that makes its creator the owner.
func (t *Table) InUse() bool { return len(t.managers) > 0 }

// Governs reports whether an instance of object 2 is about an object instance.
func (t *Table) Governs(object, instance uint16) bool {
	return t.controls[target{object, instance}] != nil
}

// Of returns the rights of a server to an object instance, which need not be there.
// Management servers have none to the objects that hold keys.
func (t *Table) Of(ssid, object, instance uint16) Rights {
	switch object {
	case objects.Security, objects.OSCORE:
		return None
	case objects.Server:
		return t.toServer(ssid, instance)
	case objects.AccessControl:
		return t.toControl(ssid, instance)
	}
	if !t.several || !t.InUse() {
		return All
	}
	return t.granted(ssid, object, instance)
}

// MayCreate reports whether a server may create instances of an object (LwM2M 1.0
// section 7.3.2.2): where there are several servers, when an instance of object 2 for
// the object says so. Objects 0 to 2 and 21 are for bootstraps.
func (t *Table) MayCreate(ssid, object uint16) bool {
	switch object {
	case objects.Security, objects.Server, objects.AccessControl, objects.OSCORE:
		return false
	}
	return t.Of(ssid, object, objects.AnyInstance).Has(Create)
}

// toServer returns the rights to an instance of object 1. A server keeps those to its
// own, or else another could cut the device off from it; those to another server's
// have to be granted.
func (t *Table) toServer(ssid, instance uint16) Rights {
	granted := None
	if t.several {
		granted = t.granted(ssid, objects.Server, instance)
	}
	if slices.Contains(t.servers, account{instance, ssid}) {
		return granted | Read | Write | Execute
	}
	return granted
}

// toControl returns the rights to an instance of object 2 (section 7.3.1.2): every
// server may know the rules, their owner alone may change them, and instances come
// and go with what they are about.
func (t *Table) toControl(ssid, instance uint16) Rights {
	if c := t.managers[instance]; c != nil && c.ownedBy(ssid) {
		return Read | Write
	}
	return Read
}

// granted is the authorization by object 2 (section 7.3.2.1).
func (t *Table) granted(ssid, object, instance uint16) Rights {
	if c := t.controls[target{object, instance}]; c != nil {
		return c.rights(ssid)
	}
	return None
}
