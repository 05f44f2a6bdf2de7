package configfile

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast"
)

// A file has sections in sections; paths start from its folder, and so does the directory
// of images that is left out.
func TestFirmwareFromAFile(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, `endpoint: g
firmware:
  install: [bin/install, --now]
  authorise: ask
  allow_hosts: ["127.0.0.1:8080", "::1"]
  trust: update.crt
  vendor: vendor.example
  class: gw
  version: 1.2.3
  max_size: 64MiB
  give_up: 2h
  download:
    security: psk
    psk_identity: i
    psk_key: 00ff
`)
	f, err := Loader{Path: path, LookupEnv: noEnv}.Load()
	if err != nil {
		t.Fatal(err)
	}
	want := &holdfast.Firmware{
		Dir: besides(path, "firmware"), Install: []string{besides(path, "bin/install"), "--now"}, Authorise: holdfast.AuthoriseAsk,
		AllowHosts: []string{"127.0.0.1:8080", "::1"}, Trust: besides(path, "update.crt"), Vendor: "vendor.example", Class: "gw",
		Version: "1.2.3", MaxSize: 64 << 20, GiveUp: 2 * time.Hour,
		Download: &holdfast.FirmwareDownload{Security: holdfast.SecurityPSK, PSKIdentity: "i", PSKKey: []byte{0, 255}},
	}
	if diff := cmp.Diff(want, f.Config.Firmware); diff != "" {
		t.Error(diff)
	}
}

// Without a key of theirs there are no updates; without a file their directory is where
// the client works.
func TestFirmwareIsLeftOut(t *testing.T) {
	t.Parallel()
	f, err := Loader{Path: writeConfig(t, "endpoint: g\n# firmware:\n"), LookupEnv: noEnv}.Load()
	if err != nil || f.Config.Firmware != nil {
		t.Errorf("%+v, %v", f.Config.Firmware, err)
	}
	f, err = inEnvironment(map[string]string{"HOLDFAST_ENDPOINT": "g", "HOLDFAST_FIRMWARE_INSTALL": "[x]"}).Load()
	if err != nil || f.Config.Firmware == nil || f.Config.Firmware.Dir != "" || f.Config.Firmware.Download != nil {
		t.Errorf("%+v, %v", f.Config.Firmware, err)
	}
}

// What is compared is not changed by it, also where one has a section that the other has
// not.
func TestChangesOfFirmware(t *testing.T) {
	t.Parallel()
	var a, b File
	a.Config.Firmware = &holdfast.Firmware{Install: []string{"x"}}
	b.Config.Firmware = &holdfast.Firmware{Install: []string{"x"}, Download: &holdfast.FirmwareDownload{Trust: "t"}}
	if got := Changes(a, b); !slices.Equal(got, []string{"firmware.download.trust"}) || a.Config.Firmware.Download != nil {
		t.Errorf("%v, %+v", got, a.Config.Firmware)
	}
}

// config check looks at what the section names, unless something is wrong with it.
func TestCheckLooksAtFirmware(t *testing.T) {
	t.Parallel()
	content := "endpoint: g\nstate_dir: " + t.TempDir() + "\nfirmware: {install: /none, trust: none.pem, vendor: v, class: c, version: 1.0.0}\n"
	path := writeConfig(t, content)
	err := Loader{Path: path, LookupEnv: noEnv}.Check()
	var files *holdfast.CredentialsError
	if !errors.As(err, &files) || len(files.Faults) != 2 {
		t.Fatal(err)
	}
	for i, want := range []string{"firmware.trust: the file \"" + filepath.Join(filepath.Dir(path), "none.pem") + "\" does not exist", "firmware.install: \"/none\" cannot be run"} {
		if got := files.Faults[i].String(); !strings.HasPrefix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	err = Loader{Path: writeConfig(t, strings.Replace(content, "version", "colour: red, version", 1)), LookupEnv: noEnv}.Check()
	if got := faultsOf(err); len(got) != 1 || errors.As(err, &files) && len(files.Faults) == 2 && errors.Is(err, holdfast.ErrInvalidCredentials) {
		t.Errorf("%v", err)
	}
}
