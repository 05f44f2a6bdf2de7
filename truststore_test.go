package holdfast

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/messages"
)

func pinOf(der []byte) (pin string, digest []byte) {
	sum := sha256.Sum256(der)
	return "sha256/" + base64.StdEncoding.EncodeToString(sum[:]), sum[:]
}

// What the configuration says of a server becomes what a handshake is told.
func TestFactoryTreeUsages(t *testing.T) {
	t.Parallel()
	set, good := pki(t)
	key := set.Server.Cert.RawSubjectPublicKeyInfo
	pin, digest := pinOf(key)
	public := writePEM(t, "PUBLIC KEY", key)
	for name, test := range map[string]struct {
		edit     func(*Account)
		usage    messages.CertificateUsage
		matching messages.MatchingType
		server   [][]byte
	}{
		"as before":         {func(*Account) {}, 2, 0, [][]byte{set.CA.Cert.Raw}},
		"usage 0":           {func(a *Account) { a.Usage = UsagePKIXTA }, 0, 0, [][]byte{set.CA.Cert.Raw}},
		"usage 1":           {func(a *Account) { a.Usage, a.Trust = UsagePKIXEE, set.Server.WriteFiles(t).Cert }, 1, 0, [][]byte{set.Server.Cert.Raw}},
		"usage 3, expired":  {func(a *Account) { a.Usage, a.Trust = "3", set.ServerExpired.WriteFiles(t).Cert }, 3, 0, [][]byte{set.ServerExpired.Cert.Raw}},
		"usage 3, a key":    {func(a *Account) { a.Usage, a.Trust = UsageDANEEE, public }, 3, 0, [][]byte{key}},
		"in DER":            {func(a *Account) { a.Usage, a.Trust = UsageDANEEE, write(t, key) }, 3, 0, [][]byte{key}},
		"anchors in DER":    {func(a *Account) { a.Trust = write(t, set.CA.Cert.Raw) }, 2, 0, [][]byte{set.CA.Cert.Raw}},
		"a pin":             {func(a *Account) { a.Usage, a.Trust, a.Pins = UsageDANEEE, "", []string{pin} }, 3, 1, [][]byte{digest}},
		"pins":              {func(a *Account) { a.Usage, a.Trust, a.Pins = UsageDANETA, "", []string{pin, pin} }, 2, 1, [][]byte{digest, digest}},
		"a key in memory":   {func(a *Account) { a.Usage, a.Trust, a.TrustAnchors = UsagePKIXEE, "", [][]byte{key} }, 1, 0, [][]byte{key}},
		"expired in memory": {func(a *Account) { a.Usage, a.Trust, a.TrustAnchors = "3", "", [][]byte{set.ServerExpired.Cert.Raw} }, 3, 0, [][]byte{set.ServerExpired.Cert.Raw}},
	} {
		a := *good
		test.edit(&a)
		a.ServerName = "named.test"
		c := Config{Endpoint: "gw-0001", StateDir: t.TempDir(), Server: &a, TrustStore: set.CA.WriteFile(t)}
		if err := c.CheckFiles(); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := mustAccounts(t, c)[0].Credentials
		if got.Usage != test.usage || got.Matching != test.matching || !slices.EqualFunc(got.ServerCertificates, test.server, bytes.Equal) || got.ServerName != "named.test" {
			t.Errorf("%s: usage %d, matching type %d, %d of the server's, %q", name, got.Usage, got.Matching, len(got.ServerCertificates), got.ServerName)
		}
	}
}

// Keys and chains as programs write them.
func TestFactoryTreeOwnKeys(t *testing.T) {
	t.Parallel()
	root := testpki.Root(t, "root", nil)
	middle := root.Sub(t, "middle", nil)
	leaf := middle.Leaf(t, "gw-0001", nil)
	p8, err := x509.MarshalPKCS8PrivateKey(leaf.Key)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(leaf.Key)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]byte{leaf.Cert.Raw, middle.Cert.Raw, root.Cert.Raw}
	inPEM := slices.Concat(testpki.CertPEM(root.Cert), testpki.CertPEM(leaf.Cert), testpki.CertPEM(middle.Cert))
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}})
	for name, test := range map[string]struct{ chain, key, want []byte }{
		"PKCS #8 in PEM":                {inPEM, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p8}), p8},
		"PKCS #8 in DER":                {inPEM, p8, p8},
		"SEC 1 in PEM, with parameters": {inPEM, append(parameters, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...), sec1},
		"SEC 1 in DER":                  {inPEM, sec1, sec1},
		"a chain in DER":                {slices.Concat(root.Cert.Raw, middle.Cert.Raw, leaf.Cert.Raw), p8, p8},
	} {
		a := &Account{URI: "coaps://h", Security: SecurityX509, Certificate: write(t, test.chain), PrivateKey: write(t, test.key), TrustAnchors: [][]byte{root.Cert.Raw}}
		got := mustAccounts(t, Config{Endpoint: "gw-0001", Server: a})[0].Credentials
		if diff := cmp.Diff(want, got.Certificate); diff != "" || !bytes.Equal(got.PrivateKey, test.want) {
			t.Errorf("%s: %s", name, diff)
		}
	}
	// In memory, and by a signer, the order does not matter either.
	a := &Account{
		URI: "coaps://h", Security: SecurityX509, Signer: leaf.Key, TrustAnchors: [][]byte{root.Cert.Raw},
		CertificateChain: [][]byte{middle.Cert.Raw, root.Cert.Raw, leaf.Cert.Raw},
	}
	if diff := cmp.Diff(want, mustAccounts(t, Config{Endpoint: "gw-0001", Server: a})[0].Credentials.Certificate); diff != "" {
		t.Error(diff)
	}
}

