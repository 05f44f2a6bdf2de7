package configfile

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast"
)

// noEnv is an empty environment.
func noEnv(string) (string, bool) { return "", false }

func env(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, found := values[name]
		return value, found
	}
}

// writeConfig writes a configuration file and returns its path.
func writeConfig(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gw.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// besides returns the path of a name in the folder of a file.
func besides(file, name string) string { return filepath.Join(filepath.Dir(file), name) }

// loadFaults loads a configuration file in an empty environment and returns
// the faults as "line:column key: problem".
func loadFaults(t *testing.T, content string) []string {
	t.Helper()
	path := writeConfig(t, content)
	_, err := Loader{Path: path, LookupEnv: noEnv}.Load()
	var list *holdfast.ConfigError
	if !errors.As(err, &list) {
		return nil
	}
	var lines []string
	for _, f := range list.Faults {
		position := strings.TrimPrefix(strings.TrimPrefix(f.Source, path), ":")
		lines = append(lines, strings.TrimSpace(position+" "+holdfast.Fault{Key: f.Key, Problem: f.Problem}.String()))
	}
	return lines
}

func TestLoadConfigExample(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, example)
	got, err := Loader{Path: path, LookupEnv: noEnv}.Load()
	if err != nil {
		t.Fatal(err)
	}
	want := File{Config: holdfast.Config{
		Endpoint: "gw-0001", AccountID: "0123456789abcdef", StateDir: besides(path, "state"), Lifetime: 24 * time.Hour, LwM2MVersion: "1.1",
		Bootstrap: &holdfast.Account{
			URI: "coaps://127.0.0.1:5684", Security: holdfast.SecurityPSK, PSKIdentity: "gw-0001",
			PSKKey: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		},
		Server: &holdfast.Account{URI: "coap://127.0.0.1:5683", Security: holdfast.SecurityNoSec},
		Reconnect: holdfast.ReconnectConfig{
			Policy: holdfast.PolicyAuto, InitialMin: 2 * time.Second, InitialMax: 10 * time.Second, Max: 168 * time.Hour,
		},
		RegistrationTimeout: 3 * time.Minute,
		BootstrapTimeout:    15 * time.Minute,
		CoAP:                holdfast.CoAPConfig{AckTimeout: 2 * time.Second, AckRandomFactor: 1.5, MaxRetransmit: 4, NStart: 1},
		Limits:              holdfast.LimitsConfig{BootstrapBytes: 64 << 10, QueuedMessages: 64, Accounts: 8, Observations: 256},
		Device:              holdfast.DeviceConfig{Manufacturer: "Holdfast"},
	}, Control: Control{Listen: "unix:/run/gw.sock"}, Log: Log{Level: "info", Format: "console"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadConfigForms(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, content string
		check         func(File) bool
	}{
		{"digits stay text", "endpoint: 0012\n", func(f File) bool { return f.Config.Endpoint == "0012" }},
		{"unquoted version", "endpoint: g\nlwm2m_version: 1.0\n", func(f File) bool { return f.Config.LwM2MVersion == "1.0" }},
		{"quotes", `endpoint: "g\u0077"`, func(f File) bool { return f.Config.Endpoint == "gw" }},
		{"block text", "endpoint: |\n  gw\n", func(f File) bool { return f.Config.Endpoint == "gw" }},
		{"CRLF", "endpoint: gw\r\ncoap:\r\n  nstart: 2\r\n", func(f File) bool { return f.Config.CoAP.NStart == 2 }},
		{"byte order mark", "\ufeffendpoint: gw\n", func(f File) bool { return f.Config.Endpoint == "gw" }},
		{"flow", "{endpoint: gw, log: {level: debug}}", func(f File) bool { return f.Log.Level == "debug" }},
		{"no resends", "endpoint: g\ncoap: {max_retransmit: 0}\n", func(f File) bool { return f.Config.CoAP.MaxRetransmit == holdfast.NoRetransmit }},
		{"commented section", "endpoint: g\nbootstrap:\n#  uri: coap://h\n", func(f File) bool { return f.Config.Bootstrap == nil }},
		{"a directive", "%YAML 1.2\n---\nendpoint: gw\n...\n", func(f File) bool { return f.Config.Endpoint == "gw" }},
		{"empty texts", "endpoint: g\naccount_id: \"\"\ndns: {server: }\n", func(f File) bool { return f.Config.AccountID == "" && f.Config.DNS.Server == "" }},
		{
			"a key of digits", "endpoint: g\nserver: {uri: coaps://h, security: psk, psk_identity: 7, psk_key: 0011223344556677}\n",
			func(f File) bool {
				return string(f.Config.Server.PSKKey) == "\x00\x11\x22\x33\x44\x55\x66\x77" && f.Config.Server.PSKIdentity == "7"
			},
		},
		{
			"a key that looks like a float", "endpoint: g\nserver: {uri: coaps://h, security: psk, psk_identity: i, psk_key: 12345678e901}\n",
			func(f File) bool { return string(f.Config.Server.PSKKey) == "\x12\x34\x56\x78\xe9\x01" },
		},
	} {
		c, err := Loader{Path: writeConfig(t, test.content), LookupEnv: noEnv}.Load()
		if err != nil || !test.check(c) {
			t.Errorf("%s: %+v, %v", test.name, c, err)
		}
	}
}

func TestLoadConfigFaults(t *testing.T) {
	t.Parallel()
	const (
		anchored = "has an anchor (&): remove it; a value that begins with & takes quotes"
		aliased  = "is an alias (*): write out what it stands for; a value that begins with * takes quotes"
		tagged   = "has a tag (!): remove it; a value that begins with ! takes quotes"
	)
	for _, test := range []struct {
		name, content string
		want          []string
	}{
		{"empty file", "", []string{"endpoint: is required"}},
		{"comment", "# nothing\n", []string{"endpoint: is required"}},
		{"unknown key", "endpoint: g\nendpiont: g\n", []string{"2:1 endpiont: is not a key of the configuration: did you mean endpoint?"}},
		{"unknown key in a section", "endpoint: g\ncoap: {acktimeout: 1s}\n", []string{"2:8 coap.acktimeout: is not a key of the configuration: did you mean coap.ack_timeout?"}},
		{"updates, and nothing of them", "endpoint: g\nfirmware: {}\n", []string{
			"firmware.install: is required: the program that installs an image, such as [/usr/local/bin/install-image]",
		}},
		{"nothing of their credentials", "endpoint: g\nfirmware: {install: x, download: {}}\n", []string{
			"firmware.download.security: is required: psk, x509 or rpk",
		}},
		{"twice", "endpoint: g\nendpoint: h\n", []string{"2:1 endpoint: stands here a second time"}},
		{"section twice", "endpoint: g\nlog: {level: info}\nlog: {format: json}\n", []string{"3:1 log: stands here a second time"}},
		{"list", "endpoint: [g]\n", []string{"1:11 endpoint: takes one value, not a list"}},
		{"keys for a value", "endpoint: {a: g}\n", []string{"1:11 endpoint: takes a value, not keys of its own"}},
		{"value for a section", "endpoint: g\ncoap: 2s\n", []string{"2:7 coap: is a section: its keys belong below it, indented"}},
		{"anchor", "endpoint: &a g\n", []string{"1:11 endpoint: " + anchored}},
		{"alias", "endpoint: *a\n", []string{"1:11 endpoint: " + aliased}},
		{"tag", "endpoint: !!str g\n", []string{"1:11 endpoint: " + tagged}},
		{"anchor and tag", "endpoint: &a !!str g\n", []string{"1:11 endpoint: " + anchored}},
		{"anchor before a section", "endpoint: g\nserver: &s\n  uri: coap://h\n  security: nosec\n", []string{"2:9 server: " + anchored}},
		{"anchor before a section, and what is in it", "endpoint: g\nserver: &s {uri: coap://h, security: nosec, prt: 1}\n", []string{
			"2:9 server: " + anchored, "2:45 server.prt: is not a key of the configuration",
		}},
		{"alias for a section", "endpoint: g\nserver: &s {uri: coap://h, security: nosec}\nbootstrap: *s\n", []string{
			"2:9 server: " + anchored, "3:12 bootstrap: " + aliased,
		}},
		{"tag before a section", "endpoint: g\nserver: !account\n  uri: coap://h\n  security: nosec\n", []string{"2:9 server: " + tagged}},
		{"anchor before the file", "--- &a\nendpoint: g\n", []string{"1:5 the file " + anchored}},
		{"tag before the file", "--- !!map\nendpoint: g\n", []string{"1:5 the file " + tagged}},
		{"alias for the file", "*a\n", []string{"1:1 the file " + aliased}},
		{"anchor before a key", "&a endpoint: g\n", []string{"1:1 endpoint: " + anchored}},
		{"tag before a key", "endpoint: g\n!!str lifetime: 1h\n", []string{"2:1 lifetime: " + tagged}},
		{"alias for a key", "endpoint: g\n*a : 1\n", []string{"2:1 ?: " + aliased}},
		{"no plain key", "endpoint: g\n? lifetime\n: 1h\n", []string{"2:1 ?: is not a plain key"}},
		{"merge", "endpoint: g\n<<: {lifetime: 1s}\n", []string{"2:1 <<: is a merge key: write out the keys that it brings in"}},
		{"merge in a section", "endpoint: g\nlog:\n  <<: *l\n", []string{"3:3 log.<<: is a merge key: write out the keys that it brings in"}},
		{"list of keys", "- endpoint: g\n", []string{"1:1 the file is not a list of keys and values"}},
		{"two documents after a directive", "%YAML 1.2\n---\nendpoint: g\n---\nendpoint: h\n", []string{"5:9 the file holds more than one YAML document"}},
		{"two documents", "endpoint: g\n---\nendpoint: h\n", []string{"3:9 the file holds more than one YAML document"}},
		{"no YAML", "endpoint: g\n\tlifetime: 1s\n", []string{"2:1 the file is not YAML: found character '\\t' that cannot start any token"}},
		{"not UTF-8", "endpoint: \xff\n", []string{"the file is not UTF-8"}},
		{"brackets", strings.Repeat("[", 1025), []string{"the file has more than 1024 opening brackets"}},
		{"too large", strings.Repeat("#", 64<<10+1), []string{"the configuration file is larger than 64 KiB"}},
		{"explicit zeros", "endpoint: g\nlifetime: 0s\ncoap: {nstart: 0, ack_timeout: 0s, ack_random_factor: 0}\n", []string{
			"2:11 lifetime: must be whole seconds, from 1s to 4294967295s",
			"3:32 coap.ack_timeout: must be a positive duration of at most 10m",
			"3:55 coap.ack_random_factor: must be a number from 1 to 10",
			"3:16 coap.nstart: must be a whole number from 1 to 255",
		}},
		{"explicit nothing", "endpoint:\nstate_dir: \"\"\nlifetime:\nlog: {level: \"\"}\ndevice: {manufacturer: \"\"}\n", []string{
			"1:10 endpoint: is required",
			"2:12 state_dir: is empty: name a directory, or leave it out for ./state",
			"3:10 lifetime: has no value: give one, or leave the key out",
			"5:24 device.manufacturer: is empty: give a name, or leave it out for Holdfast",
			"4:14 log.level: is none of trace, debug, info, warn, error, fatal, panic and disabled",
		}},
		{"no numbers", "endpoint: g\nlifetime: 24\nregistration_timeout: soon\ncoap: {ack_random_factor: .nan, max_retransmit: -1, nstart: 0x1}\n", []string{
			"2:11 lifetime: is not a duration such as 90s, 3m or 24h",
			"3:23 registration_timeout: is not a duration such as 90s, 3m or 24h",
			"4:27 coap.ack_random_factor: is not a number such as 1.5",
			"4:49 coap.max_retransmit: is not a whole number from 0 to 16",
			"4:61 coap.nstart: is not a whole number from 1 to 255",
		}},
		{"empty account", "endpoint: g\nserver: {}\n", []string{
			"server.uri: is required, such as coaps://host:5684", "server.security: is required: nosec, psk, x509 or rpk",
		}},
		{"PSK", "endpoint: g\nserver: {uri: coaps://h, security: psk, psk_identity: i, psk_key: \"\"}\nbootstrap: {uri: coaps://h, security: psk, psk_identity: i, psk_key: 0x12}\n", []string{
			"3:70 bootstrap.psk_key: is not hexadecimal: give two of the digits 0-9 and a-f for each byte",
			"2:67 server.psk_key: is empty: give the key in hexadecimal digits, or leave it out",
		}},
	} {
		if diff := cmp.Diff(test.want, loadFaults(t, test.content)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestLoadConfigNeverShowsAKey(t *testing.T) {
	t.Parallel()
	const secret = "c0ffeec0ffeec0ff"
	for _, content := range []string{
		"server: {psk_key: " + secret + "x}\n",
		"server: {psk_key: [" + secret + "]}\n",
		"server: {psk_key:" + secret + "}\n",
		"server:\n  psk_key: " + secret + "\n  psk_key: " + secret + "\n",
		"server:\n  psk_key:" + secret + "\n  uri: coap://h\n",
		"server:\n  psk_key: \"" + secret + "\n",
		"server:\n  psk_key: " + secret + ": x\n",
		"server:\n\tpsk_key: " + secret + "\n",
		"server:\n  psk_key: " + secret + "\n  security: nosec\n",
		"psk_key_" + secret + strings.Repeat("0", 32) + ": x\n",
	} {
		_, err := Loader{Path: writeConfig(t, content), LookupEnv: noEnv}.Load()
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestLoadConfigFileTrouble(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Load(filepath.Join(dir, "none.yaml"))
	if !errors.Is(err, holdfast.ErrInvalidParameters) || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("missing: %v", err)
	}
	if _, err := Load(dir); !errors.Is(err, holdfast.ErrInvalidParameters) || !strings.Contains(err.Error(), "cannot be read: ") {
		t.Errorf("directory: %v", err)
	}
}

func TestLoadConfigPrecedence(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, "endpoint: file\nlifetime: nonsense\naccount_id: file\nlog: {level: info}\n")
	loader := Loader{
		Path: path,
		LookupEnv: env(map[string]string{
			"HOLDFAST_ENDPOINT": "environment", "HOLDFAST_LIFETIME": "1h", "HOLDFAST_LOG_LEVEL": "warn",
			"HOLDFAST_SERVER_URI": "coap://h", "HOLDFAST_SERVER_SECURITY": "nosec", "HOLDFAST_COAP_ACK_TIMEOUT": "50ms",
			"HOLDFAST_ACCOUNT_ID": "", "HOLDFAST_REQUIRE_PEERS": "1",
		}),
		Environ: func() []string {
			return []string{"HOLDFAST_REQUIRE_PEERS=1", "HOLDFAST_ENDPOINT=environment", "HOLDFAST_NONSENSE=", "HOME=/"}
		},
		Overrides: []Setting{{Key: "log.level", Text: "nonsense"}, {Key: "log.level", Text: "debug", Source: "--log-level"}},
	}
	got, err := loader.Load()
	if err != nil {
		t.Fatal(err)
	}
	want := File{Config: holdfast.Config{
		Endpoint: "environment", AccountID: "file", StateDir: besides(path, "state"), Lifetime: time.Hour,
		Server: &holdfast.Account{URI: "coap://h", Security: holdfast.SecurityNoSec}, CoAP: holdfast.CoAPConfig{AckTimeout: 50 * time.Millisecond},
	}, Log: Log{Level: "debug", Format: "console"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadConfigNamesTheSource(t *testing.T) {
	t.Parallel()
	_, err := Loader{
		LookupEnv: env(map[string]string{"HOLDFAST_LIFETIME": "1"}),
		Overrides: []Setting{{Key: "log.level", Text: "x", Source: "--log-level"}, {Key: "nothing", Text: "x", Source: "--nothing"}},
	}.Load()
	var list *holdfast.ConfigError
	if !errors.As(err, &list) {
		t.Fatal(err)
	}
	var sources []string
	for _, f := range list.Faults {
		sources = append(sources, f.Key+" "+f.Source)
	}
	want := []string{"nothing --nothing", "endpoint HOLDFAST_ENDPOINT", "lifetime HOLDFAST_LIFETIME", "log.level --log-level"}
	if !slices.Equal(sources, want) {
		t.Errorf("%q, want %q", sources, want)
	}
	lines := strings.Split(list.Error(), "\n")
	if len(lines) != 5 || lines[4] != "  log.level: is none of trace, debug, info, warn, error, fatal, panic and disabled (--log-level)" {
		t.Errorf("%q", lines)
	}
}
