package holdfast

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/logqueue"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// updating is a configuration with updates by both objects.
func updating() Config {
	c := validConfig()
	c.Firmware = &Firmware{
		Install: []string{"/bin/install", "now"}, AllowHosts: []string{"127.0.0.1"},
		Trust: "update.crt", Vendor: "vendor.example", Class: "gateway", Version: "1.2.3",
		Download: &FirmwareDownload{Security: SecurityPSK, PSKIdentity: "i", PSKKey: []byte("0123456789abcdef")},
	}
	return c
}

func TestFirmwareDefaults(t *testing.T) {
	t.Parallel()
	want := &Firmware{
		Dir: "./firmware", Authorise: AuthoriseGrant, Defer: time.Hour, Version: "1.0", MaxSize: 1 << 30, GiveUp: 24 * time.Hour,
	}
	got := Config{Firmware: &Firmware{}, Device: DeviceConfig{Firmware: "1.0"}}.withDefaults().Firmware
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if again := (Config{Firmware: got}).withDefaults().Firmware; !cmp.Equal(want, again) || again == got {
		t.Errorf("defaults are not stable: %s", cmp.Diff(want, again))
	}
	original := updating()
	c := original.withDefaults().Firmware
	c.Install[0], c.AllowHosts[0], c.Download.PSKKey[0], c.Download.Security = "x", "x", 'x', SecurityRPK
	if diff := cmp.Diff(updating().Firmware, original.Firmware, cmp.AllowUnexported(FirmwareDownload{})); diff != "" {
		t.Errorf("the original changed: %s", diff)
	}
}

