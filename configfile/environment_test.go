package configfile

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-iot/holdfast"
)

// inEnvironment returns a Loader without a file.
func inEnvironment(values map[string]string) Loader {
	return Loader{LookupEnv: env(values), Environ: func() []string {
		var list []string
		for name, value := range values {
			list = append(list, name+"="+value)
		}
		return list
	}}
}

// texts are values of every key that go together.
var texts = map[string]string{
	"endpoint": "gw-1", "account_id": "abc", "state_dir": "/var/lib/gw", "lifetime": "2h", "lwm2m_version": "1.0", "queue_mode": "true",
	"bootstrap.uri": "coaps://b.test", "bootstrap.security": "psk", "bootstrap.psk_identity": "b", "bootstrap.psk_key": "0011",
	"server.uri": "coaps://s.test", "server.security": "x509",
	"server.certificate": "/c.pem", "server.private_key": "/k.pem", "server.trust": "/t.pem",
	"server.usage": "pkix-ta", "server.server_name": "s1.test", "bootstrap.server_name": "b1.test", "trust_store": "system",
	"reconnect.policy": "lwm2m", "reconnect.initial_min": "1s", "reconnect.initial_max": "5s", "reconnect.max": "1h",
	"registration_timeout": "1m", "bootstrap_timeout": "5m", "object_timeout": "3s", "renew_at": "0.75",
	"coap.ack_timeout": "3s", "coap.ack_random_factor": "2", "coap.max_retransmit": "0", "coap.nstart": "2",
	"dtls.cid": "false", "dtls.keep_sessions": "false",
	"dns.server": "192.0.2.53:53", "network.interface": "[eth0, wwan0]", "network.watch": "true",
	"limits.bootstrap_bytes": "32KiB", "limits.queued_messages": "8", "limits.accounts": "2", "limits.observations": "3",
	"device.manufacturer": "m", "device.model": "n", "device.serial": "s", "device.firmware": "1",
	"device.machine": "true", "device.reboot": "[/sbin/reboot, -f]", "location.latitude": "-33.5", "location.longitude": "0",
	"firmware.dir": "/var/lib/images", "firmware.install": "[/bin/install, now]", "firmware.authorise": "ask", "firmware.defer": "2h",
	"firmware.allow_hosts": "[127.0.0.1]", "firmware.trust": "/u.pem", "firmware.vendor": "vendor.example", "firmware.class": "gw",
	"firmware.version": "1.2.3", "firmware.max_size": "2GiB", "firmware.give_up": "3h",
	"firmware.download.security": "x509", "firmware.download.certificate": "/c.pem", "firmware.download.private_key": "/k.pem",
	"firmware.download.trust": "/t.pem", "firmware.download.server_name": "images.example",
	"objects": "[{path: /3303/0/5700, value: 21.5}, {path: /3303/1/5700, file: /sys/class/thermal/thermal_zone0/temp, scale: 0.001}]", "definitions": "[]",
	"control.listen": "unix:/run/gw.sock", "control.group": "daemon", "control.metrics": "127.0.0.1:9101",
	"log.level": "debug", "log.format": "json",
}

// asFile writes values of keys as a configuration file.
func asFile(values map[string]string) string {
	var top, sections strings.Builder
	last := ""
	for _, key := range slices.Sorted(maps.Keys(values)) {
		section, name, nested := strings.Cut(key, ".")
		switch {
		case !nested:
			top.WriteString(key + ": " + values[key] + "\n")
			continue
		case section != last:
			sections.WriteString(section + ":\n")
			last = section
		}
		sections.WriteString("  " + name + ": " + values[key] + "\n")
	}
	return top.String() + sections.String()
}

// apart leaves out of a comparison what is made of File.Objects.
var apart = cmpopts.IgnoreFields(holdfast.Config{}, "Objects")

// Whatever a file can say, the environment can say alone.
func TestAllOfItFromTheEnvironment(t *testing.T) {
	t.Parallel()
	variables := map[string]string{}
	for key, text := range texts {
		variables[Variable(key)] = text
	}
	fromFile, err := Loader{Path: writeConfig(t, asFile(texts)), LookupEnv: noEnv}.Load()
	if err != nil {
		t.Fatal(err)
	}
	got, err := inEnvironment(variables).Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromFile, got, apart); diff != "" {
		t.Error(diff)
	}
	// What is missing in the table are the other ways to give a credential.
	for _, key := range Keys() {
		name := key[strings.LastIndex(key, ".")+1:]
		if texts[key] == "" && !slices.Contains([]string{"psk_identity", "psk_key", "psk_key_file", "certificate", "private_key", "trust", "usage", "pin", "est"}, name) {
			t.Errorf("%s is not tried", key)
		}
	}
}

