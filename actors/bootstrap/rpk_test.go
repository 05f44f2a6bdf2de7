package bootstrap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// keyPair returns the halves of a new key: PKCS #8 and SubjectPublicKeyInfo.
func keyPair(t *testing.T, curve elliptic.Curve) (private, public []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if private, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		t.Fatal(err)
	}
	if public, err = x509.MarshalPKIXPublicKey(&key.PublicKey); err != nil {
		t.Fatal(err)
	}
	return private, public
}

// rawKeys is a Security instance of mode 1 for server 123.
func rawKeys(own, server, private []byte) []lwm2m.Resource {
	resources := security("coaps://127.0.0.1:5684", false, 1, string(own), string(private), 123)
	resources[4].Value = lwm2m.Opaque(server)
	return resources
}

// delivered writes a Security instance and its Server instance in one format,
// and returns what Finish makes of them.
func delivered(t *testing.T, format messages.Format, body []lwm2m.Resource) (*Machine, []core.Effect) {
	t.Helper()
	return deliveredTo(t, Config{}, format, body)
}

// deliveredTo is delivered, to a device that is configured.
func deliveredTo(t *testing.T, c Config, format messages.Format, body []lwm2m.Resource) (*Machine, []core.Effect) {
	t.Helper()
	m := openedWith(t, c, "1.1", bareTree())
	for path, body := range map[string][]lwm2m.Resource{"/0/1": body, "/1/0": bodies["server-123"]} {
		in := at(writing(path, format, encodeBody(format, mustPath(path), nodes(mustPath(path), body))))
		if r := reply(t, m.Step(start, in)); r.Code != messages.Changed {
			t.Fatalf("%s: answered %v", path, r.Code)
		}
	}
	return m, m.Step(start, at(inbound(messages.POST, "/bs")))
}

// A bootstrap server hands out raw public keys: they are accepted at Finish and
// stored as they came.
func TestFinishAcceptsRawPublicKeys(t *testing.T) {
	_, server := keyPair(t, elliptic.P256())
	for _, format := range []messages.Format{tlvF, cborF, jsonF} {
		private, own := keyPair(t, elliptic.P384())
		m, effects := delivered(t, format, rawKeys(own, server, private))
		if m.State() != Persisting {
			t.Fatalf("format %v: state %v, %v", format, m.State(), effects)
		}
		tree, err := accounts.Decode(effects[len(effects)-1].(core.Persist).Data)
		if err != nil {
			t.Fatal(err)
		}
		list, errs := accounts.FromTree(tree)
		if len(errs) > 0 || len(list) != 2 {
			t.Fatalf("format %v: %v, %v", format, list, errs)
		}
		got := list[1].Credentials
		if got.Mode != messages.SecurityRPK || !slices.Equal(got.Certificate[0], own) ||
			!slices.Equal(got.ServerCertificates[0], server) || !slices.Equal(got.PrivateKey, private) {
			t.Errorf("format %v: %v", format, got)
		}
	}
}

// What no handshake could use is refused at Finish, and nothing is stored.
func TestFinishRefusesRawPublicKeys(t *testing.T) {
	private, own := keyPair(t, elliptic.P256())
	_, server := keyPair(t, elliptic.P256())
	_, p521 := keyPair(t, elliptic.P521())
	for name, body := range map[string][]lwm2m.Resource{
		"no own key":             rawKeys(nil, server, private),
		"no server key":          rawKeys(own, nil, private),
		"no private key":         rawKeys(own, server, nil),
		"server key of no curve": rawKeys(own, p521, private),
		"own key of another":     rawKeys(server, server, private),
		"garbage":                rawKeys(own, []byte("server"), private),
	} {
		m, effects := delivered(t, tlvF, body)
		if r := reply(t, effects); r.Code != messages.NotAcceptable || m.State() == Persisting {
			t.Errorf("%s: answered %v, state %v", name, r.Code, m.State())
		}
	}
}

// An account without security does not take the place of one with raw keys.
func TestFinishRefusesADowngradeFromRawPublicKeys(t *testing.T) {
	private, own := keyPair(t, elliptic.P256())
	_, server := keyPair(t, elliptic.P256())
	before := accounts.ToTree([]messages.Account{bootstrapAccount(), {
		Peer: messages.ManagementPeer(123), URI: mustURI("coaps://old.example"), Credentials: messages.Credentials{
			Mode: messages.SecurityRPK, Certificate: [][]byte{own}, PrivateKey: private, ServerCertificates: [][]byte{server},
		},
	}})
	m := opened(t, "1.1", before)
	in := at(writing("/0/1", tlvF, encodeBody(tlvF, mustPath("/0/1"), nodes(mustPath("/0/1"), bodies["nosec-123"]))))
	if r := reply(t, m.Step(start, in)); r.Code != messages.Changed {
		t.Fatalf("answered %v", r.Code)
	}
	if r := reply(t, m.Step(start, at(inbound(messages.POST, "/bs")))); r.Code != messages.NotAcceptable {
		t.Errorf("answered %v", r.Code)
	}
}
