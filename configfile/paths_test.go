package configfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/localaddr"
)

// isPath tells whether the values of a key have a path.
func isPath(key string) bool {
	switch name := key[strings.LastIndex(key, ".")+1:]; name {
	case "psk_key_file", "certificate", "private_key", "trust", "listen", "metrics":
		return true
	}
	return key == "state_dir" || key == "firmware.dir" || key == "trust_store"
}

// located sets one key in one way and returns what came of the value.
func located(t *testing.T, key, text string, set func(*Loader, *document)) string {
	t.Helper()
	var l Loader
	var d document
	set(&l, &d)
	s := newSources(d)
	l.LookupEnv = noEnv
	for _, o := range l.Overrides {
		s.put(o)
	}
	var f File
	if faults := s.apply(&f); len(faults) > 0 {
		t.Fatalf("%s: %v", key, faults)
	}
	for _, k := range allKeys() {
		if k.path == key {
			value, _ := k.value(&f).(string)
			return value
		}
	}
	t.Fatalf("no key %s", key)
	return ""
}

// Every path in a file starts from the file's folder, and those that come with the
// command line from the working directory. What is no path stays as it is.
func TestRelativePaths(t *testing.T) {
	t.Parallel()
	working, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, k := range allKeys() {
		if !isPath(k.path) {
			if k.from != nil {
				t.Errorf("%s is a path, and not tried", k.path)
			}
			continue
		}
		count++
		prefix, absolute := "", ""
		if k.path == "control.listen" || k.path == "control.metrics" {
			prefix, absolute = localaddr.Unix, working+"/"
		}
		for _, test := range []struct{ text, file, flag string }{
			{"x/y", "/etc/gw/x/y", absolute + "x/y"},
			{"../y", "/etc/y", map[bool]string{true: filepath.Dir(working) + "/y", false: "../y"}[absolute != ""]},
			{"/x/y", "/x/y", "/x/y"},
		} {
			setting := Setting{Key: k.path, Text: prefix + test.text}
			if got := located(t, k.path, setting.Text, func(_ *Loader, d *document) {
				d.settings = []Setting{setting}
				d.startFrom("/etc/gw")
			}); got != prefix+test.file {
				t.Errorf("%s: %s in a file is %s", k.path, test.text, got)
			}
			if got := located(t, k.path, setting.Text, func(l *Loader, d *document) {
				d.startFrom("/etc/gw")
				l.Overrides = []Setting{setting}
			}); got != prefix+test.flag {
				t.Errorf("%s: %s as a flag is %s", k.path, test.text, got)
			}
		}
	}
	if count != 18 {
		t.Errorf("%d keys", count)
	}
}

// The word system is no path, and a path does not become it.
func TestTrustStoreOfTheSystem(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ folder, text, want string }{
		{"/etc/gw", "system", "system"}, {".", "system", "system"}, {".", "./system", "./system"}, {"/etc/gw", "./system", "/etc/gw/system"},
	} {
		if got := trustStoreFrom(test.folder, test.text); got != test.want {
			t.Errorf("%s in %s is %s", test.text, test.folder, got)
		}
	}
}

// The folder is that of the file as it was named, wherever the process works.
func TestRelativePathsOfAFile(t *testing.T) {
	path := writeConfig(t, "endpoint: g\nserver: {uri: coaps://h, security: psk, psk_identity: i, psk_key_file: keys/gw}\ncontrol: {listen: 'unix:gw.sock'}\n")
	relative := filepath.Join("..", filepath.Base(filepath.Dir(path)), "gw.yaml")
	elsewhere := filepath.Join(filepath.Dir(path), "elsewhere")
	if err := os.Mkdir(elsewhere, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ working, name string }{
		{"/", path}, {elsewhere, filepath.Join("..", "gw.yaml")}, {filepath.Dir(path), "gw.yaml"}, {filepath.Dir(path), relative},
	} {
		t.Chdir(test.working)
		f, err := Loader{Path: test.name, LookupEnv: noEnv}.Load()
		if err != nil {
			t.Fatal(err)
		}
		for got, want := range map[string]string{
			f.Config.StateDir: "state", f.Config.Server.PSKKeyFile: "keys/gw", strings.TrimPrefix(f.Control.Listen, "unix:"): "gw.sock",
		} {
			if absolute, err := filepath.Abs(got); err != nil || absolute != besides(path, want) {
				t.Errorf("%s in %s: %s, want %s", test.name, test.working, got, besides(path, want))
			}
		}
		if !filepath.IsAbs(strings.TrimPrefix(f.Control.Listen, "unix:")) {
			t.Errorf("%s: %s", test.name, f.Control.Listen)
		}
	}
}

// What the environment says starts from the working directory, whatever the file
// says of others.
func TestRelativePathsOfTheEnvironment(t *testing.T) {
	t.Parallel()
	loader := inEnvironment(map[string]string{"HOLDFAST_STATE_DIR": "there", "HOLDFAST_CONTROL_LISTEN": "unix:@gw"})
	loader.Path = writeConfig(t, "endpoint: g\nstate_dir: here\ncontrol: {listen: 127.0.0.1:1}\n")
	_, err := loader.Load()
	if got := faultsOf(err); len(got) != 1 || got[0] != "control.listen: names no absolute path after unix:" {
		t.Errorf("an abstract name: %v", err)
	}
	loader = inEnvironment(map[string]string{"HOLDFAST_STATE_DIR": "there"})
	loader.Path = writeConfig(t, "endpoint: g\nstate_dir: here\n")
	if f, err := loader.Load(); err != nil || f.Config.StateDir != "there" {
		t.Errorf("%q, %v", f.Config.StateDir, err)
	}
	loader = inEnvironment(map[string]string{"HOLDFAST_ENDPOINT": "g"})
	if f, err := loader.Load(); err != nil || f.Config.StateDir != "" {
		t.Errorf("%q, %v", f.Config.StateDir, err)
	}
}

func TestFolderOf(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"gw.yaml": ".", "a/gw.yaml": "a", "/etc/gw.yaml": "/etc", "/gw.yaml": "/", "../gw.yaml": "..",
		"/dev/stdin": "", "/dev/fd/63": "", "/proc/self/fd/3": "", "dev/gw.yaml": "dev", "/device/gw.yaml": "/device", "/dev": "/",
	} {
		if got := folderOf(file); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}
