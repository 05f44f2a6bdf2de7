package holdfast

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

func write(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	return write(t, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func mustTree(t *testing.T, c Config) *lwm2m.Tree {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	tree, err := c.factoryTree()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func mustAccounts(t *testing.T, c Config) []messages.Account {
	t.Helper()
	got, faults := accounts.FromTree(mustTree(t, c))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return got
}

func TestFactoryTreeInstances(t *testing.T) {
	t.Parallel()
	both := validConfig()
	onlyServer, onlyBootstrap, neither := both, both, both
	onlyServer.Bootstrap, onlyBootstrap.Server = nil, nil
	neither.Bootstrap, neither.Server = nil, nil
	for _, test := range []struct {
		name             string
		config           Config
		security, server []uint16
	}{
		{"both", both, []uint16{0, 1}, []uint16{0}},
		{"server", onlyServer, []uint16{0}, []uint16{0}},
		{"bootstrap", onlyBootstrap, []uint16{0}, []uint16{}},
		{"neither", neither, []uint16{}, []uint16{}},
	} {
		tree := mustTree(t, test.config)
		if got := tree.Instances(0); !slices.Equal(got, test.security) {
			t.Errorf("%s: security instances %v, want %v", test.name, got, test.security)
		}
		if got := tree.Instances(1); !slices.Equal(got, test.server) {
			t.Errorf("%s: server instances %v, want %v", test.name, got, test.server)
		}
	}
}

func TestFactoryTreeAccounts(t *testing.T) {
	t.Parallel()
	c := validConfig()
	c.AccountID, c.Lifetime = "a&b", time.Hour
	c.Server.URI = "coap://lwm2m.test?aid=own&x=y"
	want := []messages.Account{
		{
			Peer:        messages.BootstrapPeer(),
			URI:         uri.URI{Scheme: "coaps", Host: "bs.test", Port: 5684, Query: []string{"aid=a&b"}},
			Server:      "coaps://bs.test?aid=a%26b",
			Credentials: messages.Credentials{Mode: messages.SecurityPSK, Identity: "gw-0001", Key: []byte("0123456789abcdef")},
		},
		{
			Peer: messages.ManagementPeer(1), SecurityInstance: 1, Lifetime: time.Hour,
			URI:         uri.URI{Scheme: "coap", Host: "lwm2m.test", Port: 5683, Query: []string{"aid=own", "x=y"}},
			Server:      "coap://lwm2m.test?aid=own&x=y",
			Credentials: messages.Credentials{Mode: messages.SecurityNoSec},
		},
	}
	if diff := cmp.Diff(want, mustAccounts(t, c)); diff != "" {
		t.Error(diff)
	}
}

func TestFactoryTreePSKFile(t *testing.T) {
	t.Parallel()
	c := validConfig()
	c.Bootstrap.PSKKey, c.Bootstrap.PSKKeyFile = nil, write(t, []byte(" 00ffAA\r\n\n"))
	got := mustAccounts(t, c)[0].Credentials.Key
	if !bytes.Equal(got, []byte{0, 0xff, 0xaa}) {
		t.Errorf("the key has %d bytes", len(got))
	}
}

// pki returns an account of X.509 with good files.
func pki(t *testing.T) (*testpki.Set, *Account) {
	t.Helper()
	set := testpki.Must(t, "gw-0001")
	files := set.Client.WriteFiles(t)
	return set, &Account{
		URI: "coaps://" + testpki.ServerName, Security: SecurityX509,
		Certificate: files.Cert, PrivateKey: files.Key, Trust: set.CA.WriteFile(t),
	}
}

func TestFactoryTreeX509(t *testing.T) {
	t.Parallel()
	set, account := pki(t)
	chain := slices.Concat(testpki.CertPEM(set.Client.Cert), testpki.CertPEM(set.CA.Cert))
	account.Certificate = write(t, chain)
	account.Trust = write(t, slices.Concat([]byte("a comment\n"), testpki.CertPEM(set.CA.Cert), testpki.CertPEM(set.OtherCA.Cert)))
	key, err := set.Client.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	got := mustAccounts(t, Config{Endpoint: "gw-0001", Server: account})[0].Credentials
	want := messages.Credentials{
		Mode: messages.SecurityX509, Certificate: [][]byte{set.Client.Cert.Raw, set.CA.Cert.Raw}, PrivateKey: key,
		Usage: messages.UsageTrustAnchor, ServerCertificates: [][]byte{set.CA.Cert.Raw, set.OtherCA.Cert.Raw},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFactoryTreeSEC1AndBundle(t *testing.T) {
	t.Parallel()
	set, account := pki(t)
	der, err := x509.MarshalECPrivateKey(set.Client.Key)
	if err != nil {
		t.Fatal(err)
	}
	// As `openssl ecparam -genkey` writes it, parameters first; and with the
	// certificate in the same file.
	bundle := slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 0}}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}),
		testpki.CertPEM(set.Client.Cert),
	)
	account.PrivateKey = write(t, bundle)
	account.Certificate = account.PrivateKey
	got := mustAccounts(t, Config{Endpoint: "gw-0001", Server: account})[0].Credentials
	if !bytes.Equal(got.PrivateKey, der) || len(got.Certificate) != 1 {
		t.Errorf("%d bytes of key, %d certificates", len(got.PrivateKey), len(got.Certificate))
	}
}

