package management

import (
	"fmt"
	"runtime/debug"
	"slices"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// What an application's object answers at once is asked here, on the actor's own
// goroutine. An object that panics, or that returns what its definition does not
// allow, harms the request that asked, and nothing else.

// Report has the shell log a fault of an application's object.
type Report struct {
	core.Marker
	Fault Fault
}

// Fault is what an application's object has done wrong. It implements error.
type Fault struct {
	Path  lwm2m.Path // what was asked for
	What  string
	Stack []byte // where the object panicked; nil when it did not
}

// Error names the path and what has happened there.
func (f *Fault) Error() string { return "the object failed at " + f.Path.String() + ": " + f.What }

// guard is deferred around what an application's object does on the actor's goroutine.
func (m *Machine) guard(path lwm2m.Path) {
	if reason := recover(); reason != nil {
		m.faults = append(m.faults, panicked(path, reason))
	}
}

// panicked makes a fault of a value that recover has returned, with the stack.
func panicked(path lwm2m.Path, reason any) Fault {
	return Fault{Path: path, What: fmt.Sprintf("panic: %v", reason), Stack: debug.Stack()}
}

// reports returns the faults since it was last called, for the log.
func (m *Machine) reports() (effects []core.Effect) {
	for _, f := range m.faults {
		effects = append(effects, Report{Fault: f})
	}
	m.faults = nil
	return effects
}

// instances lists the instances of an object.
func (m *Machine) instances(o *served) []uint16 {
	if o.app == nil {
		return m.tree(o).Instances(o.id)
	}
	defer m.guard(lwm2m.PathOf(o.id))
	return o.app.Instances()
}

// hasInstance reports whether an object has an instance.
func (m *Machine) hasInstance(o *served, inst uint16) bool {
	if o.app == nil {
		return m.tree(o).HasInstance(o.id, inst)
	}
	if o.snapshotter != nil {
		_, _, ok := m.snapshot(o, inst)
		return ok
	}
	return slices.Contains(m.instances(o), inst)
}

// snapshot returns what an application's object has in memory of an instance. ok is
// false where it has nothing to say. A change that is not over is not seen.
func (m *Machine) snapshot(o *served, inst uint16) (i lwm2m.Instance, whole, ok bool) {
	if o.snapshotter == nil {
		return i, false, false
	}
	defer m.guard(lwm2m.PathOf(o.id, inst))
	i, whole, ok = o.snapshotter.Snapshot(inst)
	if screen, is := m.screens[lwm2m.PathOf(o.id, inst)]; ok && is && screen.known {
		i = screen.over(i)
	}
	return i, whole, ok
}

// listed lists the resources that an instance has; ok is false where the application's
// object does not know them without a Read.
func (m *Machine) listed(o *served, inst uint16) (ids []uint16, ok bool) {
	if o.lister == nil {
		return nil, false
	}
	defer m.guard(lwm2m.PathOf(o.id, inst))
	return o.lister.Resources(inst), true
}

// presence says whether a resource is there.
type presence uint8

const (
	absent presence = iota
	present
	unknown // only a Read tells
)

// has looks for a resource of an application's instance, without asking for it.
func (m *Machine) has(o *served, inst, resource uint16) presence {
	if ids, ok := m.listed(o, inst); ok {
		return presenceOf(slices.Contains(ids, resource))
	}
	def, defined := o.resource(resource)
	if !defined {
		return absent
	}
	if !def.Operations.Has(lwm2m.OpRead) {
		return present
	}
	i, whole, ok := m.snapshot(o, inst)
	if !ok {
		return unknown
	}
	if _, found := i.Resource(resource); found || whole {
		return presenceOf(found)
	}
	return unknown
}

// lacks reports whether an application's object has all of an instance in memory, and not
// that resource instance.
func (m *Machine) lacks(o *served, path lwm2m.Path) bool {
	i, whole, ok := m.snapshot(o, path.Instance())
	if !ok || !whole {
		return false
	}
	r, _ := i.Resource(path.Resource())
	return !hasInstance(r, path.ResourceInstance())
}

func presenceOf(found bool) presence {
	if found {
		return present
	}
	return absent
}

// conform makes of what an application's object has returned what a server may read: what
// the definition does not let servers read is left out, and values get the type that it
// says. ok is false, with the fault noted, for a value that has no such form.
func (m *Machine) conform(o *served, p lwm2m.Payload) (_ lwm2m.Payload, ok bool) {
	hidden := false
	for i := range p.Nodes {
		n := &p.Nodes[i]
		def, found := o.resource(n.Path.Resource())
		if !found || !def.Operations.Has(lwm2m.OpRead) {
			hidden = true
			continue
		}
		v, err := n.Value.As(def.Kind)
		if err != nil || def.Multiple != (n.Path.Len() == 4) || n.Path.ResourceInstance() == lwm2m.MaxID || !utf8.ValidString(v.Text()) {
			m.faults = append(m.faults, Fault{Path: n.Path, What: "the value does not fit the definition"})
			return lwm2m.Payload{}, false
		}
		n.Value = v
	}
	if hidden {
		p = p.Filter(func(path lwm2m.Path) bool {
			def, found := o.resource(path.Resource())
			return found && def.Operations.Has(lwm2m.OpRead)
		})
	}
	return p, true
}
