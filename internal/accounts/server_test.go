package accounts

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

func sha256Of(der []byte) []byte { sum := sha256.Sum256(der); return sum[:] }

func sha384Of(der []byte) []byte { sum := sha512.Sum384(der); return sum[:] }

func sha512Of(der []byte) []byte { sum := sha512.Sum512(der); return sum[:] }

// Every usage goes with every matching type, and with a key in place of a
// certificate, and comes back as it was.
func TestWhatAServerProvesThereAndBack(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	cert, key := set.Server.Cert.Raw, set.Server.Cert.RawSubjectPublicKeyInfo
	for usage := messages.UsageCAConstraint; usage <= messages.UsageServerCertificate; usage++ {
		for name, c := range map[string]struct {
			matching messages.MatchingType
			list     [][]byte
		}{
			"certificates": {messages.MatchExact, [][]byte{cert, set.CA.Cert.Raw}},
			"a key":        {messages.MatchExact, [][]byte{key}},
			"keys":         {messages.MatchExact, [][]byte{key, set.CA.Cert.RawSubjectPublicKeyInfo}},
			"SHA-256":      {messages.MatchSHA256, [][]byte{sha256Of(key)}},
			"two SHA-256":  {messages.MatchSHA256, [][]byte{sha256Of(key), sha256Of(cert)}},
			"SHA-384":      {messages.MatchSHA384, [][]byte{sha384Of(cert)}},
			"SHA-512":      {messages.MatchSHA512, [][]byte{sha512Of(cert)}},
		} {
			a := x509Account(t, messages.ManagementPeer(1), set)
			a.Credentials.Usage, a.Credentials.Matching, a.Credentials.ServerCertificates = usage, c.matching, c.list
			tree, err := Decode(Encode(ToTree([]messages.Account{a})))
			if err != nil {
				t.Fatal(err)
			}
			got, errs := FromTree(tree)
			if len(errs) > 0 {
				t.Errorf("usage %d, %s: %v", usage, name, errs)
				continue
			}
			want := a.Credentials
			if !reflect.DeepEqual(got[0].Credentials, want) {
				t.Errorf("usage %d, %s: %+v", usage, name, got[0].Credentials)
			}
		}
	}
}

// The layout is that of the registry: 13 is the matching type, and its digests stand
// in 4.
func TestDigestsLayout(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	a := x509Account(t, messages.ManagementPeer(1), set)
	tree := ToTree([]messages.Account{a})
	if _, found := tree.Value(mustPath("/0/0/13")); found {
		t.Error("an exact match is written")
	}
	digest := sha256Of(set.CA.Cert.RawSubjectPublicKeyInfo)
	a.Credentials.Matching, a.Credentials.ServerCertificates = messages.MatchSHA256, [][]byte{digest, digest}
	tree = ToTree([]messages.Account{a})
	if v, _ := tree.Value(mustPath("/0/0/13")); v != lwm2m.Unsigned(1) {
		t.Errorf("matching type %v", v)
	}
	if v, _ := tree.Value(mustPath("/0/0/4")); !bytes.Equal(v.Bytes(), slices.Concat(digest, digest)) {
		t.Errorf("server public key %v", v)
	}
}

func TestCheckRefusesWhatNoServerProves(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	key := set.Server.Cert.RawSubjectPublicKeyInfo
	for name, c := range map[string]struct {
		matching uint64
		content  []byte
		path     string
		reason   Reason
	}{
		"nothing":                  {1, nil, "/0/2/4", ReasonEmpty},
		"nothing exact":            {0, nil, "/0/2/4", ReasonEmpty},
		"a byte less":              {1, make([]byte, 31), "/0/2/13", ReasonMatchingType},
		"a byte more":              {1, make([]byte, 33), "/0/2/13", ReasonMatchingType},
		"SHA-256 as SHA-512":       {3, make([]byte, 32), "/0/2/13", ReasonMatchingType},
		"a key in place of digest": {1, key, "/0/2/13", ReasonMatchingType},
		"eleven digests":           {1, make([]byte, 32*11), "/0/2/4", ReasonTooLong},
		"a digest as certificate":  {0, make([]byte, 32), "/0/2/4", ReasonCertificate},
		"matching type 4":          {4, make([]byte, 32), "/0/2/13", ReasonMatchingType},
		"matching type 257":        {257, make([]byte, 32), "/0/2/13", ReasonMatchingType},
		"eleven keys":              {0, bytes.Repeat(key, 11), "/0/2/4", ReasonTooLong},
		"a key and a tail":         {0, append(slices.Clone(key), 0), "/0/2/4", ReasonCertificate},
		"a key, a certificate":     {0, slices.Concat(key, set.CA.Cert.Raw), "/0/2/4", ReasonCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			tree := goodTree(t, set)
			put(tree, "/0/2/13", lwm2m.Unsigned(c.matching))
			put(tree, "/0/2/4", lwm2m.Opaque(c.content))
			var faults Faults
			if err := Check(tree); !errors.As(err, &faults) || faults[0].Path.String() != c.path || faults[0].Reason != c.reason {
				t.Errorf("%v", err)
			}
		})
	}
}

