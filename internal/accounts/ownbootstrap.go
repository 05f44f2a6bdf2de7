package accounts

import (
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
)

// isBootstrap reports whether the path is that of the bootstrap account.
func isBootstrap(tree *lwm2m.Tree, path lwm2m.Path) bool {
	return path.Object() == objects.Security && slices.Contains(bootstrapInstances(tree), path.Instance())
}

// bootstrapInstances lists the Security instances that say that they are the
// bootstrap server's.
func bootstrapInstances(tree *lwm2m.Tree) []uint16 {
	var found []uint16
	for _, inst := range tree.Instances(objects.Security) {
		v, _ := tree.Value(lwm2m.PathOf(objects.Security, inst, objects.SecurityBootstrapServer))
		if v.Bool() {
			found = append(found, inst)
		}
	}
	return found
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
// whatever instance, and no other.
func sameBootstrap(before, after *lwm2m.Tree) bool {
	return slices.EqualFunc(bootstrapInstances(before), bootstrapInstances(after), func(x, y uint16) bool {
		return sameIdentity(before, x, after, y)
	})
}

// sameIdentity reports whether two Security instances are one bootstrap account.
func sameIdentity(before *lwm2m.Tree, x uint16, after *lwm2m.Tree, y uint16) bool {
	return !slices.ContainsFunc(bootstrapIdentity, func(id uint16) bool {
		was := significant(before, lwm2m.PathOf(objects.Security, x, id))
		return was != significant(after, lwm2m.PathOf(objects.Security, y, id))
	})
}

// moveBootstrap lets the bootstrap account have another instance than before.
// Bootstrap servers do not know our numbers: many write a management account to
// /0/0, and others their own account, unchanged, to where they think it is.
func moveBootstrap(before, after *lwm2m.Tree) {
	for _, inst := range bootstrapInstances(before) {
		if isBootstrap(after, lwm2m.PathOf(objects.Security, inst)) {
			leaveBootstrap(before, after, inst)
			continue
		}
		said, _ := after.Value(lwm2m.PathOf(objects.Security, inst, objects.SecurityBootstrapServer))
		if said == lwm2m.Boolean(false) && len(bootstrapInstances(after)) == 0 {
			i, _ := before.Instance(objects.Security, inst)
			i.ID = free(after, objects.Security)
			after.PutInstance(objects.Security, i)
		}
	}
}

// leaveBootstrap removes the instance in which the bootstrap account was, where the
// same account has been written to another one.
func leaveBootstrap(before, after *lwm2m.Tree, inst uint16) {
	for _, other := range bootstrapInstances(after) {
		if other != inst && sameIdentity(before, inst, after, other) {
			after.DeleteInstance(objects.Security, inst)
			return
		}
	}
}

// free returns the lowest instance of an object that is not there.
func free(tree *lwm2m.Tree, obj uint16) (inst uint16) {
	for tree.HasInstance(obj, inst) {
		inst++
	}
	return inst
}

// WithBootstrapOf returns a copy of tree with the factory's bootstrap account, where
// there is one, in place of its own, which no bootstrap may write: in the same
// instance, or in a free one where it has none.
func WithBootstrapOf(factory, tree *lwm2m.Tree) *lwm2m.Tree {
	merged := tree.Clone()
	for n, inst := range bootstrapInstances(factory) {
		i, _ := factory.Instance(objects.Security, inst)
		if own := bootstrapInstances(tree); n < len(own) {
			i.ID = own[n]
		} else if merged.HasInstance(objects.Security, inst) {
			i.ID = free(merged, objects.Security)
		}
		merged.PutInstance(objects.Security, i)
	}
	return merged
}

// significant is the value at path; one without content, which servers write
// for "not set", counts as none, and of a URI its normal form does.
func significant(tree *lwm2m.Tree, path lwm2m.Path) lwm2m.Value {
	v, _ := tree.Value(path)
	if path.Resource() == objects.SecurityServerURI && v.Kind() == lwm2m.KindString {
		v = lwm2m.String(normalURI(v.Text()))
	}
	switch v.Kind() {
	case lwm2m.KindString, lwm2m.KindOpaque:
		if v.Size() == 0 {
			return lwm2m.Value{}
		}
	}
	return v
}

// normalURI returns the normal form of a server URI (RFC 3986 section 6.2): two that
// are spelled otherwise and lead to the same requests are one. What is no server URI
// stays as it is.
func normalURI(text string) string {
	u, err := uri.Parse(text)
	if err != nil {
		return text
	}
	return u.Canonical().String()
}