func TestCheckFilesNamesWhatIsWrongWithOwnKeys(t *testing.T) {
	t.Parallel()
	_, good := pki(t)
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := x509.MarshalECPrivateKey(p521)
	if err != nil {
		t.Fatal(err)
	}
	encrypted := []byte{0x30, 0x0f, 0x30, 0x05, 0x06, 0x03, 0x2a, 0x03, 0x04, 0x04, 0x06, 1, 2, 3, 4, 5, 6}
	for name, test := range map[string]struct{ key, want string }{
		"encrypted, in PEM": {writePEM(t, "ENCRYPTED PRIVATE KEY", encrypted), ".* holds an encrypted key: store it without a passphrase"},
		"encrypted, by OpenSSL": {write(t, pem.EncodeToMemory(&pem.Block{
			Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte{1},
		})), ".* holds an encrypted key: store it without a passphrase"},
		"encrypted, in DER":     {write(t, encrypted), ".* holds an encrypted key: store it without a passphrase"},
		"RSA, in DER":           {write(t, x509.MarshalPKCS1PrivateKey(rsaDER(t))), ".* holds a key that is not for ECDSA"},
		"Ed25519, in DER":       {write(t, ed25519DER(t)), ".* holds a key that is not for ECDSA"},
		"of no certificate":     {write(t, other), "does not belong to the certificate"},
		"a certificate, in DER": {write(t, []byte{0x30, 0}), ".* holds no private key in PEM"},
	} {
		a := *good
		a.PrivateKey = test.key
		err := Config{Endpoint: "gw-0001", StateDir: t.TempDir(), Server: &a}.CheckFiles()
		var list *CredentialsError
		if !errors.As(err, &list) || !slices.Equal(problems(list.Faults, a), []string{"server.private_key: " + test.want}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The trust store is read whenever a link needs it; what is wrong with it is said by
// its key.
func TestTrustStoreFiles(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, "gw-0001")
	two := slices.Concat(testpki.CertPEM(set.CA.Cert), []byte("# a comment\n"), testpki.CertPEM(set.OtherCA.Cert))
	for name, test := range map[string]struct {
		c    Config
		want int
	}{
		"PEM":       {Config{TrustStore: write(t, two)}, 2},
		"DER":       {Config{TrustStore: write(t, set.CA.Cert.Raw)}, 1},
		"in memory": {Config{TrustStoreAnchors: [][]byte{set.CA.Cert.Raw, set.OtherCA.Cert.Raw}}, 2},
		"many":      {Config{TrustStore: write(t, bytes.Repeat(testpki.CertPEM(set.CA.Cert), 200))}, 200},
	} {
		read := test.c.trustStore()
		got, err := read()
		if err != nil || len(got.List) != test.want || got.Pool == nil {
			t.Errorf("%s: %d, %v", name, len(got.List), err)
		}
	}
	missing := filepath.Join(t.TempDir(), "none")
	for name, test := range map[string]struct {
		c    Config
		want string
		code ErrorCode
	}{
		"missing":       {Config{TrustStore: missing}, `the file "` + missing + `" does not exist`, CodeInvalidCredentials},
		"garbage":       {Config{TrustStore: write(t, []byte("x"))}, ".* holds no certificate in PEM", CodeInvalidCredentials},
		"a broken one":  {Config{TrustStore: writePEM(t, "CERTIFICATE", []byte("x"))}, "certificate 1 of .* cannot be parsed", CodeInvalidCredentials},
		"too many":      {Config{TrustStoreAnchors: slices.Repeat([][]byte{set.CA.Cert.Raw}, 1001)}, "has more than 1000 certificates in memory", CodeInvalidCredentials},
		"broken memory": {Config{TrustStoreAnchors: [][]byte{{0}}}, "certificate 1 of those in memory cannot be parsed", CodeInvalidCredentials},
	} {
		if _, err := test.c.trustStore()(); err == nil {
			t.Errorf("%s: no error", name)
		}
		c := test.c
		c.Endpoint, c.StateDir = "gw-0001", t.TempDir()
		var list *CredentialsError
		if err := c.CheckFiles(); !errors.As(err, &list) || len(list.Faults) != 1 || list.Faults[0].Key != "trust_store" || list.Code() != test.code ||
			problems(list.Faults, Account{Trust: c.TrustStore})[0] != "trust_store: "+test.want && list.Faults[0].Problem != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if (Config{}).trustStore() != nil {
		t.Error("a device without a trust store has one")
	}
	// What is put right counts without a restart.
	file := write(t, []byte("x"))
	read := Config{TrustStore: file}.trustStore()
	if _, err := read(); err == nil {
		t.Error("garbage is read")
	}
	if err := os.WriteFile(file, two, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := read(); err != nil || len(got.List) != 2 {
		t.Errorf("%d, %v", len(got.List), err)
	}
}