// What is as long as digests, and is a key, is not taken for digests.
func TestAKeyAsLongAsDigests(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	found := false
	for bits := uint(1024); bits < 2048 && !found; bits += 8 {
		key := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), bits), E: 65537}
		der := mustSPKI(t, key)
		if found = len(der)%32 == 0; found {
			tree := goodTree(t, set)
			put(tree, "/0/2/13", lwm2m.Unsigned(1))
			put(tree, "/0/2/4", lwm2m.Opaque(der))
			wantFault(t, Check(tree), "/0/2/13", ReasonMatchingType)
		}
	}
	if !found {
		t.Error("no key of that length")
	}
}

// With raw public keys the matching type counts for digests, and not where the key
// itself is there: servers fill it in with anything.
func TestRawPublicKeyAsADigest(t *testing.T) {
	a := rpkAccount(t, messages.ManagementPeer(1), elliptic.P256())
	server := a.Credentials.ServerCertificates[0]
	for matching, digest := range map[messages.MatchingType][]byte{
		messages.MatchSHA256: sha256Of(server), messages.MatchSHA384: sha384Of(server), messages.MatchSHA512: sha512Of(server),
	} {
		a.Credentials.Matching, a.Credentials.ServerCertificates = matching, [][]byte{digest}
		got, errs := FromTree(ToTree([]messages.Account{a}))
		if len(errs) > 0 || !reflect.DeepEqual(got[0].Credentials, a.Credentials) {
			t.Errorf("%d: %v, %+v", matching, errs, got)
		}
		tree := ToTree([]messages.Account{a})
		put(tree, "/0/0/4", lwm2m.Opaque(server))
		if got, errs := FromTree(tree); len(errs) > 0 || got[0].Credentials.Matching != messages.MatchExact || !bytes.Equal(got[0].Credentials.ServerCertificates[0], server) {
			t.Errorf("the key beside matching type %d: %v, %+v", matching, errs, got)
		}
		put(tree, "/0/0/4", lwm2m.Opaque(digest[1:]))
		wantFault(t, Check(tree), "/0/0/4", ReasonPublicKey)
	}
}

func TestServerNames(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	for name, good := range map[string]bool{
		"server.test": true, "192.0.2.1": true, "2001:db8::1": true, "": true, strings.Repeat("a", 253): true,
		strings.Repeat("a", 254): false, "server test": false, "server\x00.test": false, "bücher.example": false, "a\n": false, "\x7f": false,
	} {
		tree := goodTree(t, set)
		put(tree, "/0/2/14", lwm2m.String(name))
		if err := Check(tree); err != nil {
			t.Errorf("a record with %q: %v", name, err) // what is stored stays in use
		}
		if _, _, err := bring(tree, terms()); good {
			if err != nil {
				t.Errorf("%q: %v", name, err)
			}
		} else {
			wantFault(t, err, "/0/2/14", ReasonServerName)
		}
	}
}

