package accounts

import (
	"crypto/x509"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// withHeldKey returns the tree of an account whose key a signer holds.
func withHeldKey(t *testing.T, set *testpki.Set) *lwm2m.Tree {
	t.Helper()
	a := x509Account(t, messages.ManagementPeer(1), set)
	public, err := x509.MarshalPKIXPublicKey(set.Client.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	a.Credentials.PrivateKey = public
	return ToTree([]messages.Account{a})
}

// A key that is held outside is as good as one in the tree, also once stored.
func TestKeyHeldOutside(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	tree := withHeldKey(t, set)
	if err := Check(tree); err != nil {
		t.Error(err)
	}
	if back, err := Decode(Encode(tree)); err != nil || !back.Equal(tree) {
		t.Errorf("%v", err)
	}
	if err := CheckHeldKeys(tree, tree); err != nil {
		t.Error(err)
	}
	if err := CheckHeldKeys(tree, ToTree([]messages.Account{pskAccount(t, messages.ManagementPeer(1))})); err != nil {
		t.Errorf("without such a key: %v", err)
	}
}

func TestKeyHeldOutsideMustBelongToTheCertificate(t *testing.T) {
	set, other := testpki.Must(t, "gw-0001"), testpki.Must(t, "gw-0001")
	a := x509Account(t, messages.ManagementPeer(1), set)
	public, err := x509.MarshalPKIXPublicKey(other.Client.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	a.Credentials.PrivateKey = public
	if Check(ToTree([]messages.Account{a})) == nil {
		t.Error("the key of another certificate passed")
	}
}

// A server cannot name a key that the device does not hold.
func TestCheckHeldKeysRefusesANewOne(t *testing.T) {
	after := withHeldKey(t, testpki.Must(t, "gw-0001"))
	for name, before := range map[string]*lwm2m.Tree{
		"nothing":     ToTree(nil),
		"a PSK":       ToTree([]messages.Account{pskAccount(t, messages.ManagementPeer(1))}),
		"another key": withHeldKey(t, testpki.Must(t, "gw-0001")),
	} {
		if CheckHeldKeys(before, after) == nil {
			t.Errorf("after %s: passed", name)
		}
	}
}
