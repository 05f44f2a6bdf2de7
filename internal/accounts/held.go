package accounts

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// A key that never leaves its hardware cannot stand in /0/x/5. In its place
// stands its public half, as SubjectPublicKeyInfo: that says which of the
// application's signers belongs to the account, and is no secret.

// HeldOutside reports whether the content of /0/x/5 is the public half of a key
// that is held outside of the object model, and returns it.
func HeldOutside(der []byte) (*ecdsa.PublicKey, bool) {
	if len(der) > maxPublicKey {
		return nil, false
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, false
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	return key, ok
}

// CheckHeldKeys finds accounts of after whose key is held outside and that no
// account of before has: a server may go on using a key that the device holds,
// but cannot name one that it does not. The error is of type [Faults].
func CheckHeldKeys(before, after *lwm2m.Tree) error { return notHeld(before, after).orNil() }

func notHeld(before, after *lwm2m.Tree) (faults Faults) {
	known := heldKeys(before)
	for inst, key := range heldKeys(after) {
		if !holds(known, key) {
			path := lwm2m.PathOf(objects.Security, inst, objects.SecuritySecretKey)
			faults = append(faults, &Fault{Path: path, Reason: ReasonPrivateKey})
		}
	}
	return faults
}

// heldKeys returns the keys of a tree that are held outside, by their Security
// instances.
func heldKeys(tree *lwm2m.Tree) map[uint16][]byte {
	keys := map[uint16][]byte{}
	for _, inst := range tree.Instances(objects.Security) {
		v, _ := tree.Value(lwm2m.PathOf(objects.Security, inst, objects.SecuritySecretKey))
		if v.Kind() != lwm2m.KindOpaque {
			continue
		}
		if _, held := HeldOutside(v.Bytes()); held {
			keys[inst] = v.Bytes()
		}
	}
	return keys
}

func holds(known map[uint16][]byte, key []byte) bool {
	for _, k := range known {
		if bytes.Equal(k, key) {
			return true
		}
	}
	return false
}
