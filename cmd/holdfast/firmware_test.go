package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
)

// signing has the files of a trial, and the command line that signs with them.
type signing struct {
	dir  string
	args map[string]string
}

func newSigning(t *testing.T) *signing {
	t.Helper()
	s := &signing{dir: t.TempDir()}
	key, cert := s.path("key.pem"), s.path("cert.pem")
	if got := invoke(t.Context(), "firmware", "key", "--out", key, "--cert", cert); got.exit != exitDone || got.stderr != "" {
		t.Fatalf("%+v", got)
	}
	s.write(t, "image", []byte("an image"))
	s.args = map[string]string{
		"image": s.path("image"), "key": key, "vendor": "example.com", "class": "gw-1", "version": "2.1.0", "uri": "coaps://h/i", "out": s.path("manifest"),
	}
	return s
}

func (s *signing) path(name string) string { return filepath.Join(s.dir, name) }

func (s *signing) write(t *testing.T, name string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(s.path(name), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return s.path(name)
}

// sign runs the command with some flags changed; an empty one is left out.
func (s *signing) sign(t *testing.T, changes ...string) outcome {
	t.Helper()
	args := []string{"firmware", "sign"}
	changed := map[string]bool{}
	for i := 0; i < len(changes); i += 2 {
		changed[changes[i]] = true
		if changes[i+1] != "" {
			args = append(args, "--"+changes[i], changes[i+1])
		}
	}
	for name, value := range s.args {
		if !changed[name] {
			args = append(args, "--"+name, value)
		}
	}
	return invoke(t.Context(), args...)
}

func (s *signing) made(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(s.args["out"])
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What is signed is accepted by a device that trusts the certificate.
func TestFirmwareSign(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	got := s.sign(t, "vendor-data", s.write(t, "data", []byte("site 7")), "priority", "4")
	want := s.path("manifest") + ": MAIN 2.1.0, 8 bytes, for vendor cfbff0d1-9375-5685-968c-48ce8b15ae17 and class 66dc7f58-95dc-5669-a7cd-3f0d0ec3bc5f\n"
	if got != (outcome{exitDone, want, ""}) {
		t.Fatalf("%+v", got)
	}
	cert, err := os.ReadFile(s.path("cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	trust, err := manifest.ParseTrust(cert)
	if err != nil {
		t.Fatal(err)
	}
	vendor, _ := firmware.VendorID("cfbff0d1-9375-5685-968c-48ce8b15ae17")
	class, _ := firmware.ClassID(vendor, "66dc7f58-95dc-5669-a7cd-3f0d0ec3bc5f")
	m, err := manifest.Accept(s.made(t), trust, manifest.Device{Vendor: vendor, Class: class, Components: map[string]manifest.Version{"MAIN": {}}})
	if err != nil || m.Digest != sha256.Sum256([]byte("an image")) || m.Size != 8 || m.Priority != 4 || m.URI != "coaps://h/i" || string(m.VendorData) != "site 7" {
		t.Errorf("%+v, %v", m, err)
	}
	first := s.made(t)
	if again := s.sign(t, "vendor-data", s.path("data"), "priority", "4"); again.exit != exitDone || !bytes.Equal(first, s.made(t)) {
		t.Errorf("another manifest comes of the same: %+v", again)
	}
}

// What is wrong with a flag is wrong usage, what is wrong with a file is a failure; both say
// which. Nothing is written.
func TestFirmwareSignRefuses(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	for name, test := range map[string]struct {
		changes []string
		exit    int
		stderr  string
	}{
		"no image":          {[]string{"image", ""}, exitUsage, "--image, --key, --vendor, --class, --version, --uri and --out are required"},
		"no out":            {[]string{"out", ""}, exitUsage, "are required"},
		"vendor":            {[]string{"vendor", "cfbff0d1-9375-5685-968c-48ce8b15ae1"}, exitUsage, "--vendor: firmware: neither a UUID nor a name"},
		"version":           {[]string{"version", "2.1"}, exitUsage, `--version: "2.1" is no version such as 1.2.3`},
		"relative uri":      {[]string{"uri", "/images/1"}, exitUsage, "--uri: is no absolute URI"},
		"long uri":          {[]string{"uri", "coap://h/" + strings.Repeat("u", 255)}, exitUsage, "payload-uri has 264 bytes, more than 255"},
		"no component":      {[]string{"component", strings.Repeat("c", 65)}, exitUsage, "component-name has 65 bytes"},
		"negative priority": {[]string{"priority", "-1"}, exitUsage, "update-priority is -1"},
		"priority":          {[]string{"priority", "high"}, exitUsage, "invalid value"},
		"image missing":     {[]string{"image", s.path("gone")}, exitFailed, "gone: no such file"},
		"image empty":       {[]string{"image", s.write(t, "empty", nil)}, exitFailed, "empty: is empty"},
		"key missing":       {[]string{"key", s.path("gone")}, exitFailed, "gone: no such file"},
		"key a certificate": {[]string{"key", s.path("cert.pem")}, exitFailed, "cert.pem: there is no private key in PEM"},
		"vendor data":       {[]string{"vendor-data", s.write(t, "long", make([]byte, 1025))}, exitFailed, "long: is longer than 1024 bytes"},
		"out":               {[]string{"out", filepath.Join(s.dir, "gone", "manifest")}, exitFailed, "no such file or directory"},
	} {
		got := s.sign(t, test.changes...)
		if got.exit != test.exit || !strings.Contains(got.stderr, test.stderr) || got.stdout != "" {
			t.Errorf("%s: %+v, want exit %d and %q", name, got, test.exit, test.stderr)
		}
		if _, err := os.Stat(s.args["out"]); err == nil {
			t.Errorf("%s: a manifest was written", name)
		}
	}
}

func TestFirmwareShow(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	if got := s.sign(t, "vendor-data", s.write(t, "data", []byte{0x1b, 'x'}), "component", "MÖDEM"); got.exit != exitDone {
		t.Fatalf("%+v", got)
	}
	want := fmt.Sprintf(`component    "M\u00d6DEM"
version      2.1.0
vendor       cfbff0d1-9375-5685-968c-48ce8b15ae17
class        66dc7f58-95dc-5669-a7cd-3f0d0ec3bc5f
priority     0
uri          coaps://h/i
format       raw-binary
size         8 bytes
sha-256      %x
vendor data  2 bytes "\x1bx"
`, sha256.Sum256([]byte("an image")))
	path, trust := s.args["out"], s.path("cert.pem")
	if got := invoke(t.Context(), "firmware", "show", path); got != (outcome{exitDone, want + "signature    not checked (--trust FILE checks it)\n", ""}) {
		t.Errorf("%+v", got)
	}
	if got := invoke(t.Context(), "firmware", "show", "--trust", trust, path); got != (outcome{exitDone, want + "signature    of one of those in " + trust + "\n", ""}) {
		t.Errorf("%+v", got)
	}
	if got := invoke(t.Context(), "firmware", "show", path, "--trust", trust); got != (outcome{exitDone, want + "signature    of one of those in " + trust + "\n", ""}) {
		t.Errorf("%+v", got)
	}
	other := newSigning(t).path("cert.pem")
	got := invoke(t.Context(), "firmware", "show", "--trust", other, path)
	if got != (outcome{exitFailed, want + "signature    of none of those in " + other + "\n", "holdfast: no trusted key has signed the manifest\n"}) {
		t.Errorf("%+v", got)
	}
	for _, test := range []struct{ args, stderr string }{
		{"firmware show " + s.path("image"), "image: the manifest is malformed: not a SEQUENCE in DER"},
		{"firmware show " + s.path("gone"), "no such file"},
		{"firmware show --trust " + s.path("key.pem") + " " + path, `key.pem: "PRIVATE KEY" is neither a certificate nor a public key`},
		{"firmware show --trust " + s.path("gone") + " " + path, "no such file"},
	} {
		if got := invoke(t.Context(), strings.Fields(test.args)...); got.exit != exitFailed || !strings.Contains(got.stderr, test.stderr) {
			t.Errorf("%s: %+v, want %q", test.args, got, test.stderr)
		}
	}
	if got := invoke(t.Context(), "firmware", "show"); got.exit != exitUsage {
		t.Errorf("%+v", got)
	}
}

// The manifest never takes the place of what it is made of.
func TestFirmwareSignOverItsOwnFiles(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	link := s.path("link")
	if err := os.Link(s.path("key.pem"), link); err != nil {
		t.Skip(err)
	}
	data := s.write(t, "data", []byte("site 7"))
	for name, out := range map[string]string{
		"image": s.path("image"), "key": s.path("key.pem"), "a name of the key": link, "another way to it": s.dir + "/./key.pem", "vendor data": data,
	} {
		before, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		got := s.sign(t, "out", out, "vendor-data", data)
		if after, err := os.ReadFile(out); got.exit != exitUsage || !strings.Contains(got.stderr, "--out: is the file of --") || err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// A key is secret, and never takes the place of another one.
func TestFirmwareKey(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	key, cert := s.path("key.pem"), s.path("cert.pem")
	info, err := os.Stat(key)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	before, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		out, cert string
		exit      int
		stderr    string
	}{
		{key, s.path("new.pem"), exitFailed, "key.pem: file exists"},
		{s.path("new.pem"), cert, exitFailed, "cert.pem: file exists"},
		{s.path("new.pem"), "", exitUsage, "--out and --cert are required"},
		{s.path("new.pem"), s.path("new.pem"), exitUsage, "two files"},
	} {
		got := invoke(t.Context(), "firmware", "key", "--out", test.out, "--cert", test.cert)
		if got.exit != test.exit || !strings.Contains(got.stderr, test.stderr) || got.stdout != "" {
			t.Errorf("%+v: %+v", test, got)
		}
		if _, err := os.Stat(s.path("new.pem")); err == nil {
			t.Errorf("%+v: half of it was written", test)
		}
	}
	if after, err := os.ReadFile(key); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the key has changed: %v", err)
	}
}