func TestFirmwareAccepts(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*Firmware){
		"all of it":    func(*Firmware) {},
		"least":        func(f *Firmware) { *f = Firmware{Install: []string{"x"}} },
		"an installer": func(f *Firmware) { f.Install, f.Installer = nil, nobodysInstaller{} },
		"asking":       func(f *Firmware) { f.Authorise = AuthoriseAsk },
		"UUIDs": func(f *Firmware) {
			f.Vendor, f.Class = "00112233-4455-6677-8899-aabbccddeeff", "00112233445566778899AABBCCDDEEFF"
		},
		"keys in memory": func(f *Firmware) { f.Trust, f.TrustKeys = "", [][]byte{{0}} },
		"largest":        func(f *Firmware) { f.MaxSize = 1 << 40 },
		"anchors only": func(f *Firmware) {
			f.Download = &FirmwareDownload{Security: SecurityX509, Trust: "ca.pem", ServerName: "a.example"}
		},
		"certificates": func(f *Firmware) {
			f.Download = &FirmwareDownload{Security: SecurityX509, Trust: "c", Certificate: "c", PrivateKey: "k"}
		},
		"raw keys": func(f *Firmware) { f.Download = &FirmwareDownload{Security: SecurityRPK, Trust: "c", PrivateKey: "k"} },
		"hosts": func(f *Firmware) {
			f.AllowHosts = []string{"localhost", "gw-1.local:8080", "127.0.0.1", "127.0.0.1:5683", "::1", "[::1]", "[fe80::1]:5684", "fe80::1%eth0"}
		},
	} {
		c := updating()
		edit(c.Firmware)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// nobodysInstaller is an installer that nobody calls.
type nobodysInstaller struct{ firmware.Installer }

// own is an object of the application.
func own(id uint16) []object.Object {
	values, err := object.NewValues(lwm2m.ObjectDef{ID: id, Name: "own"})
	if err != nil {
		panic(err)
	}
	return []object.Object{values}
}

func TestFirmwareNamesEveryFault(t *testing.T) {
	t.Parallel()
	const host = "is neither a host nor host:port, such as 127.0.0.1, images.local or [fe80::1]:5683"
	const uuid = "is neither a UUID, such as 00112233-4455-6677-8899-aabbccddeeff, nor a name"
	for _, test := range []struct {
		edit func(*Config, *Firmware)
		want string
	}{
		{func(_ *Config, f *Firmware) { f.Dir = "a\x00" }, "firmware.dir: has a zero byte"},
		{func(c *Config, f *Firmware) { c.StateDir, f.Dir = "/var/lib/gw/", "/var/lib//gw" }, "firmware.dir: is the state directory: choose another"},
		{func(_ *Config, f *Firmware) { f.Install = nil }, "firmware.install: is required: the program that installs an image, such as [/usr/local/bin/install-image]"},
		{func(_ *Config, f *Firmware) { f.Installer = nobodysInstaller{} }, "firmware.install: excludes Installer: give one of the two"},
		{func(_ *Config, f *Firmware) { f.Install = []string{""} }, "firmware.install[0]: is empty"},
		{func(_ *Config, f *Firmware) { f.Install = []string{"a", "\x00"} }, "firmware.install: has a zero byte"},
		{func(_ *Config, f *Firmware) { f.Authorise = "maybe" }, "firmware.authorise: is neither grant nor ask"},
		{func(_ *Config, f *Firmware) { f.Defer = -1 }, "firmware.defer: must be a positive duration"},
		{func(_ *Config, f *Firmware) { f.AllowHosts = []string{"a", "coap://b"} }, "firmware.allow_hosts[1]: " + host},
		{func(_ *Config, f *Firmware) { f.AllowHosts = []string{""} }, "firmware.allow_hosts[0]: " + host},
		{func(_ *Config, f *Firmware) { f.AllowHosts = []string{"a:0"} }, "firmware.allow_hosts[0]: " + host},
		{func(_ *Config, f *Firmware) { f.AllowHosts = []string{"a b:1"} }, "firmware.allow_hosts[0]: " + host},
		{func(_ *Config, f *Firmware) { f.AllowHosts = []string{"u@h:1"} }, "firmware.allow_hosts[0]: " + host},
		{func(_ *Config, f *Firmware) { f.AllowHosts = []string{"[::1"} }, "firmware.allow_hosts[0]: " + host},
		{func(_ *Config, f *Firmware) { f.AllowHosts = []string{"[a]"} }, "firmware.allow_hosts[0]: " + host},
		{func(_ *Config, f *Firmware) { f.AllowHosts = []string{"127.0.0.0/8"} }, "firmware.allow_hosts[0]: " + host},
		{func(_ *Config, f *Firmware) { f.TrustKeys = [][]byte{{0}} }, "firmware.trust: excludes TrustKeys: give one of the two"},
		{func(_ *Config, f *Firmware) { f.Trust = "" }, "firmware.trust: is required beside firmware.vendor and firmware.class: who may sign a manifest"},
		{func(_ *Config, f *Firmware) { f.Vendor = "" }, "firmware.vendor: is required with firmware.trust: a UUID, or a name"},
		{func(_ *Config, f *Firmware) { f.Class = "" }, "firmware.class: is required with firmware.trust: a UUID, or a name"},
		{func(_ *Config, f *Firmware) { f.Vendor = "00112233-4455-6677-8899-aabbccddeef" }, "firmware.vendor: " + uuid},
		{func(_ *Config, f *Firmware) { f.Class = "\x00" }, "firmware.class: " + uuid},
		{func(_ *Config, f *Firmware) { f.Version = "" }, "firmware.version: is required with firmware.trust, unless device.firmware says it: no manifest of that or of an older version is taken"},
		{func(_ *Config, f *Firmware) { f.Version = "1.2" }, "firmware.version: is no version such as 1.2.3 (semver.org), which those of manifests are held against; left out, it is device.firmware"},
		{func(_ *Config, f *Firmware) { f.Version = "1.2.3\n" }, "firmware.version: must be UTF-8 without control characters"},
		{func(_ *Config, f *Firmware) { f.MaxSize = -1 }, "firmware.max_size: must be from 1B to 1TiB"},
		{func(_ *Config, f *Firmware) { f.MaxSize = 1<<40 + 1 }, "firmware.max_size: must be from 1B to 1TiB"},
		{func(_ *Config, f *Firmware) { f.GiveUp = -1 }, "firmware.give_up: must be a positive duration"},

		{func(_ *Config, f *Firmware) { f.Download = &FirmwareDownload{} }, "firmware.download.security: is required: psk, x509 or rpk"},
		{func(_ *Config, f *Firmware) { f.Download.Security = SecurityNoSec }, "firmware.download.security: is nosec, which has no credentials: leave firmware.download out, or write psk, x509 or rpk"},
		{func(_ *Config, f *Firmware) { f.Download.Security = SecurityX509 }, "firmware.download.security: is x509, and all the rest is for psk: write psk, or correct the rest"},
		{func(_ *Config, f *Firmware) { f.Download.PSKIdentity = "" }, "firmware.download.psk_identity: is required with security: psk"},
		{func(_ *Config, f *Firmware) { f.Download.Trust = "t" }, "firmware.download.trust: has no use with security: psk"},
		{func(_ *Config, f *Firmware) { f.Download.ServerName = "a" }, "firmware.download.server_name: has no use without security: x509"},
		{func(_ *Config, f *Firmware) {
			f.Download = &FirmwareDownload{Security: SecurityX509, Trust: "t", ServerName: strings.Repeat("a", 254)}
		}, "firmware.download.server_name: is longer than 253 bytes"},
		{func(_ *Config, f *Firmware) { f.Download = &FirmwareDownload{Security: SecurityX509} }, "firmware.download.trust: is required with security: x509"},
		{func(_ *Config, f *Firmware) {
			f.Download = &FirmwareDownload{Security: SecurityX509, Trust: "t", PSKIdentity: "i"}
		}, "firmware.download.psk_identity: has no use with security: x509"},
		{func(_ *Config, f *Firmware) {
			f.Download = &FirmwareDownload{Security: SecurityX509, Trust: "t", PrivateKey: "k"}
		}, "firmware.download.certificate: is required with security: x509"},
		{func(_ *Config, f *Firmware) {
			f.Download = &FirmwareDownload{Security: SecurityX509, Trust: "t", Certificate: "c"}
		}, "firmware.download.private_key: is required with security: x509"},
		{func(_ *Config, f *Firmware) {
			f.Download = &FirmwareDownload{Security: SecurityX509, Trust: "t", TrustAnchors: [][]byte{{0}}}
		}, "firmware.download.trust: excludes TrustAnchors: give one of the two"},

		{func(c *Config, _ *Firmware) { c.Objects = own(5) }, "objects[0]: has the ID 5, which firmware updates have: leave it out, or firmware"},
		{func(c *Config, _ *Firmware) { c.Objects = own(14) }, "objects[0]: has the ID 14, which updates by a manifest have: leave it out, or firmware.trust"},
		{func(c *Config, _ *Firmware) { c.Objects = own(10252) }, "objects[0]: has the ID 10252, which updates by a manifest have: leave it out, or firmware.trust"},
		{func(c *Config, _ *Firmware) { c.Objects = []object.Object{nil} }, "objects[0]: is nil"},
	} {
		c := updating()
		test.edit(&c, c.Firmware)
		if got := faultsOf(c.Validate()); !slices.Equal(got, []string{test.want}) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	// Where there are no manifests, those objects are the application's.
	c := updating()
	c.Firmware.Trust, c.Firmware.Vendor, c.Firmware.Class, c.Objects = "", "", "", own(14)
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// However a configuration is printed, no key of the download shows.
func TestFirmwareNeverShowsAKey(t *testing.T) {
	t.Parallel()
	const secret = "tiger-tiger-burn"
	inDigits := new(big.Int).SetBytes([]byte(secret + secret)).String() // as an *ecdsa.PrivateKey prints
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), []byte(secret+secret))
	if err != nil {
		t.Fatal(err)
	}
	c := updating()
	c.Firmware.Download.PSKKey, c.Firmware.Download.Signer = []byte(secret), private
	encoded, err := json.Marshal(c.Firmware)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{string(encoded), c.Firmware.Download.PSKKey.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		texts = append(texts, fmt.Sprintf(verb, *c.Firmware.Download), fmt.Sprintf(verb, c.Firmware.Download), fmt.Sprintf(verb, c.Firmware))
	}
	for _, text := range texts {
		for _, leak := range []string{secret, "746967657", fmt.Sprint([]byte(secret))[1:20], inDigits} {
			if strings.Contains(text, leak) {
				t.Errorf("%s shows a key", text)
			}
		}
	}
}

func TestCheckFilesOfFirmware(t *testing.T) {
	t.Parallel()
	set, files := pki(t)
	missing := filepath.Join(t.TempDir(), "none")
	open := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	program := write(t, []byte("#!/bin/sh\n"))
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	p256, _ := ecKey(t, elliptic.P256())
	p384, _ := ecKey(t, elliptic.P384())
	good := writePEM(t, "PUBLIC KEY", spki(t, &p256.PublicKey))
	for _, test := range []struct {
		name string
		edit func(*Firmware)
		want []string
	}{
		{"good", func(*Firmware) {}, nil},
		{"a certificate that signs", func(f *Firmware) { f.Trust = files.Certificate }, nil},
		{"an expired one", func(f *Firmware) { f.Trust = set.ClientExpired.WriteFiles(t).Cert }, nil},
		{"missing", func(f *Firmware) { f.Trust = missing }, []string{"firmware.trust: the file .* does not exist"}},
		{"no PEM", func(f *Firmware) { f.Trust = write(t, []byte("x")) }, []string{"firmware.trust: .* holds neither a public key nor a certificate in PEM"}},
		{"P-384", func(f *Firmware) { f.Trust = writePEM(t, "PUBLIC KEY", spki(t, &p384.PublicKey)) }, []string{
			"firmware.trust: key 1 of .* is none for ECDSA on P-256, with which manifests are signed",
		}},
		{"RSA", func(f *Firmware) { f.Trust = writePEM(t, "PUBLIC KEY", spki(t, rsaPublic(t))) }, []string{
			"firmware.trust: key 1 of .* is none for ECDSA on P-256, with which manifests are signed",
		}},
		{"garbage", func(f *Firmware) { f.Trust = writePEM(t, "PUBLIC KEY", []byte("x")) }, []string{
			"firmware.trust: key 1 of .* is neither a public key nor a certificate",
		}},
		{"too many", func(f *Firmware) {
			content, err := os.ReadFile(good)
			if err != nil {
				t.Fatal(err)
			}
			f.Trust = write(t, []byte(strings.Repeat(string(content), 11)))
		}, []string{"firmware.trust: .* holds more than 10 keys"}},
		{"in memory", func(f *Firmware) { f.Trust, f.TrustKeys = "", [][]byte{spki(t, &p256.PublicKey), set.Client.Cert.Raw} }, nil},
		{"garbage in memory", func(f *Firmware) { f.Trust, f.TrustKeys = "", [][]byte{{0}} }, []string{
			"firmware.trust: key 1 of what is given in memory is neither a public key nor a certificate",
		}},
		{"a directory for everybody", func(f *Firmware) { f.Dir = open }, []string{
			"firmware.dir: " + open + " has owner OWNER and mode 0777: others may write it: check what is in it and chmod go-w " + open,
		}},
		{"a file in its place", func(f *Firmware) { f.Dir = good }, []string{"firmware.dir: " + good + " is no directory"}},
		{"no program", func(f *Firmware) { f.Install = []string{missing} }, []string{"firmware.install: .* cannot be run: stat .*: no such file or directory"}},
		{"not in PATH", func(f *Firmware) { f.Install = []string{"holdfast-none"} }, []string{
			`firmware.install: "holdfast-none" cannot be run: executable file not found in $PATH`,
		}},
		{"not executable", func(f *Firmware) { f.Install = []string{good} }, []string{"firmware.install: .* cannot be run: permission denied"}},
		{"pre-shared key", func(f *Firmware) {
			f.Download = &FirmwareDownload{Security: SecurityPSK, PSKIdentity: "i", PSKKeyFile: missing}
		}, []string{"firmware.download.psk_key_file: the file .* does not exist"}},
		{"certificates", func(f *Firmware) {
			f.Download = &FirmwareDownload{Security: SecurityX509, Certificate: files.Certificate, PrivateKey: files.PrivateKey, Trust: files.Trust}
		}, nil},
		{"mismatch", func(f *Firmware) {
			f.Download = &FirmwareDownload{Security: SecurityX509, Certificate: files.Certificate, PrivateKey: set.Server.WriteFiles(t).Key, Trust: files.Trust}
		}, []string{"firmware.download.private_key: does not belong to the certificate"}},
		{"anchors", func(f *Firmware) { f.Download = &FirmwareDownload{Security: SecurityX509, Trust: files.Trust} }, nil},
		{"expired anchors", func(f *Firmware) {
			f.Download = &FirmwareDownload{Security: SecurityX509, Trust: set.ServerExpired.WriteFiles(t).Cert}
		}, []string{"firmware.download.trust: .* holds only expired certificates"}},
	} {
		c := Config{Endpoint: "g", StateDir: t.TempDir(), Firmware: &Firmware{
			Dir: t.TempDir(), Install: []string{program}, Trust: good, Vendor: "v", Class: "c", Version: "1.0.0",
		}}
		test.edit(c.Firmware)
		var list CredentialsError
		if found, ok := errors.AsType[*CredentialsError](c.CheckFiles()); ok {
			list = *found
		}
		var got []string
		for _, f := range list.Faults {
			line := f.String()
			for _, path := range []string{c.Firmware.Trust, missing, good} {
				line = strings.ReplaceAll(strings.ReplaceAll(line, `"`+path+`"`, ".*"), " "+path+":", " .*:")
			}
			if d := c.Firmware.Download; d != nil {
				line = strings.ReplaceAll(line, `"`+d.Trust+`"`, ".*")
			}
			got = append(got, strings.ReplaceAll(line, fmt.Sprintf("owner %d", os.Getuid()), "owner OWNER"))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	// What is wrong in itself is not looked at.
	c := Config{Endpoint: "g", StateDir: t.TempDir(), Firmware: &Firmware{Trust: missing, Vendor: "v", Class: "c", Version: "1.0.0"}}
	if err := c.CheckFiles(); !errors.Is(err, ErrInvalidParameters) || errors.Is(err, ErrInvalidCredentials) {
		t.Error(err)
	}
}

// The clock may be against the certificate that servers of images are shown, too.
func TestClockFaultsOfFirmware(t *testing.T) {
	t.Parallel()
	ca, err := testpki.NewAuthority("CA")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Issue(testpki.Request{Role: testpki.Client, ValidIn: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	files := leaf.WriteFiles(t)
	c := Config{Endpoint: "g", Firmware: &Firmware{Download: &FirmwareDownload{
		Security: SecurityX509, Certificate: files.Cert, PrivateKey: files.Key, Trust: ca.WriteFile(t),
	}}}
	faults := c.ClockFaults()
	if len(faults) != 1 || !strings.HasPrefix(faults[0].String(), "firmware.download.certificate: is not valid before ") {
		t.Errorf("%v", faults)
	}
}

// Files that cannot be used keep nobody from starting: what needs them is refused, and the
// event says what a person has to do.
func TestFirmwareFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	c := Config{Endpoint: "g", Firmware: &Firmware{
		Install: []string{"x"}, Trust: "none.pem", Vendor: "v", Class: "c", Version: "1.0.0",
		Download: &FirmwareDownload{Security: SecurityPSK, PSKIdentity: "i", PSKKeyFile: "none.key"},
	}}
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	events, cancel := client.Events(2)
	defer cancel()
	made := client.firmware(nil)
	if made == nil || !made.signs() || len(made.files.signers) != 0 || made.files.download.Key != nil || made.Dir != DefaultFirmwareDir {
		t.Errorf("%+v", made)
	}
	e := <-events
	if e.Type != EventError || e.Code != CodeInvalidCredentials || e.Phase != PhaseFirmware || e.Action != ActionUser || e.Remedy == "" {
		t.Errorf("%+v", e)
	}
	for _, key := range []string{"firmware.trust", "firmware.download.psk_key_file"} {
		if !strings.Contains(e.Detail, key) {
			t.Errorf("%q does not name %s", e.Detail, key)
		}
	}
	c.Firmware = nil
	none, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close(t.Context())
	if none.firmware(nil) != nil {
		t.Error("updates that nobody has configured")
	}
}

// A directory of images that cannot be used is said when the client starts, and not when a campaign
// has come that fails by it.
func TestFirmwareDirectoryThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{write(t, []byte("x")): "no image can be stored: ", filepath.Join(t.TempDir(), "images"): ""} {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		c, err := New(Config{Endpoint: "g", Firmware: &Firmware{Install: []string{"x"}, Dir: dir}}, WithLogger(logger))
		if err != nil {
			t.Fatal(err)
		}
		images, err := c.attachImages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = images.Close()
		_ = c.Close(t.Context())
		logqueue.Flush(c.logger)
		if text := log.String(); (want == "") != (text == "") || !strings.Contains(text, want) {
			t.Errorf("%s: logged %q, want %q", dir, text, want)
		}
	}
}

// decided is a client whose supervisor is one of the tests, and what that was asked.
func decided(t *testing.T, answer messages.Answered) (*Client, <-chan messages.AuthoriseFirmware) {
	t.Helper()
	c, err := New(updating())
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan messages.AuthoriseFirmware, 1)
	c.pid = c.runtime.system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		switch m := ctx.Message().(type) {
		case messages.AuthoriseFirmware:
			asked <- m
			m.Answer <- answer
		case messages.Stop:
			c.stopped <- messages.Stopped{}
		}
	}))
	c.phase = clientStarted
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c, asked
}

