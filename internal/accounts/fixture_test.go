package accounts

import (
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

const secretText = "0123456789abcdef"

func mustURI(t testing.TB, s string) uri.URI {
	t.Helper()
	u, err := uri.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func pskCredentials() messages.Credentials {
	return messages.Credentials{Mode: messages.SecurityPSK, Identity: "gw-0001", Key: messages.Secret(secretText)}
}

func x509Credentials(t testing.TB, set *testpki.Set) messages.Credentials {
	t.Helper()
	key, err := set.Client.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	return messages.Credentials{
		Mode:               messages.SecurityX509,
		Certificate:        [][]byte{set.Client.Cert.Raw, set.CA.Cert.Raw},
		PrivateKey:         key,
		Usage:              messages.UsageTrustAnchor,
		ServerCertificates: [][]byte{set.CA.Cert.Raw, set.OtherCA.Cert.Raw},
		ServerName:         "server.test",
	}
}

func bootstrapAccount(t testing.TB) messages.Account {
	return messages.Account{
		Peer:        messages.BootstrapPeer(),
		URI:         mustURI(t, "coaps://127.0.0.1:5784?aid=abc"),
		Credentials: pskCredentials(),
		HoldOff:     3 * time.Second,
	}
}

func pskAccount(t testing.TB, p messages.Peer) messages.Account {
	return messages.Account{
		Peer: p, URI: mustURI(t, "coaps://[::1]/path"), Credentials: pskCredentials(), Lifetime: 24 * time.Hour,
	}
}

func nosecAccount(t testing.TB, p messages.Peer) messages.Account {
	return messages.Account{
		Peer: p, URI: mustURI(t, "coap://example.com"),
		Credentials: messages.Credentials{Mode: messages.SecurityNoSec}, Lifetime: time.Minute,
	}
}

func x509Account(t testing.TB, p messages.Peer, set *testpki.Set) messages.Account {
	return messages.Account{
		Peer: p, URI: mustURI(t, "coaps://example.com"), Credentials: x509Credentials(t, set), Lifetime: time.Hour,
	}
}

// put sets one resource; drop removes one.
func put(tree *lwm2m.Tree, path string, v lwm2m.Value) {
	p := mustPath(path)
	tree.PutResource(p.Object(), p.Instance(), lwm2m.Resource{ID: p.Resource(), Value: v})
}

func drop(tree *lwm2m.Tree, path string) { tree.DeleteResource(mustPath(path)) }

func mustPath(s string) lwm2m.Path {
	p, err := lwm2m.ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

// renumber gives accounts the instances that ToTree hands out.
func renumber(accts []messages.Account) []messages.Account {
	out := slices.Clone(accts)
	server := uint16(0)
	for i := range out {
		out[i].SecurityInstance = uint16(i)
		if out[i].Peer != messages.BootstrapPeer() {
			out[i].ServerInstance = server
			server++
		}
	}
	return out
}

func marshalSEC1(l *testpki.Leaf) ([]byte, error) { return x509.MarshalECPrivateKey(l.Key) }
