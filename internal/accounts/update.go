package accounts

import (
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// transportUDP is the only transport of this client (/1/x/22), and its binding (/1/x/7)
// unless it is in queue mode, which queueMode adds.
const (
	transportUDP = "U"
	queueMode    = "Q"
)

// Update is a management server's Write (LwM2M Core section 6.3.3) to an instance of
// objects 1 or 2 that is there, to one of its resources, or to one instance of a
// multiple resource. With replace, what a payload for the instance leaves out is
// removed, but for what servers cannot write; without, it stays, and instances of
// multiple resources are added to those that are there. A resource that cannot be
// written may be in the payload with the value that it has: servers write back
// what they have read.
//
// The error is a [*lwm2m.RangeError], a [*RefusedError], [Faults] of the instance
// or a [*LimitError].
func (t *Transaction) Update(path lwm2m.Path, p lwm2m.Payload, replace bool) error {
	for _, r := range written(path, p) { // before what the values are
		if err := t.changeable(path, r); err != nil {
			return err
		}
	}
	p, err := t.known(path, p)
	if err != nil {
		return err
	}
	next := t.work.Clone()
	if replace && path.Len() == 2 {
		t.clear(next, path)
	}
	for _, r := range written(path, p) {
		if err := t.set(next, path, r, replace); err != nil {
			return err
		}
	}
	return t.fit(next, path.Prefix(2))
}

// clear removes the resources of an instance that servers can write.
func (t *Transaction) clear(tree *lwm2m.Tree, instance lwm2m.Path) {
	i, _ := tree.Instance(instance.Object(), instance.Instance())
	i.Resources = slices.DeleteFunc(i.Resources, func(r lwm2m.Resource) bool {
		def, _ := t.terms.Registry.Resource(instance.Child(r.ID))
		return def.Operations.Has(lwm2m.OpWrite)
	})
	tree.PutInstance(instance.Object(), i)
}

// written lists the resources of a payload for one instance, or below it.
func written(path lwm2m.Path, p lwm2m.Payload) []lwm2m.Resource {
	i, _ := p.Tree().Instance(path.Object(), path.Instance())
	return i.Resources
}

// changeable refuses a resource that servers cannot write, unless it stays as it is.
func (t *Transaction) changeable(path lwm2m.Path, r lwm2m.Resource) error {
	resource := path.Prefix(2).Child(r.ID)
	def, found := t.terms.Registry.Resource(resource)
	if was, _ := t.work.Resource(resource); !found || def.Operations.Has(lwm2m.OpWrite) || same(was, r) {
		return nil
	}
	return &RefusedError{Path: resource, Reason: RefusedReadOnly}
}

// set puts one resource into an instance.
func (t *Transaction) set(tree *lwm2m.Tree, path lwm2m.Path, r lwm2m.Resource, replace bool) error {
	resource := path.Prefix(2).Child(r.ID)
	def, _ := t.terms.Registry.Resource(resource)
	was, _ := t.work.Resource(resource)
	switch {
	case r.Multiple != def.Multiple:
		return &RefusedError{Path: resource, Reason: RefusedForm}
	case !def.Operations.Has(lwm2m.OpWrite): // as it was
		return nil
	case r.ID == objects.ServerLifetime && !same(was, r) && r.Value.Int() > maxLifetime:
		return &lwm2m.RangeError{Resource: def.ID, Name: def.Name, Kind: def.Kind, Got: r.Value.Kind(), Range: lwm2m.Range{Max: maxLifetime}}
	case !same(was, r) && !transportable(r):
		return &RefusedError{Path: resource, Reason: RefusedTransport}
	case r.Multiple && (!replace || path.Len() == 4):
		r.Instances = append(was.Instances, r.Instances...) // of two with one ID the last stays
	}
	tree.PutResource(path.Object(), path.Instance(), r)
	return nil
}

// same reports whether two resources have the same single value.
func same(a, b lwm2m.Resource) bool { return !a.Multiple && !b.Multiple && a.Value == b.Value }

// transportable reports whether a resource asks for nothing that the client cannot
// do: to be reached otherwise than over UDP.
func transportable(r lwm2m.Resource) bool {
	switch r.ID {
	case objects.ServerBinding:
		return r.Value == lwm2m.String(transportUDP) || r.Value == lwm2m.String(transportUDP+queueMode)
	case objects.ServerPreferredTransport:
		return r.Value == lwm2m.String(transportUDP)
	}
	return true
}

// fit makes next the working copy where the instance that was written can be used
// and all of it be stored. The others are as they were.
func (t *Transaction) fit(next *lwm2m.Tree, instance lwm2m.Path) error {
	_, all := fromTree(next)
	if instance.Object() == objects.AccessControl {
		all = append(controlFaults(next), t.ownerFaults(next, instance.Instance())...)
	}
	own := slices.DeleteFunc(all, func(f *Fault) bool { return !instance.Contains(f.Path) })
	if err := own.orNil(); err != nil {
		return err
	}
	return t.keep(next)
}

// keep makes next the working copy where it can be stored. What was stored under a
// larger limit may be changed, and not grow.
func (t *Transaction) keep(next *lwm2m.Tree) error {
	limits := Limits{Bytes: max(t.terms.Limits.bytes(), bytesOf(t.base))}
	if err := limits.Check(next); err != nil {
		return err
	}
	t.work = next
	return nil
}
