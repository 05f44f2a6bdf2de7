package credfile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// inMemory are good credentials of both modes with keys.
func inMemory(t *testing.T) (certified, raw Source) {
	t.Helper()
	set := testpki.Must(t, "gw-0001")
	server, err := x509.MarshalPKIXPublicKey(set.Server.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	certified = Source{
		Mode: messages.SecurityX509, Chain: [][]byte{set.Client.Cert.Raw}, Signer: set.Client.Key, Anchors: [][]byte{set.CA.Cert.Raw},
	}
	return certified, Source{Mode: messages.SecurityRPK, Signer: set.Client.Key, Anchors: [][]byte{server}}
}

func TestCredentialsFromMemoryHoldNoPrivateKey(t *testing.T) {
	certified, raw := inMemory(t)
	for _, s := range []Source{certified, raw} {
		c, faults := Read(s, validity.Clock{Now: time.Now()})
		if len(faults) > 0 {
			t.Fatalf("%s: %v", s.Mode, faults)
		}
		public, err := x509.ParsePKIXPublicKey(c.PrivateKey)
		if err != nil || !s.Signer.Public().(*ecdsa.PublicKey).Equal(public) {
			t.Errorf("%s: the key is %x, %v", s.Mode, []byte(c.PrivateKey), err)
		}
		if len(c.Certificate) != 1 || len(c.ServerCertificates) != 1 {
			t.Errorf("%s: %d and %d", s.Mode, len(c.Certificate), len(c.ServerCertificates))
		}
	}
}

func TestCredentialsFromMemoryAreHeldToTheRulesOfFiles(t *testing.T) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	garbage := [][]byte{[]byte("garbage")}
	for name, test := range map[string]struct {
		change func(certified, raw *Source)
		key    string
	}{
		"a chain that does not parse":  {func(c, _ *Source) { c.Chain = garbage }, "certificate"},
		"anchors that do not parse":    {func(c, _ *Source) { c.Anchors = garbage }, "trust"},
		"too long a chain":             {func(c, _ *Source) { c.Chain = slices.Repeat(c.Chain, maxCertificates+1) }, "certificate"},
		"too many anchors":             {func(c, _ *Source) { c.Anchors = slices.Repeat(c.Anchors, maxCertificates+1) }, "trust"},
		"a signer of another kind":     {func(c, _ *Source) { c.Signer = edwards }, "private_key"},
		"a nil pointer for a signer":   {func(c, _ *Source) { c.Signer = (*ecdsa.PrivateKey)(nil) }, "private_key"},
		"a raw nil pointer":            {func(_, r *Source) { r.Signer = (*ecdsa.PrivateKey)(nil) }, "private_key"},
		"a signer that panics":         {func(c, _ *Source) { c.Signer = gone{} }, "private_key"},
		"a raw key on P-224":           {func(_, r *Source) { r.Signer = p224 }, "private_key"},
		"two raw keys of the server":   {func(_, r *Source) { r.Anchors = slices.Repeat(r.Anchors, 2) }, "trust"},
		"a raw signer of another kind": {func(_, r *Source) { r.Signer = crypto.Signer(edwards) }, "private_key"},
	} {
		certified, raw := inMemory(t)
		test.change(&certified, &raw)
		var keys []string
		for _, s := range []Source{certified, raw} {
			_, faults := Read(s, validity.Clock{Now: time.Now()})
			for _, f := range faults {
				keys = append(keys, f.Key)
			}
		}
		if !slices.Contains(keys, test.key) {
			t.Errorf("%s: faults in %v", name, keys)
		}
	}
}

// gone is the signer of a token that is not there.
type gone struct{ crypto.Signer }

func TestAnchorsFromMemoryExpire(t *testing.T) {
	certified, _ := inMemory(t)
	_, faults := Read(certified, validity.Clock{Now: time.Now().Add(100 * 365 * 24 * time.Hour)})
	if len(faults) != 1 || faults[0].Key != "trust" {
		t.Errorf("%v", faults)
	}
}

// A chain that does not begin with the leaf is put in order by the key, for handshakes
// and for its expiry.
func TestChainsAreArrangedByTheKey(t *testing.T) {
	root := testpki.Root(t, "root", nil)
	leaf := root.Leaf(t, "gw-0001", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Hour) })
	s := Source{
		Mode: messages.SecurityX509, Chain: [][]byte{root.Cert.Raw, leaf.Cert.Raw}, Signer: leaf.Key, Anchors: [][]byte{root.Cert.Raw},
	}
	c, faults := Read(s, validity.Clock{Now: time.Now()})
	if len(faults) > 0 || len(c.Certificate) != 2 || !slices.Equal(c.Certificate[0], leaf.Cert.Raw) {
		t.Errorf("%v, %d certificates", faults, len(c.Certificate))
	}
	if at := Expires(s); !at.Equal(leaf.Cert.NotAfter) {
		t.Errorf("expires %v", at)
	}
}
