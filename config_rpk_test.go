package holdfast

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/messages"
)

// rpkKeys are the keys of one account, in DER.
type rpkKeys struct{ private, public, server []byte }

// rawKeys returns an account of raw public keys with good files, without a file
// for the own public key.
func rawKeys(t *testing.T, curve elliptic.Curve) (rpkKeys, *Account) {
	t.Helper()
	key, private := ecKey(t, curve)
	server, _ := ecKey(t, elliptic.P256())
	keys := rpkKeys{private, spki(t, &key.PublicKey), spki(t, &server.PublicKey)}
	return keys, &Account{
		URI: "coaps://lwm2m.test", Security: SecurityRPK,
		PrivateKey: writePEM(t, "PRIVATE KEY", private), Trust: writePEM(t, "PUBLIC KEY", keys.server),
	}
}

func ecKey(t *testing.T, curve elliptic.Curve) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

func spki(t *testing.T, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// The own public key comes from the private key, from a file of its own, or
// from a certificate; the server's from either form of file. All mean the same.
func TestFactoryTreeRawPublicKeys(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, "gw-0001")
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		keys, account := rawKeys(t, curve)
		want := messages.Credentials{
			Mode: messages.SecurityRPK, Certificate: [][]byte{keys.public}, PrivateKey: keys.private,
			ServerCertificates: [][]byte{keys.server},
		}
		for name, file := range map[string]string{"implied": "", "named": writePEM(t, "PUBLIC KEY", keys.public)} {
			a := *account
			a.Certificate = file
			got := mustAccounts(t, Config{Endpoint: "gw-0001", Server: &a, Bootstrap: &a})
			for _, g := range got {
				if diff := cmp.Diff(want, g.Credentials); diff != "" || len(got) != 2 {
					t.Errorf("%s: %s", name, diff)
				}
			}
		}
	}
	files := set.Client.WriteFiles(t)
	_, account := rawKeys(t, elliptic.P256())
	account.PrivateKey = files.Key
	account.Certificate = write(t, slices.Concat(testpki.CertPEM(set.Client.Cert), testpki.CertPEM(set.CA.Cert)))
	account.Trust = set.ServerExpired.WriteFiles(t).Cert // nothing but its key counts
	got := mustAccounts(t, Config{Endpoint: "gw-0001", Server: account})[0].Credentials
	if diff := cmp.Diff([][]byte{spki(t, &set.Client.Key.PublicKey)}, got.Certificate); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]byte{spki(t, &set.ServerExpired.Key.PublicKey)}, got.ServerCertificates); diff != "" {
		t.Error(diff)
	}
}

func TestCheckFilesNamesEveryFaultOfRawPublicKeys(t *testing.T) {
	t.Parallel()
	keys, good := rawKeys(t, elliptic.P256())
	other, private521 := ecKey(t, elliptic.P521())
	p224, _ := ecKey(t, elliptic.P224())
	missing := filepath.Join(t.TempDir(), "none")
	two := slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: keys.server}),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: keys.public}))
	const notECDSA = "is not one ECDSA public key as SubjectPublicKeyInfo in DER"
	for _, test := range []struct {
		name string
		edit func(*Account)
		want []string // with .* for the files' names
	}{
		{"missing files", func(a *Account) { a.Certificate, a.PrivateKey, a.Trust = missing, missing, missing }, []string{
			"server.private_key: the file .* does not exist", "server.certificate: the file .* does not exist", "server.trust: the file .* does not exist",
		}},
		{"no PEM", func(a *Account) { a.Trust = write(t, keys.server) }, []string{"server.trust: .* holds neither a public key nor a certificate in PEM"}},
		{"garbage key", func(a *Account) { a.Trust = writePEM(t, "PUBLIC KEY", []byte("x")) }, []string{"server.trust: " + notECDSA}},
		{"garbage certificate", func(a *Account) { a.Trust = writePEM(t, "CERTIFICATE", []byte("x")) }, []string{"server.trust: a certificate of .* cannot be parsed"}},
		{"RSA", func(a *Account) { a.Trust = writePEM(t, "PUBLIC KEY", spki(t, rsaPublic(t))) }, []string{"server.trust: " + notECDSA}},
		{"two keys", func(a *Account) { a.Trust = write(t, two) }, []string{"server.trust: .* holds more than one key: the server has one"}},
		{"curve of the server", func(a *Account) { a.Trust = writePEM(t, "PUBLIC KEY", spki(t, &p224.PublicKey)) }, []string{"server.trust: is a key on another curve than P-256 and P-384"}},
		{"own curve", func(a *Account) { a.PrivateKey = writePEM(t, "PRIVATE KEY", private521) }, []string{"server.private_key: .* holds a key on another curve than P-256 and P-384"}},
		{"mismatch", func(a *Account) { a.Certificate = writePEM(t, "PUBLIC KEY", keys.server) }, []string{"server.private_key: does not belong to the public key"}},
		{"own garbage", func(a *Account) { a.Certificate = writePEM(t, "PUBLIC KEY", []byte("x")) }, []string{"server.certificate: " + notECDSA}},
		{"own curve, named", func(a *Account) {
			a.PrivateKey = writePEM(t, "PRIVATE KEY", private521)
			a.Certificate = writePEM(t, "PUBLIC KEY", spki(t, &other.PublicKey))
		}, []string{"server.certificate: is a key on another curve than P-256 and P-384", "server.private_key: is a key on another curve than P-256 and P-384"}},
		{"no private key", func(a *Account) { a.PrivateKey = a.Trust }, []string{"server.private_key: .* holds no private key in PEM"}},
		{"encrypted", func(a *Account) { a.PrivateKey = writePEM(t, "ENCRYPTED PRIVATE KEY", []byte("x")) }, []string{"server.private_key: .* holds an encrypted key: store it without a passphrase"}},
		{"Ed25519", func(a *Account) { a.PrivateKey = writePEM(t, "PRIVATE KEY", ed25519DER(t)) }, []string{"server.private_key: .* holds a key that is not for ECDSA"}},
	} {
		a := *good
		test.edit(&a)
		err := Config{Endpoint: "gw-0001", StateDir: t.TempDir(), Server: &a}.CheckFiles()
		var list *CredentialsError
		if !errors.Is(err, ErrInvalidCredentials) || !errors.As(err, &list) {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := problems(list.Faults, a); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func rsaPublic(t *testing.T) any {
	t.Helper()
	return rsaDER(t).Public()
}

// A file gives the same keys as a Config.
func TestLoadRawPublicKeys(t *testing.T) {
	t.Parallel()
	_, account := rawKeys(t, elliptic.P256())
	path := writeConfig(t, "endpoint: g\nstate_dir: "+t.TempDir()+"\nbootstrap: {uri: coaps://lwm2m.test, security: rpk, private_key: "+
		account.PrivateKey+", trust: "+account.Trust+"}\n")
	loader := ConfigLoader{Path: path, LookupEnv: noEnv}
	if err := loader.Check(); err != nil {
		t.Fatal(err)
	}
	c, err := loader.Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(account, c.Bootstrap); diff != "" {
		t.Error(diff)
	}
}
