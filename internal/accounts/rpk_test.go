package accounts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"reflect"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// newKey returns a key in PKCS #8 and its public half, both in DER.
func newKey(t *testing.T, curve elliptic.Curve) (key *ecdsa.PrivateKey, private, public []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if private, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		t.Fatal(err)
	}
	return key, private, mustSPKI(t, &key.PublicKey)
}

func mustSPKI(t *testing.T, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func rpkAccount(t *testing.T, id messages.Peer, curve elliptic.Curve) messages.Account {
	t.Helper()
	_, private, public := newKey(t, curve)
	_, _, server := newKey(t, elliptic.P256())
	return messages.Account{
		Peer: id, URI: mustURI(t, "coaps://example.com"), Lifetime: time.Hour,
		Credentials: messages.Credentials{
			Mode: messages.SecurityRPK, Certificate: [][]byte{public}, PrivateKey: private,
			ServerCertificates: [][]byte{server}, ServerName: "server.test",
		},
	}
}

// Raw public keys survive the way through the tree and the record, and are fit
// for use there.
func TestRawPublicKeysThereAndBack(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		bootstrap := rpkAccount(t, messages.BootstrapPeer(), curve)
		bootstrap.Lifetime = 0
		accts := []messages.Account{bootstrap, rpkAccount(t, messages.ManagementPeer(1), curve)}
		want := renumber(accts)
		for i := range want {
			want[i].Server = want[i].URI.String()
		}
		tree, err := Decode(Encode(ToTree(accts)))
		if err != nil {
			t.Fatal(err)
		}
		got, errs := FromTree(tree)
		if len(errs) > 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, %v, want %v", got, errs, want)
		}
		if err := Check(tree); err != nil {
			t.Error(err)
		}
		if err := CheckExpiry(usable(tree), validity.Clock{Now: time.Now().AddDate(1000, 0, 0)}); err != nil {
			t.Errorf("keys expire: %v", err)
		}
	}
}

// The resources are 3 for the own key, 4 for the server's and 5 for the private
// one, and the mode is 1.
func TestRawPublicKeysLayout(t *testing.T) {
	a := rpkAccount(t, messages.ManagementPeer(1), elliptic.P256())
	tree := ToTree([]messages.Account{a})
	for path, want := range map[string]lwm2m.Value{
		"/0/0/2": lwm2m.Integer(1),
		"/0/0/3": lwm2m.Opaque(a.Credentials.Certificate[0]),
		"/0/0/4": lwm2m.Opaque(a.Credentials.ServerCertificates[0]),
		"/0/0/5": lwm2m.Opaque(a.Credentials.PrivateKey),
	} {
		if got, _ := tree.Value(mustPath(path)); !got.Equal(want) {
			t.Errorf("%s is %v", path, got)
		}
	}
	if _, found := tree.Value(mustPath("/0/0/15")); found {
		t.Error("a certificate usage was written")
	}
}

// A server fills in what the mode has no use for.
func TestRawPublicKeysIgnoreCertificateUsage(t *testing.T) {
	tree := ToTree([]messages.Account{rpkAccount(t, messages.ManagementPeer(1), elliptic.P256())})
	put(tree, "/0/0/13", lwm2m.Unsigned(9))
	put(tree, "/0/0/15", lwm2m.Unsigned(9))
	if err := Check(tree); err != nil {
		t.Error(err)
	}
}

func TestRawPublicKeysSEC1(t *testing.T) {
	key, _, public := newKey(t, elliptic.P384())
	a := rpkAccount(t, messages.ManagementPeer(1), elliptic.P256())
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.Credentials.Certificate, a.Credentials.PrivateKey = [][]byte{public}, der
	if err := Check(ToTree([]messages.Account{a})); err != nil {
		t.Error(err)
	}
}

func TestCheckRefusesRawPublicKeys(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	_, private521, public521 := newKey(t, elliptic.P521())
	_, _, public224 := newKey(t, elliptic.P224())
	_, private256, public256 := newKey(t, elliptic.P256())
	ed25519 := []byte{0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0}
	ed25519 = append(ed25519, make([]byte, 32)...)
	for name, c := range map[string]struct {
		path   string
		value  []byte
		reason Reason
	}{
		"own key empty":              {"/0/1/3", nil, ReasonEmpty},
		"own key too long":           {"/0/1/3", make([]byte, 1025), ReasonTooLong},
		"own key garbage":            {"/0/1/3", []byte("gw-0001"), ReasonPublicKey},
		"own key with a tail":        {"/0/1/3", append(append([]byte{}, public256...), 0), ReasonPublicKey},
		"own key twice":              {"/0/1/3", append(append([]byte{}, public256...), public256...), ReasonPublicKey},
		"own key on P-521":           {"/0/1/3", public521, ReasonCurve},
		"own key on P-224":           {"/0/1/3", public224, ReasonCurve},
		"own key of another":         {"/0/1/3", public256, ReasonPublicMismatch},
		"own certificate":            {"/0/1/3", set.Client.Cert.Raw, ReasonPublicKey},
		"server key empty":           {"/0/1/4", nil, ReasonEmpty},
		"server key garbage":         {"/0/1/4", []byte("server"), ReasonPublicKey},
		"server key for Ed25519":     {"/0/1/4", ed25519, ReasonPublicKey},
		"server key on P-224":        {"/0/1/4", public224, ReasonCurve},
		"server certificate":         {"/0/1/4", set.Server.Cert.Raw, ReasonPublicKey},
		"a private key in its stead": {"/0/1/4", private256, ReasonPublicKey},
		"private key empty":          {"/0/1/5", nil, ReasonEmpty},
		"private key garbage":        {"/0/1/5", []byte("secret"), ReasonPrivateKey},
		"private key on P-521":       {"/0/1/5", private521, ReasonCurve},
		"private key of another":     {"/0/1/5", private256, ReasonPublicMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			tree := ToTree([]messages.Account{bootstrapAccount(t), rpkAccount(t, messages.ManagementPeer(1), elliptic.P256())})
			put(tree, c.path, lwm2m.Opaque(c.value))
			path := c.path
			if c.reason == ReasonPublicMismatch {
				path = "/0/1/5" // whichever is the wrong one
			}
			wantFault(t, Check(tree), path, c.reason)
		})
	}
	tree := ToTree([]messages.Account{rpkAccount(t, messages.ManagementPeer(1), elliptic.P256())})
	put(tree, "/0/0/0", lwm2m.String("coap://example.com"))
	wantFault(t, Check(tree), "/0/0/0", ReasonScheme)
}

// Raw public keys are security: they may replace a pre-shared key, and nothing
// without security may replace them.
func TestCheckDowngradeFromRawPublicKeys(t *testing.T) {
	rpk := ToTree([]messages.Account{rpkAccount(t, messages.ManagementPeer(1), elliptic.P256())})
	wantFault(t, CheckDowngrade(rpk, ToTree([]messages.Account{nosecAccount(t, messages.ManagementPeer(1))})), "/0/0/2", ReasonDowngrade)
	psk := ToTree([]messages.Account{pskAccount(t, messages.ManagementPeer(1))})
	for name, err := range map[string]error{"psk": CheckDowngrade(rpk, psk), "rpk": CheckDowngrade(psk, rpk)} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
