package management

import (
	"maps"
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// served is one object that servers can see: one of the client's own, which is kept in
// a tree, or one of the application.
type served struct {
	id  uint16
	def *lwm2m.ObjectDef
	app object.Object // nil for one of the client's own

	// What the application's object implements beside object.Object; nil where it does not.
	snapshotter object.Snapshotter
	lister      object.Lister
	writer      object.Writer
	executor    object.Executor
	creator     object.Creator
	deleter     object.Deleter
}

// catalog holds the objects that servers can see, by ID.
type catalog map[uint16]*served

// newCatalog adds the application's objects to those of the client. An application's
// Device object takes the place of the client's.
func newCatalog(config Config) catalog {
	if len(config.Objects) == 0 && config.Registry == coreRegistry {
		return coreCatalog
	}
	return makeCatalog(config)
}

// coreCatalog is what all clients share whose applications offer no objects.
var coreCatalog = makeCatalog(Config{Registry: coreRegistry})

func makeCatalog(config Config) catalog {
	c := catalog{}
	for _, id := range []uint16{objects.Server, objects.AccessControl, objects.Device} {
		def, _ := config.Registry.Object(id)
		c[id] = &served{id: id, def: def}
	}
	c[objects.CertificateEnrolment] = &served{id: objects.CertificateEnrolment, def: &enrolmentDef}
	for _, app := range config.Objects {
		c.add(app, config.Registry)
	}
	return c
}

func (c catalog) add(app object.Object, registry *lwm2m.Registry) {
	id := app.Definition().ID
	def, _ := registry.Object(id)
	o := &served{id: id, def: def, app: app}
	o.snapshotter, _ = app.(object.Snapshotter)
	o.lister, _ = app.(object.Lister)
	o.writer, _ = app.(object.Writer)
	o.executor, _ = app.(object.Executor)
	o.creator, _ = app.(object.Creator)
	o.deleter, _ = app.(object.Deleter)
	c[id] = o
}

// kept reports whether the supervisor keeps the object, and carries out what servers
// write to it.
func (o *served) kept() bool {
	return o.app == nil && (o.id == objects.Server || o.id == objects.AccessControl)
}

// passing reports whether the object is there only while it has an instance.
func (o *served) passing() bool {
	return o.app == nil && (o.id == objects.AccessControl || o.id == objects.CertificateEnrolment)
}

// object finds what servers can see under an ID; nil for nothing. The Access Control
// object is there once it has an instance, and the Certificate Enrolment object while
// there is a certificate that can be renewed.
func (m *Machine) object(id uint16) *served {
	switch o := m.catalog[id]; {
	case id == objects.AccessControl && !m.access.InUse():
		return nil
	case o != nil && o.renews() && !renewable(m.model):
		return nil
	default:
		return o
	}
}

// ids lists the objects in order.
func (c catalog) ids() []uint16 { return slices.Sorted(maps.Keys(c)) }

// resource finds the definition of a resource of the object.
func (o *served) resource(id uint16) (lwm2m.ResourceDef, bool) {
	if o.def == nil {
		return lwm2m.ResourceDef{}, false
	}
	return o.def.Resource(id)
}

// lastCoreObject is the highest of the objects whose version follows from that of the
// enabler (LwM2M Core section 6.2.1).
const lastCoreObject = 7

// version is what is announced of an object's version: nothing for the initial one, and
// for an object whose version follows from the enabler's.
func (o *served) version() string {
	if o.id <= lastCoreObject || o.def == nil || o.def.Version == "1.0" {
		return ""
	}
	return o.def.Version
}

// Announced returns what lists the objects and instances that a registration announces:
// the Server and Access Control objects of the tree that it is given, the latter where it
// has an instance, the Certificate Enrolment object where a certificate can be renewed, and
// those of the configuration. The Security object is never announced. An object that panics
// is announced without instances.
func Announced(config Config) func(*lwm2m.Tree) []messages.ObjectEntry {
	c := newCatalog(config.withDefaults())
	ids := c.ids()
	return func(tree *lwm2m.Tree) []messages.ObjectEntry {
		entries := make([]messages.ObjectEntry, 0, len(ids))
		for _, id := range ids {
			instances := c[id].announced(tree)
			if !c[id].passing() || len(instances) > 0 {
				entries = append(entries, messages.ObjectEntry{ID: id, Version: c[id].version(), Instances: instances})
			}
		}
		return entries
	}
}

// announced lists the instances to be announced.
func (o *served) announced(tree *lwm2m.Tree) (ids []uint16) {
	switch {
	case o.app != nil:
		defer func() {
			if recover() != nil {
				ids = nil // what the object says to requests is reported there
			}
		}()
		return slices.Clone(o.app.Instances())
	case o.id == objects.Device:
		return []uint16{deviceInstance}
	case o.renews():
		return enrolmentTree(tree).Instances(o.id)
	}
	return tree.Instances(o.id)
}