// A key with which nothing can be signed is refused when the bootstrap is finished.
func TestFinishRefusesKeysThatDoNotSign(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	root := testpki.Root(t, "root", nil)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224, _, _ := newKey(t, elliptic.P224())
	p521, _, _ := newKey(t, elliptic.P521())
	for name, test := range map[string]struct {
		key crypto.Signer
		ok  bool
	}{"Ed25519": {edwards, false}, "P-224": {p224, false}, "P-521": {p521, true}} {
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}, root.Cert, test.key.Public(), root.Key)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(test.key)
		if err != nil {
			t.Fatal(err)
		}
		tree := goodTree(t, set)
		put(tree, "/0/2/3", lwm2m.Opaque(der))
		put(tree, "/0/2/5", lwm2m.Opaque(private))
		if err := Check(tree); err != nil {
			t.Errorf("a record with a key for %s: %v", name, err)
		}
		if _, _, err := bring(tree, terms()); test.ok {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		} else {
			wantFault(t, err, "/0/2/5", ReasonKeyType)
		}
	}
}

// bring finishes a bootstrap that leaves a tree where there was nothing.
func bring(tree *lwm2m.Tree, terms Terms) (*lwm2m.Tree, []byte, error) {
	base := tree.Clone()
	for _, inst := range tree.Instances(0) {
		if said, _ := tree.Value(lwm2m.PathOf(0, inst, 1)); !said.Bool() {
			base.DeleteInstance(0, inst)
		}
	}
	tx := Begin(base, terms)
	tx.work = tree.Clone()
	return tx.Finish(someTime)
}

// What the device has already a bootstrap may leave as it is.
func TestFinishLeavesWhatWasThere(t *testing.T) {
	tree := goodTree(t, testpki.Must(t, "gw-0001"))
	put(tree, "/0/2/15", lwm2m.Unsigned(0))
	put(tree, "/0/1/14", lwm2m.String("a b"))
	if _, _, err := Begin(tree, terms()).Finish(someTime); err != nil {
		t.Error(err)
	}
	wantFault(t, CheckNew(tree, withoutKey(tree), false), "/0/2/15", ReasonNoTrustStore)
}

// withoutKey changes what account 2 knows of its server.
func withoutKey(tree *lwm2m.Tree) *lwm2m.Tree {
	changed := tree.Clone()
	put(changed, "/0/2/13", lwm2m.Unsigned(1))
	put(changed, "/0/2/4", lwm2m.Opaque(sha256Of(nil)))
	return changed
}

// A device without a trust store says so when the bootstrap is finished, and keeps
// what it has; one with a trust store takes it.
func TestFinishWithoutATrustStore(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	for usage, needs := range map[uint64]bool{0: true, 1: true, 2: false, 3: false} {
		for _, has := range []bool{false, true} {
			tree := goodTree(t, set)
			put(tree, "/0/2/15", lwm2m.Unsigned(usage))
			conditions := terms()
			conditions.TrustStore = has
			_, _, err := bring(tree, conditions)
			if needs && !has {
				wantFault(t, err, "/0/2/15", ReasonNoTrustStore)
			} else if err != nil {
				t.Errorf("usage %d, trust store %t: %v", usage, has, err)
			}
		}
	}
	// The bootstrap server's own account is no matter of the bootstrap.
	own := x509Account(t, messages.BootstrapPeer(), set)
	own.Credentials.Usage = messages.UsageCAConstraint
	tree := ToTree([]messages.Account{own, pskAccount(t, messages.ManagementPeer(1))})
	if _, _, err := bring(tree, terms()); err != nil {
		t.Error(err)
	}
}

