package accounts

import (
	"cmp"
	"time"

	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// Terms say what a [Transaction] may leave.
type Terms struct {
	// Registry defines what can be written at all.
	Registry *lwm2m.Registry
	Limits   Limits
	// Accounts bounds the management accounts; 0 means [DefaultMax].
	Accounts int
	// TrustStore says that the device has one, which certificate usages 0 and 1 need.
	TrustStore bool
}

// Transaction is the copy of objects 0, 1 and 2 on which a server works: a
// bootstrap server until it says Finish, a management server for one Write.
// Every operation is carried out whole or not at all, and nothing that is in use
// changes. Not safe for concurrent use.
type Transaction struct {
	base, work *lwm2m.Tree // base is never changed
	terms      Terms
}

// Begin returns a transaction on a tree, which the caller may go on using.
func Begin(tree *lwm2m.Tree, terms Terms) *Transaction {
	terms.Accounts = cmp.Or(terms.Accounts, DefaultMax)
	base := tree.Clone()
	return &Transaction{base: base, work: base.Clone(), terms: terms}
}

// Tree returns objects 0, 1 and 2 as the operations so far have left them.
func (t *Transaction) Tree() *lwm2m.Tree { return t.work.Clone() }

// Put is Bootstrap-Write (LwM2M Core section 6.1.7). A write to an object or an
// instance replaces every instance that the payload mentions as a whole: what an
// older account left there (a server name, a certificate usage) must not mix with
// the new one. A write to a resource replaces that resource. Missing instances are
// made. Resources that no definition knows are left out. The bootstrap account
// makes way for a management account. The error is a
// [*lwm2m.RangeError], a [*RefusedError], a [*CountError] or a [*LimitError].
func (t *Transaction) Put(path lwm2m.Path, p lwm2m.Payload) error {
	p, err := t.known(path, p)
	if err != nil {
		return err
	}
	next := t.work.Clone()
	overwrite(next, path, p)
	if path.Len() < 3 {
		moveBootstrap(t.work, next)
	}
	return t.adopt(next)
}

// known is what the definitions know of a payload, held against them.
func (t *Transaction) known(path lwm2m.Path, p lwm2m.Payload) (lwm2m.Payload, error) {
	p = p.Filter(func(q lwm2m.Path) bool {
		_, found := t.terms.Registry.Resource(q)
		return found
	})
	for _, n := range p.Nodes {
		def, _ := t.terms.Registry.Resource(n.Path)
		if !t.applies(n.Path, p) {
			def.Range = lwm2m.Range{}
		}
		if err := def.Check(n.Value); err != nil {
			return p, err
		}
	}
	if path.Len() > 2 && len(p.Nodes)+len(p.Multiples) == 0 {
		return p, &RefusedError{Path: path, Reason: RefusedNoValue}
	}
	return p, nil
}

func overwrite(tree *lwm2m.Tree, path lwm2m.Path, p lwm2m.Payload) {
	written := p.Tree()
	if path.Len() == 3 {
		if r, found := written.Resource(path); found {
			tree.PutResource(path.Object(), path.Instance(), r)
		}
		return
	}
	for _, inst := range written.Instances(path.Object()) {
		i, _ := written.Instance(path.Object(), inst)
		tree.PutInstance(path.Object(), i)
	}
}

// adopt makes next the working copy, unless that would touch the bootstrap
// account or could not be stored with what a Finish adds to it. Where more
// accounts are stored than may be used now, those can be replaced and deleted,
// but not added to.
func (t *Transaction) adopt(next *lwm2m.Tree) error {
	if !sameBootstrap(t.base, next) {
		return &RefusedError{Path: lwm2m.PathOf(objects.Security), Reason: RefusedBootstrap}
	}
	if n := Managements(next); n > max(t.terms.Accounts, Managements(t.work)) {
		return &CountError{Have: n, Max: t.terms.Accounts}
	}
	if err := t.terms.Limits.CheckWith(next, objects.Server, stamp(largestStamp)); err != nil {
		return err
	}
	t.work = next
	return nil
}

// Delete is Bootstrap-Delete (LwM2M Core section 6.1.7) of the root, an object or
// an instance: what is not there, or not ours to delete, counts as deleted. The
// bootstrap account is spared when its object is deleted and refused when it is
// named. The error is a [*RefusedError].
func (t *Transaction) Delete(path lwm2m.Path) error {
	switch {
	case path.Len() > 2:
		return &RefusedError{Path: path, Reason: RefusedDelete}
	case path.Len() == 2 && isBootstrap(t.work, path):
		return &RefusedError{Path: path, Reason: RefusedDeleteBootstrap}
	}
	for _, obj := range []uint16{objects.Security, objects.Server, objects.AccessControl} {
		for _, inst := range t.work.Instances(obj) {
			victim := lwm2m.PathOf(obj, inst)
			if path.Contains(victim) && !isBootstrap(t.work, victim) {
				t.work.DeleteInstance(obj, inst)
			}
		}
	}
	return nil
}

// Finish judges what a bootstrap has left ([CheckChange], [CheckNew]) and makes the record of
// it, with the time of the bootstrap in every Server instance. What it returns can
// be read again. The error is a [*CountError], [Faults] or a [*LimitError].
func (t *Transaction) Finish(clock validity.Clock) (*lwm2m.Tree, []byte, error) {
	if n := Managements(t.work); n > t.terms.Accounts { // as they were before, under a larger limit
		return nil, nil, &CountError{Have: n, Max: t.terms.Accounts}
	}
	if err := CheckChange(t.base, t.work, clock); err != nil {
		return nil, nil, err
	}
	if err := CheckNew(t.base, t.work, t.terms.TrustStore); err != nil {
		return nil, nil, err
	}
	result := complete(t.base, t.work, clock.Now)
	record, err := EncodeWithin(result, t.terms.Limits)
	if err != nil {
		return nil, nil, err
	}
	return result, record, nil
}

// largestStamp is the time that takes the most room in a record. Writes are
// measured with it, so that the Finish cannot exceed what they have left.
var largestStamp = time.Unix(-1, 0)

// complete returns the configuration to store, with the time of the bootstrap
// in every Server instance, and object 2 without the servers that are gone.
func complete(base, work *lwm2m.Tree, now time.Time) *lwm2m.Tree {
	tree := work.Clone()
	bequeath(base, tree)
	dropEmpty(tree)
	for _, inst := range tree.Instances(objects.Server) {
		tree.PutResource(objects.Server, inst, stamp(now))
	}
	return tree
}

// stamp is the time of the bootstrap (/1/x/12).
func stamp(now time.Time) lwm2m.Resource {
	return lwm2m.Resource{ID: objects.ServerLastBootstrapped, Value: lwm2m.Time(now)}
}

// RefusedReason says why an operation was refused.
type RefusedReason string

// The reasons of a [RefusedError].
const (
	RefusedNoValue         RefusedReason = "no value for the resource"
	RefusedBootstrap       RefusedReason = "the bootstrap account cannot be changed, nor a second one made"
	RefusedDelete          RefusedReason = "only objects and instances can be deleted"
	RefusedDeleteBootstrap RefusedReason = "the bootstrap account cannot be deleted"
	RefusedReadOnly        RefusedReason = "servers cannot change it"
	RefusedForm            RefusedReason = "a single value and a list of values are not the same"
	RefusedTransport       RefusedReason = "only UDP is supported: the value U, and for a binding also UQ, queue mode"
)

// RefusedError says that an operation is against the rules of a [Transaction].
type RefusedError struct {
	Path   lwm2m.Path
	Reason RefusedReason
}

// Error names the path and the reason.
func (e *RefusedError) Error() string { return e.Path.String() + ": " + string(e.Reason) }