func TestAuthoriseFirmware(t *testing.T) {
	t.Parallel()
	c, asked := decided(t, messages.Answered{})
	for _, test := range []struct {
		decision FirmwareDecision
		period   time.Duration
		want     messages.AuthoriseFirmware
	}{
		{FirmwareGrant, 0, messages.AuthoriseFirmware{Decision: messages.FirmwareGrant}},
		{FirmwareRefuse, 0, messages.AuthoriseFirmware{Decision: messages.FirmwareRefuse}},
		{FirmwareDefer, time.Minute, messages.AuthoriseFirmware{Decision: messages.FirmwareDefer, Period: time.Minute}},
		{FirmwareDefer, 0, messages.AuthoriseFirmware{Decision: messages.FirmwareDefer, Period: time.Hour}}, // the default of the configuration
	} {
		if err := c.AuthoriseFirmware(t.Context(), test.decision, test.period); err != nil {
			t.Errorf("%s: %v", test.decision, err)
		}
		got := <-asked
		if got.Answer = nil; got != test.want {
			t.Errorf("%s: %+v", test.decision, got)
		}
	}
}

func TestAuthoriseFirmwareIsRefused(t *testing.T) {
	t.Parallel()
	for want, answer := range map[string]messages.Answered{
		"holdfast: ConnectNotAllowed (api): firmware grant: the gateway is not asked": {Code: messages.ConnectNotAllowed},
		"holdfast: ConnectNotAllowed (api): firmware grant: nothing is asked":         {Code: messages.ConnectNotAllowed, Cause: errors.New("nothing is asked")},
	} {
		c, _ := decided(t, answer)
		if err := c.AuthoriseFirmware(t.Context(), FirmwareGrant, 0); !errors.Is(err, ErrNotAllowed) || err.Error() != want {
			t.Error(err)
		}
	}
	c, asked := decided(t, messages.Answered{})
	ended, end := context.WithCancel(t.Context())
	end()
	for name, test := range map[string]struct {
		err  error
		want error
	}{
		"no decision":       {c.AuthoriseFirmware(t.Context(), "maybe", 0), ErrInvalidParameters},
		"a negative period": {c.AuthoriseFirmware(t.Context(), FirmwareDefer, -1), ErrInvalidParameters},
		"a period of yes":   {c.AuthoriseFirmware(t.Context(), FirmwareGrant, 1), ErrInvalidParameters},
		"an ended context":  {c.AuthoriseFirmware(ended, FirmwareGrant, 0), context.Canceled},
	} {
		if !errors.Is(test.err, test.want) {
			t.Errorf("%s: %v", name, test.err)
		}
	}
	if len(asked) != 0 {
		t.Error("the supervisor was asked")
	}
	idle, err := New(updating())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close(t.Context())
	without, err := New(validConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer without.Close(t.Context())
	for name, err := range map[string]error{
		"not started":    idle.AuthoriseFirmware(t.Context(), FirmwareGrant, 0),
		"not configured": without.AuthoriseFirmware(t.Context(), FirmwareGrant, 0),
	} {
		if !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