// A chain in any order is shown in its own: leaf, issuer, its issuer.
func TestChainsAreArranged(t *testing.T) {
	root := testpki.Root(t, "root", nil)
	middle := root.Sub(t, "middle", nil)
	leaf := middle.Leaf(t, "gw-0001", nil)
	stranger := testpki.Must(t, "gw-0001").OtherCA.Cert
	former := root.Sub(t, "middle", nil).Cert // of the same name, with another key
	key, err := x509.MarshalPKCS8PrivateKey(leaf.Key)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ given, want []*x509.Certificate }{
		"in order":           {list(leaf.Cert, middle.Cert, root.Cert), list(leaf.Cert, middle.Cert, root.Cert)},
		"leaf alone":         {list(leaf.Cert), list(leaf.Cert)},
		"root first":         {list(root.Cert, middle.Cert, leaf.Cert), list(leaf.Cert, middle.Cert, root.Cert)},
		"leaf in the middle": {list(root.Cert, leaf.Cert, middle.Cert), list(leaf.Cert, middle.Cert, root.Cert)},
		"a gap":              {list(root.Cert, leaf.Cert), list(leaf.Cert, root.Cert)},
		"a former authority": {list(former, leaf.Cert, middle.Cert), list(leaf.Cert, middle.Cert, former)},
		"a stranger":         {list(stranger, middle.Cert, leaf.Cert), list(leaf.Cert, middle.Cert, stranger)},
	} {
		a := x509Account(t, messages.ManagementPeer(1), testpki.Must(t, "gw-0001"))
		a.Credentials.Certificate, a.Credentials.PrivateKey = raw(c.given), key
		got, errs := FromTree(ToTree([]messages.Account{a}))
		if len(errs) > 0 || !reflect.DeepEqual(got[0].Credentials.Certificate, raw(c.want)) {
			t.Errorf("%s: %v", name, errs)
		}
	}
	a := x509Account(t, messages.ManagementPeer(1), testpki.Must(t, "gw-0001"))
	a.Credentials.Certificate, a.Credentials.PrivateKey = raw(list(root.Cert, middle.Cert)), key
	wantFault(t, Check(ToTree([]messages.Account{a})), "/0/0/5", ReasonKeyMismatch)
}

func list(certs ...*x509.Certificate) []*x509.Certificate { return certs }

// encryptedKey is an EncryptedPrivateKeyInfo in form: an algorithm, and octets.
var encryptedKey = []byte{0x30, 0x0f, 0x30, 0x05, 0x06, 0x03, 0x2a, 0x03, 0x04, 0x04, 0x06, 1, 2, 3, 4, 5, 6}

func TestEncryptedKeysAreNamed(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	tree := goodTree(t, set)
	put(tree, "/0/2/5", lwm2m.Opaque(encryptedKey))
	wantFault(t, Check(tree), "/0/2/5", ReasonEncryptedKey)
	tree = ToTree([]messages.Account{rpkAccount(t, messages.ManagementPeer(1), elliptic.P256())})
	put(tree, "/0/0/5", lwm2m.Opaque(encryptedKey))
	wantFault(t, Check(tree), "/0/0/5", ReasonEncryptedKey)
	der, err := set.Client.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := marshalSEC1(set.Client)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range [][]byte{der, sec1, set.Client.Cert.Raw, set.Client.Cert.RawSubjectPublicKeyInfo, append(slices.Clone(encryptedKey), 0), nil} {
		if EncryptedKey(other) {
			t.Errorf("%x is taken for an encrypted key", other)
		}
	}
}

// FuzzServer throws content and matching types at the reader of what a server has to
// prove: it finds a fault, or what it has read is what it reads again.
func FuzzServer(f *testing.F) {
	set := testpki.Must(f, "gw-0001")
	f.Add(uint64(0), set.Server.Cert.Raw)
	f.Add(uint64(0), set.Server.Cert.RawSubjectPublicKeyInfo)
	f.Add(uint64(1), sha256Of(nil))
	f.Add(uint64(2), sha384Of(nil))
	f.Add(uint64(3), slices.Concat(sha512Of(nil), sha512Of([]byte{1})))
	f.Add(uint64(9), []byte{})
	f.Fuzz(func(t *testing.T, matching uint64, content []byte) {
		for _, mode := range []int64{1, 2} {
			a := x509Account(t, messages.ManagementPeer(1), set)
			if mode == 1 {
				der, err := set.Client.KeyDER()
				if err != nil {
					t.Fatal(err)
				}
				a.Credentials = messages.Credentials{
					Mode: messages.SecurityRPK, Certificate: [][]byte{set.Client.Cert.RawSubjectPublicKeyInfo}, PrivateKey: der,
				}
			}
			tree := ToTree([]messages.Account{a})
			put(tree, "/0/0/13", lwm2m.Unsigned(matching))
			put(tree, "/0/0/4", lwm2m.Opaque(content))
			got, errs := FromTree(tree)
			if len(errs) > 0 {
				continue
			}
			again, errs := FromTree(ToTree(got))
			if len(errs) > 0 || !reflect.DeepEqual(got[0].Credentials, again[0].Credentials) {
				t.Errorf("mode %d: %+v, and again %+v, %v", mode, got[0].Credentials, again, errs)
			}
		}
	})
}