func TestVariablesOfNoKey(t *testing.T) {
	t.Parallel()
	const none = "is a variable that no key of the configuration has"
	for name, want := range map[string]string{
		"HOLDFAST_LIFETME":                none + ": did you mean HOLDFAST_LIFETIME?",
		"HOLDFAST_SERVER_PSK_KEYFILE":     none + ": did you mean HOLDFAST_SERVER_PSK_KEY_FILE?",
		"HOLDFAST_RECONNECT_INITIALMIN":   none + ": did you mean HOLDFAST_RECONNECT_INITIAL_MIN?",
		"HOLDFAST_endpoint":               none, // names tell capitals apart
		"HOLDFAST_":                       none,
		"HOLDFAST_PORT_5683_UDP_PROTO":    none,
		"HOLDFAST_QUEUE_MODE":             "queue_mode", // a key, of another kind
		"HOLDFAST_" + longPath(100):       none,
		"HOLDFAST_REQUIRE_PEERS":          "",
		"HOLDFAST_ACCOUNT_ID":             "",
		"HOLDFASTER":                      "",
		"holdfast_lifetime":               "",
		"HOLDFAST_BOOTSTRAP_PSK_IDENTITY": "bootstrap.uri", // a key, of an account that lacks the rest
	} {
		loader := inEnvironment(map[string]string{"HOLDFAST_ENDPOINT": "g", name: "1"})
		_, err := loader.Load()
		list, _ := errors.AsType[*holdfast.ConfigError](err)
		switch {
		case want == "":
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case list == nil:
			t.Errorf("%s is accepted", name)
		case want != list.Faults[0].Problem && want != list.Faults[0].Key:
			t.Errorf("%s: %q", name, list.Faults[0])
		case strings.Contains(err.Error(), longPath(100)):
			t.Errorf("%s", err)
		}
		// One that is empty counts as not set.
		if _, err := inEnvironment(map[string]string{"HOLDFAST_ENDPOINT": "g", name: ""}).Load(); err != nil {
			t.Errorf("%s, empty: %v", name, err)
		}
	}
}

// A process has its own environment, unless the Loader was given another.
func TestTheEnvironmentOfTheProcess(t *testing.T) {
	t.Setenv("HOLDFAST_ENDPOIND", "g")
	path := writeConfig(t, "endpoint: g\n")
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "HOLDFAST_ENDPOINT?") {
		t.Errorf("%v", err)
	}
	if _, err := (Loader{Path: path, LookupEnv: noEnv}).Load(); err != nil {
		t.Errorf("%v", err)
	}
}

// A fault is named by where it stands, and by where the value should have stood.
func TestFaultsInTheFileAndTheEnvironment(t *testing.T) {
	t.Parallel()
	loader := inEnvironment(map[string]string{
		"HOLDFAST_LIFETIME": "soon", "HOLDFAST_SERVER_SECURITY": "psk", "HOLDFAST_COAP_NSTART": "0", "HOLDFAST_STATE_DIRR": "x",
	})
	lines := func() (lines []string) {
		_, err := loader.Load()
		list, ok := errors.AsType[*holdfast.ConfigError](err)
		if !ok {
			t.Fatalf("%v", err)
		}
		for _, f := range list.Faults {
			source := strings.Replace(f.Source, filepath.Dir(loader.Path)+string(filepath.Separator), "", 1)
			lines = append(lines, f.Key+" <- "+source)
		}
		return lines
	}
	want := []string{
		"HOLDFAST_STATE_DIRR <- ", "endpoint <- HOLDFAST_ENDPOINT", "lifetime <- HOLDFAST_LIFETIME", "server.uri <- HOLDFAST_SERVER_URI",
		"server.psk_identity <- HOLDFAST_SERVER_PSK_IDENTITY", "server.psk_key <- HOLDFAST_SERVER_PSK_KEY", "coap.nstart <- HOLDFAST_COAP_NSTART",
	}
	if diff := cmp.Diff(want, lines()); diff != "" {
		t.Error(diff)
	}
	loader.Path = writeConfig(t, "endpoint: g\nlifetime: 1h\naccount: x\nserver:\n  uri: coap://h\n  trust: t.pem\n  psk_identity: i\n  psk_key: '0'\n")
	want = []string{
		"HOLDFAST_STATE_DIRR <- ", "account <- gw.yaml:3:1", "lifetime <- HOLDFAST_LIFETIME", "server.uri <- gw.yaml:5:8",
		"server.psk_key <- gw.yaml:8:12", "server.trust <- gw.yaml:6:10", "coap.nstart <- HOLDFAST_COAP_NSTART",
	}
	if diff := cmp.Diff(want, lines()); diff != "" {
		t.Error(diff)
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "bc", 1}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2},
	} {
		if got := differences(test.a, test.b); got != test.want {
			t.Errorf("%q, %q: %d", test.a, test.b, got)
		}
	}
}

// An account that enrols, from a file and from the environment.
func TestEnrolmentIsConfigured(t *testing.T) {
	want := &holdfast.Account{URI: "coaps://s.test", Security: holdfast.SecurityEST, Trust: "/t.pem", EST: "coaps://e.test:5690"}
	values := map[string]string{
		"endpoint": "gw", "bootstrap.uri": "coaps://b.test", "bootstrap.security": "psk", "bootstrap.psk_identity": "b", "bootstrap.psk_key": "0011",
		"server.uri": want.URI, "server.security": "est", "server.trust": want.Trust, "server.est": want.EST,
	}
	variables := map[string]string{}
	for key, text := range values {
		variables[Variable(key)] = text
	}
	for name, loader := range map[string]Loader{
		"file": {Path: writeConfig(t, asFile(values)), LookupEnv: noEnv}, "environment": inEnvironment(variables),
	} {
		f, err := loader.Load()
		if err != nil {
			t.Fatal(name, err)
		}
		if diff := cmp.Diff(want, f.Config.Server); diff != "" {
			t.Error(name, diff)
		}
		if err := f.Config.Validate(); err != nil {
			t.Error(name, err)
		}
	}
}
