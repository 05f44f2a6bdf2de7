package accounts

import (
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
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
