package configfile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

func TestConfigHasAKeyForEveryField(t *testing.T) {
	t.Parallel()
	keys := Keys()
	if got, want := len(keys), leaves(reflect.TypeFor[File]()); got != want {
		t.Errorf("%d keys for %d fields", got, want)
	}
	names := make(map[string]bool)
	for _, key := range keys {
		names[Variable(key)] = true
	}
	if len(names) != len(keys) {
		t.Errorf("%d environment variables for %d keys", len(names), len(keys))
	}
}

// leaves counts the fields of a type and of the structs in it.
func leaves(t reflect.Type) int {
	switch {
	case t == reflect.TypeFor[crypto.Signer]() || t == reflect.TypeFor[[][]byte]():
		return 0 // of credentials in memory, which no file can hold
	case t == reflect.TypeFor[[]object.Object]() || t == reflect.TypeFor[firmware.Installer]():
		return 0 // of the program
	case t.Kind() == reflect.Pointer:
		return leaves(t.Elem())
	case t.Kind() != reflect.Struct:
		return 1
	}
	n := 0
	for f := range t.Fields() {
		n += leaves(f.Type)
	}
	return n
}

// Load is a Loader without overrides, in the environment of the process.
func TestLoad(t *testing.T) {
	t.Setenv("HOLDFAST_ACCOUNT_ID", "from-the-environment")
	path := writeConfig(t, "endpoint: g\ncontrol: {listen: 127.0.0.1:0}\n")
	got, err := Load(path)
	want := File{
		Config:  holdfast.Config{Endpoint: "g", AccountID: "from-the-environment", StateDir: besides(path, "state")},
		Control: Control{Listen: "127.0.0.1:0"}, Log: Log{Level: DefaultLevel, Format: DefaultFormat},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if got, err := Load(writeConfig(t, "control: {listen: 0.0.0.0:1}\n")); err == nil || !reflect.DeepEqual(got, File{}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// A value that is written and empty, or zero, is none that is left out.
func TestWrittenZeros(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"state_dir: ''", "lifetime: 0s", "lwm2m_version: ''", "reconnect: {policy: ''}", "reconnect: {initial_min: 0s}",
		"reconnect: {initial_max: 0s}", "reconnect: {max: 0s}", "registration_timeout: 0s", "bootstrap_timeout: 0s", "object_timeout: 0s", "coap: {ack_timeout: 0s}",
		"coap: {ack_random_factor: 0}", "coap: {nstart: 0}", "limits: {bootstrap_bytes: 0}", "limits: {queued_messages: 0}",
		"limits: {accounts: 0}", "firmware: {install: [x], dir: ''}", "firmware: {install: [x], authorise: ''}",
		"firmware: {install: [x], defer: 0s}", "firmware: {install: [x], max_size: 0}", "firmware: {install: [x], give_up: 0s}", "device: {manufacturer: ''}", "log: {level: ''}", "log: {format: ''}",
	} {
		section, rest, nested := strings.Cut(line, ": {")
		key, _, _ := strings.Cut(line, ":")
		if nested {
			name, _, _ := strings.Cut(strings.TrimPrefix(rest, "install: [x], "), ":")
			key = section + "." + name
		}
		if got := loadFaults(t, "endpoint: g\n"+line+"\n"); len(got) != 1 || !strings.Contains(got[0], " "+key+": ") {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// faultsOf returns the faults of a ConfigError, without their sources.
func faultsOf(err error) []string {
	list, ok := errors.AsType[*holdfast.ConfigError](err)
	if !ok {
		return nil
	}
	var lines []string
	for _, f := range list.Faults {
		lines = append(lines, f.Key+": "+f.Problem)
	}
	return lines
}

func TestCheckJoinsConfigurationAndFiles(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, "endpoint: g\nlog: {level: loud}\n"+
		"bootstrap: {uri: coaps://h, security: psk, psk_identity: i, psk_key_file: none}\n"+
		"server: {uri: http://h, security: psk, psk_identity: i, psk_key_file: none}\n")
	err := Loader{Path: path, LookupEnv: noEnv}.Check()
	if got, want := faultsOf(err), []string{"server.uri", "log.level"}; len(got) != 2 || !strings.HasPrefix(got[0], want[0]) || !strings.HasPrefix(got[1], want[1]) {
		t.Errorf("configuration: %q", got)
	}
	var files *holdfast.CredentialsError
	if !errors.As(err, &files) || len(files.Faults) != 1 || files.Faults[0].Key != "bootstrap.psk_key_file" {
		t.Errorf("files: %v", files)
	}
	if !errors.Is(err, holdfast.ErrInvalidParameters) || !errors.Is(err, holdfast.ErrInvalidCredentials) {
		t.Errorf("%v", err)
	}
	good := strings.ReplaceAll(example, "./state", t.TempDir())
	if err := (Loader{Path: writeConfig(t, good), LookupEnv: noEnv}).Check(); err != nil {
		t.Errorf("the example: %v", err)
	}
}

// The files of an account whose section cannot be read are not looked at: the
// fault that is reported may be their cause.
func TestCheckLeavesOutWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, "endpoint: g\nstate_dir: "+t.TempDir()+"\n"+
		"server: {uri: coaps://h, security: x509, certificate: none, private_key: none, trust: none, colour: red}\n")
	err := Loader{Path: path, LookupEnv: noEnv}.Check()
	if got := faultsOf(err); !slices.Equal(got, []string{"server.colour: is not a key of the configuration"}) || errors.Is(err, holdfast.ErrInvalidCredentials) {
		t.Errorf("%v", err)
	}
}

// A file gives the same keys as a Config.
func TestLoadRawPublicKeys(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	account := &holdfast.Account{
		URI: "coaps://lwm2m.test", Security: holdfast.SecurityRPK,
		PrivateKey: writePEM(t, "PRIVATE KEY", private), Trust: writePEM(t, "PUBLIC KEY", public),
	}
	path := writeConfig(t, "endpoint: g\nstate_dir: "+t.TempDir()+"\nbootstrap: {uri: coaps://lwm2m.test, security: rpk, private_key: "+
		account.PrivateKey+", trust: "+account.Trust+"}\n")
	loader := Loader{Path: path, LookupEnv: noEnv}
	if err := loader.Check(); err != nil {
		t.Fatal(err)
	}
	f, err := loader.Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(account, f.Config.Bootstrap); diff != "" {
		t.Error(diff)
	}
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
