package bootstrap

import (
	"slices"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// write is Bootstrap-Write (LwM2M Core section 6.1.7). A write to an object or
// an instance replaces every instance that the payload mentions as a whole:
// what an older account left there (a server name, a certificate usage) must
// not mix with the new one. A write to a resource replaces that resource.
// Missing instances are made. Resources that no definition knows are left out
// of an instance and refused on their own.
func (t *transaction) write(path lwm2m.Path, in messages.Inbound) answer {
	if refusal, ok := t.writable(path); !ok {
		return refusal
	}
	payload, refusal := t.decode(path, in)
	if !refusal.IsZero() {
		return refusal
	}
	payload = payload.Filter(t.known)
	if err := t.inRange(payload); err != nil {
		return refuse(messages.BadRequest, err.Error())
	}
	if path.Len() == 3 && len(payload.Nodes)+len(payload.Multiples) == 0 {
		return refuse(messages.BadRequest, "no value for the resource")
	}
	next := t.work.Clone()
	apply(next, path, payload)
	return t.adopt(next)
}

// writable tells whether there is something to write at path.
func (t *transaction) writable(path lwm2m.Path) (refusal answer, ok bool) {
	switch {
	case path.Len() == 0, path.Len() == 4, path.Object() == objects.Device:
		return notAllowed, false
	case path.Object() > objects.Server:
		return refuse(messages.NotFound, "no such object"), false
	case path.Len() < 3:
		return answer{}, true
	}
	def, found := t.registry.Resource(path)
	switch {
	case !found:
		return refuse(messages.NotFound, "no such resource"), false
	case def.Kind == lwm2m.KindNone:
		return notAllowed, false
	}
	return answer{}, true
}

// decode reads the payload. The code of what is wrong with it is Empty for
// nothing.
func (t *transaction) decode(path lwm2m.Path, in messages.Inbound) (lwm2m.Payload, answer) {
	if in.ContentFormat != nil && len(in.Payload) > t.limits.Bytes {
		return lwm2m.Payload{}, exceeded(errBudget)
	}
	limits := lwm2m.Limits{Bytes: t.limits.Bytes, Nodes: accounts.MaxElements}
	payload, refusal := answers.Decode(in, path, t.registry, limits)
	return payload, answer{Answer: refusal}
}

// known reports whether a definition has the resource.
func (t *transaction) known(path lwm2m.Path) bool {
	_, found := t.registry.Resource(path)
	return found
}

// inRange holds every value against its definition.
func (t *transaction) inRange(p lwm2m.Payload) error {
	for _, n := range p.Nodes {
		def, _ := t.registry.Resource(n.Path)
		if err := def.Check(n.Value); err != nil {
			return err
		}
	}
	return nil
}

func apply(tree *lwm2m.Tree, path lwm2m.Path, p lwm2m.Payload) {
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
func (t *transaction) adopt(next *lwm2m.Tree) answer {
	if !sameBootstrap(t.base, next) {
		return refuse(messages.BadRequest, "the bootstrap account cannot be changed, nor a second one made")
	}
	if n := accounts.Managements(next); n > max(t.most, accounts.Managements(t.work)) {
		return exceeded(&accounts.CountError{Have: n, Max: t.most})
	}
	if err := t.limits.CheckWith(next, objects.Server, stamp(largestStamp)); err != nil {
		return exceeded(budgetError(err))
	}
	t.work = next
	return done(messages.Changed)
}

// bootstrapIdentity lists the resources that make the bootstrap account what
// it is: the server and the credentials. Others, such as the hold-off time, a
// server may write.
var bootstrapIdentity = []uint16{
	objects.SecurityServerURI,
	objects.SecurityBootstrapServer,
	objects.SecurityMode,
	objects.SecurityPublicKeyOrIdentity,
	objects.SecurityServerPublicKey,
	objects.SecuritySecretKey,
	objects.SecurityMatchingType,
	objects.SecuritySNI,
	objects.SecurityCertificateUsage,
}

// sameBootstrap reports whether both trees have the same bootstrap account, in
// the same instance and no other.
func sameBootstrap(before, after *lwm2m.Tree) bool {
	instances := bootstrapInstances(before)
	if !slices.Equal(instances, bootstrapInstances(after)) {
		return false
	}
	for _, inst := range instances {
		for _, id := range bootstrapIdentity {
			path := lwm2m.PathOf(objects.Security, inst, id)
			if significant(before, path) != significant(after, path) {
				return false
			}
		}
	}
	return true
}

// significant is the value at path; one without content, which servers write
// for "not set", counts as none.
func significant(tree *lwm2m.Tree, path lwm2m.Path) lwm2m.Value {
	v, _ := tree.Value(path)
	switch v.Kind() {
	case lwm2m.KindString, lwm2m.KindOpaque:
		if v.Size() == 0 {
			return lwm2m.Value{}
		}
	}
	return v
}