func TestCheckFilesNamesEveryFault(t *testing.T) {
	t.Parallel()
	set, good := pki(t)
	missing := filepath.Join(t.TempDir(), "none")
	dir := t.TempDir()
	rsaKey := rsaDER(t)
	for _, test := range []struct {
		name string
		edit func(*Account)
		want []string // with .* for the files' names
	}{
		{"missing files", func(a *Account) { a.Certificate, a.PrivateKey, a.Trust = missing, missing, missing }, []string{
			"server.certificate: the file .* does not exist", "server.private_key: the file .* does not exist", "server.trust: the file .* does not exist",
		}},
		{"directory", func(a *Account) { a.Trust = dir }, []string{"server.trust: .* is not a regular file"}},
		{"too large", func(a *Account) { a.Trust = write(t, make([]byte, 64<<10+1)) }, []string{"server.trust: .* is larger than 64 KiB"}},
		{"no PEM", func(a *Account) { a.Certificate = write(t, set.Client.Cert.Raw[1:]) }, []string{"server.certificate: .* holds no certificate in PEM"}},
		{"no certificate", func(a *Account) { a.Certificate = writePEM(t, "CERTIFICATE", []byte("x")) }, []string{"server.certificate: certificate 1 of .* cannot be parsed"}},
		{"too many", func(a *Account) { a.Trust = write(t, bytes.Repeat(testpki.CertPEM(set.CA.Cert), 11)) }, []string{"server.trust: .* holds more than 10 certificates"}},
		{"own expired", func(a *Account) {
			files := set.ClientExpired.WriteFiles(t)
			a.Certificate, a.PrivateKey = files.Cert, files.Key
		}, []string{"server.certificate: holds an expired certificate"}},
		{"trust expired", func(a *Account) { a.Trust = set.ServerExpired.WriteFiles(t).Cert }, []string{"server.trust: .* holds only expired certificates"}},
		{"mismatch", func(a *Account) { a.PrivateKey = set.Server.WriteFiles(t).Key }, []string{"server.private_key: does not belong to the certificate"}},
		{"no key", func(a *Account) { a.PrivateKey = a.Certificate }, []string{"server.private_key: .* holds no private key in PEM"}},
		{"garbage key", func(a *Account) { a.PrivateKey = writePEM(t, "PRIVATE KEY", []byte("x")) }, []string{"server.private_key: .* holds a private key that is neither PKCS #8 nor SEC 1"}},
		{"encrypted key", func(a *Account) { a.PrivateKey = writePEM(t, "ENCRYPTED PRIVATE KEY", []byte("x")) }, []string{"server.private_key: .* holds an encrypted key: store it without a passphrase"}},
		{"RSA key", func(a *Account) { a.PrivateKey = writePEM(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)) }, []string{"server.private_key: .* holds a key that is not for ECDSA"}},
		{"Ed25519 key", func(a *Account) { a.PrivateKey = writePEM(t, "PRIVATE KEY", ed25519DER(t)) }, []string{"server.private_key: .* holds a key that is not for ECDSA"}},
		{"missing key file", pskFile(missing), []string{"server.psk_key_file: the file .* does not exist"}},
		{"no hex", pskFile(write(t, []byte("tiger"))), []string{"server.psk_key_file: .* does not hold a key in hexadecimal digits"}},
		{"empty", pskFile(write(t, []byte("\n"))), []string{"server.psk_key_file: .* is empty"}},
		{"long", pskFile(write(t, []byte(hex.EncodeToString(make([]byte, 65))))), []string{"server.psk_key_file: .* holds a key of more than 64 bytes"}},
	} {
		a := *good
		test.edit(&a)
		err := Config{Endpoint: "gw-0001", StateDir: dir, Server: &a}.CheckFiles()
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

// problems returns the faults with ".*" for the names of files.
func problems(faults []Fault, a Account) []string {
	var lines []string
	for _, f := range faults {
		line := f.String()
		for _, path := range []string{a.PSKKeyFile, a.Certificate, a.PrivateKey, a.Trust} {
			line = strings.ReplaceAll(line, `"`+path+`"`, ".*")
		}
		lines = append(lines, line)
	}
	return lines
}

func pskFile(path string) func(*Account) {
	return func(a *Account) {
		*a = Account{URI: "coaps://h", Security: SecurityPSK, PSKIdentity: "i", PSKKeyFile: path}
	}
}

func rsaDER(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ed25519DER(t *testing.T) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestFactoryTreeListsBothAccounts(t *testing.T) {
	t.Parallel()
	a := Account{URI: "coaps://h", Security: SecurityPSK, PSKIdentity: "i", PSKKeyFile: filepath.Join(t.TempDir(), "none")}
	_, err := Config{Endpoint: "g", Bootstrap: &a, Server: &a}.factoryTree()
	var list *CredentialsError
	if !errors.As(err, &list) || len(list.Faults) != 2 || list.Faults[0].Key != "bootstrap.psk_key_file" || list.Faults[1].Key != "server.psk_key_file" {
		t.Errorf("%v", err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not unwrap", err)
	}
}

func TestCredentialsErrorCode(t *testing.T) {
	t.Parallel()
	io := Fault{Err: &fs.PathError{Op: "read", Path: "x", Err: syscall.EIO}}
	for _, test := range []struct {
		name   string
		faults []Fault
		want   ErrorCode
	}{
		{"I/O", []Fault{io, io}, CodeReadCredentials},
		{"I/O and content", []Fault{io, {}}, CodeInvalidCredentials},
		{"missing", []Fault{{Err: &fs.PathError{Op: "stat", Path: "x", Err: syscall.ENOENT}}}, CodeInvalidCredentials},
		{"not allowed", []Fault{{Err: &fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}}}, CodeInvalidCredentials},
		{"no directory", []Fault{{Err: &fs.PathError{Op: "open", Path: "x", Err: syscall.ENOTDIR}}}, CodeInvalidCredentials},
	} {
		if got := (&CredentialsError{Faults: test.faults}).Code(); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// A configuration that is wrong in itself is looked at as far as it is right.
// A mistake accuses the key that it is in, and no other, whatever has its number.
func TestAMistakeAccusesOneKey(t *testing.T) {
	for _, lifetime := range []time.Duration{-time.Second, time.Second / 2, 1 << 62} {
		cfg := Config{
			Endpoint: "gw-0001", StateDir: t.TempDir(), Lifetime: lifetime,
			Server:    &Account{URI: "coap://127.0.0.1", Security: SecurityNoSec},
			Bootstrap: &Account{URI: "coap://127.0.0.2", Security: SecurityNoSec},
		}
		err := cfg.CheckFiles()
		var faults *ConfigError
		var credentials *CredentialsError
		if !errors.As(err, &faults) || len(faults.Faults) != 1 || faults.Faults[0].Key != "lifetime" || errors.As(err, &credentials) {
			t.Errorf("%v: %v", lifetime, err)
		}
	}
}

// A state directory that is a file is named before a client finds out.
func TestCheckFilesOfADirectoryThatIsNone(t *testing.T) {
	t.Parallel()
	c := Config{Endpoint: "g", StateDir: write(t, []byte("x")), Server: &Account{URI: "coap://127.0.0.1", Security: SecurityNoSec}}
	if err := c.CheckFiles(); err == nil || !strings.Contains(err.Error(), "state_dir: "+c.StateDir+" is no directory") {
		t.Error(err)
	}
}

func TestCheckFilesValidatesFirst(t *testing.T) {
	t.Parallel()
	if err := (Config{}).CheckFiles(); !errors.Is(err, ErrInvalidParameters) || errors.Is(err, ErrInvalidCredentials) {
		t.Errorf("%v", err)
	}
	half := validConfig()
	half.StateDir, half.Server.URI = t.TempDir(), "http://h"
	half.Bootstrap.PSKKey, half.Bootstrap.PSKKeyFile = nil, "none"
	err := half.CheckFiles()
	var unusable *CredentialsError
	if !errors.As(err, &unusable) || len(unusable.Faults) != 1 || unusable.Faults[0].Key != "bootstrap.psk_key_file" {
		t.Errorf("%v", err)
	}
	if got := faultsOf(err); len(got) != 1 || !strings.HasPrefix(got[0], "server.uri: ") {
		t.Errorf("%q", got)
	}
	valid := validConfig()
	valid.StateDir = t.TempDir()
	if err := valid.CheckFiles(); err != nil {
		t.Errorf("%v", err)
	}
}

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
		{"no PEM", func(a *Account) { a.Trust = write(t, keys.server[1:]) }, []string{"server.trust: .* holds neither a public key nor a certificate in PEM"}},
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

// The configured accounts are read at every start, and at every look at the store.
func TestReadingTheConfiguredAccountsLeavesLittleGarbage(t *testing.T) {
	c := Config{Endpoint: "gw", Server: &Account{URI: "coap://192.0.2.1", Security: SecurityNoSec}}
	got := testing.AllocsPerRun(100, func() {
		if _, err := c.factoryTree(); err != nil {
			t.Fatal(err)
		}
	})
	if got > 50 {
		t.Errorf("%v allocations", got)
	}
}

// What only the clock is against is no fault of the files.
func TestClockFaults(t *testing.T) {
	ca, err := testpki.NewAuthority("CA")
	if err != nil {
		t.Fatal(err)
	}
	for validIn, want := range map[time.Duration]string{0: "", time.Hour: "server.certificate: is not valid before "} {
		leaf, err := ca.Issue(testpki.Request{Role: testpki.Client, ValidIn: validIn})
		if err != nil {
			t.Fatal(err)
		}
		files := leaf.WriteFiles(t)
		cfg := Config{Endpoint: "gw-0001", StateDir: t.TempDir(), Server: &Account{
			URI: "coaps://server.test", Security: SecurityX509, Certificate: files.Cert, PrivateKey: files.Key, Trust: ca.WriteFile(t),
		}}
		if err := cfg.CheckFiles(); err != nil {
			t.Errorf("valid in %v: %v", validIn, err)
		}
		text := ""
		for _, fault := range cfg.ClockFaults() {
			text += fault.String()
		}
		if !strings.HasPrefix(text, want) || want == "" && text != "" {
			t.Errorf("valid in %v: %q", validIn, text)
		}
	}
	if faults := (Config{Server: &Account{URI: "coap://h", Security: SecurityNoSec}}).ClockFaults(); len(faults) > 0 {
		t.Errorf("without a certificate: %v", faults)
	}
}

// A certificate has not expired by a clock that stands before the beginning of another
// account's.
func TestClockBeforeAnotherAccountsCertificate(t *testing.T) {
	ca, err := testpki.NewAuthority("CA")
	if err != nil {
		t.Fatal(err)
	}
	account := func(r testpki.Request) *Account {
		leaf, err := ca.Issue(r)
		if err != nil {
			t.Fatal(err)
		}
		files := leaf.WriteFiles(t)
		return &Account{
			URI: "coaps://server.test", Security: SecurityX509, Certificate: files.Cert, PrivateKey: files.Key, Trust: ca.WriteFile(t),
		}
	}
	cfg := Config{Endpoint: "gw-0001", StateDir: t.TempDir(), Server: account(testpki.Request{Expired: true})}
	for validIn, want := range map[time.Duration]error{0: ErrInvalidCredentials, time.Hour: nil} {
		cfg.Bootstrap = account(testpki.Request{ValidIn: validIn})
		if err := cfg.CheckFiles(); !errors.Is(err, want) {
			t.Errorf("the other one valid in %v: %v", validIn, err)
		}
	}
}

// Certificates that cannot be read leave no web server of images that is trusted: not the
// system's authorities. Without such certificates, or with those of an authority alone, a
// server is held to what the configuration says.
func TestWebServersOfImagesAreTrustedAsConfigured(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	files, ca, missing := set.Client.WriteFiles(t), set.CA.WriteFile(t), filepath.Join(t.TempDir(), "missing.pem")
	for name, test := range map[string]struct {
		download *FirmwareDownload
		want     *x509.CertPool // nil for the system's
	}{
		"nothing":                  {nil, nil},
		"a key":                    {&FirmwareDownload{Security: SecurityPSK, PSKIdentity: "i", PSKKey: []byte("0123456789abcdef")}, nil},
		"a key that is missing":    {&FirmwareDownload{Security: SecurityPSK, PSKIdentity: "i", PSKKeyFile: missing}, nil},
		"an authority":             {&FirmwareDownload{Security: SecurityX509, Trust: ca}, set.CA.Pool()},
		"an authority missing":     {&FirmwareDownload{Security: SecurityX509, Trust: missing}, x509.NewCertPool()},
		"certificates":             {&FirmwareDownload{Security: SecurityX509, Trust: ca, Certificate: files.Cert, PrivateKey: files.Key}, set.CA.Pool()},
		"a certificate missing":    {&FirmwareDownload{Security: SecurityX509, Trust: ca, Certificate: missing, PrivateKey: files.Key}, x509.NewCertPool()},
		"its authority is missing": {&FirmwareDownload{Security: SecurityX509, Trust: missing, Certificate: files.Cert, PrivateKey: files.Key}, x509.NewCertPool()},
	} {
		cfg := updating()
		cfg.Firmware.Download, cfg.Firmware.Trust = test.download, files.Cert
		c, err := New(cfg)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.updates = c.firmware(nil)
		var got *x509.CertPool
		if config := c.webTrust(); config != nil {
			got = config.RootCAs
		}
		if (got == nil) != (test.want == nil) || got != nil && !got.Equal(test.want) {
			t.Errorf("%s: another trust than configured", name)
		}
	}
}

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
