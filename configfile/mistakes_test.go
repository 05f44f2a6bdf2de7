package configfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

const pinText = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

// mistakes are values that are wrong in a configuration that is good without them,
// at least one for each key. Empty: the key has no value.
var mistakes = map[string][]string{
	"endpoint": {"", longPath(65), `"a\tb"`}, "account_id": {longPath(65), longPath(300)}, "state_dir": {"''", `"a\0b"`},
	"lifetime": {"", "-1s", "1.5s", "24"}, "lwm2m_version": {"2.0", "''"}, "queue_mode": {"", "yes", "1", "UQ"},

	"bootstrap.uri":          {"", "http://b", "coap://b", "coaps://b:0", "coaps://b/" + strings.Repeat("a/", 80)},
	"bootstrap.security":     {"", "tls", "nosec", "x509", "rpk", "PSK"},
	"bootstrap.psk_identity": {"", longPath(129)},
	"bootstrap.psk_key":      {"", "0", "0x00", fmt.Sprintf("%0130d", 0)},
	"bootstrap.psk_key_file": {"gw.key"},
	"bootstrap.certificate":  {"gw.crt"}, "bootstrap.private_key": {"gw.key"}, "bootstrap.trust": {"ca.crt"},
	"bootstrap.usage": {"3"}, "bootstrap.pin": {pinText}, "bootstrap.server_name": {longPath(254), "a b"},

	"server.uri":          {"", "s.test", "coap://s.test", "coaps://[::1"},
	"server.security":     {"", "X509", "nosec", "psk"},
	"server.psk_identity": {"i"}, "server.psk_key": {"00"}, "server.psk_key_file": {"gw.key"},
	"server.certificate": {""}, "server.private_key": {""}, "server.trust": {""},
	"server.usage": {"4", "PKIX-TA", "dane"}, "server.pin": {pinText, "[" + pinText + "]"}, "server.server_name": {"bücher.test", longPath(300)},
	"bootstrap.est": {"coaps://e.test"}, "server.est": {"coaps://e.test"}, "trust_store": {""},

	"reconnect.policy": {"''", "never"}, "reconnect.initial_min": {"", "0s", "6s", "2h"}, "reconnect.initial_max": {"", "0s", "x"},
	"reconnect.max": {"", "-1s", "500ms", "3s"}, "registration_timeout": {"", "0s", "soon"}, "bootstrap_timeout": {"", "-5m", "5"},
	"object_timeout": {"", "0s", "-1s"}, "renew_at": {"", "0", "1.5", "-0.5", ".nan", "soon"},
	"coap.ack_timeout": {"", "0s", "11m"}, "coap.ack_random_factor": {"", "0.5", "11", ".nan"}, "coap.max_retransmit": {"", "-1", "17", "4.5"},
	"dtls.cid": {"", "no", "0"}, "dtls.keep_sessions": {"", "yes"},
	"coap.nstart": {"", "0", "256"}, "dns.server": {"192.0.2.53", ":53", "h:0", "[fe80::1%eth0]"},
	"network.interface": {"a/b", "[eth0, eth0]", "{a: b}", "''", "sixteen-letters-", "[eth0, '..']"}, "network.watch": {"", "no", "false"},
	"limits.bootstrap_bytes": {"", "1", "2MiB", "64kb"}, "limits.queued_messages": {"", "0", "65537"}, "limits.accounts": {"", "0", "1001"}, "limits.observations": {"", "0", "10001"},
	"device.manufacturer": {"''", longPath(256)}, "device.model": {longPath(256)}, "device.serial": {longPath(256)}, "device.firmware": {`"\e[2J"`},
	"device.machine": {"", "no"}, "device.reboot": {"reboot -f", "{a: b}"},
	"location.latitude": {"", "90.5", "north", "0x1"}, "location.longitude": {"-181", ".nan"},
	"objects": {"/3303/0/5700", "{path: /3303/0/5700}", "5", "x y"}, "definitions": {"none.xml", "[none.xml]", "{a: b}", "''"},
	"firmware.dir": {"''", "/var/lib/gw/"}, "firmware.install": {"[]", "x y", "{a: b}", "['']"}, "firmware.authorise": {"''", "maybe"},
	"firmware.defer": {"", "0s"}, "firmware.allow_hosts": {"coap://h", "[a, b c]", "{a: b}"}, "firmware.trust": {""},
	"firmware.vendor": {"", "00112233-4455-6677-8899-aabbccddeef"}, "firmware.class": {"", longPath(256)},
	"firmware.version": {"1.2", `"\e[2J"`}, "firmware.max_size": {"", "0", "1.5GiB", "1025GiB", "1TiB"}, "firmware.give_up": {"", "0s", "ever"},
	"firmware.download.security": {"", "nosec", "psk", "tls"}, "firmware.download.psk_identity": {"i"}, "firmware.download.psk_key": {"00", "x"},
	"firmware.download.psk_key_file": {"k"}, "firmware.download.certificate": {""}, "firmware.download.private_key": {""}, "firmware.download.trust": {""},
	"firmware.download.server_name": {longPath(254)},
	"control.listen":                {"0.0.0.0:1", "8080", "'unix:'", "unix:/run/"}, "control.metrics": {"9101", "unix:/run/gw.sock", "h:70000"},
	"log.level": {"''", "loud"}, "log.format": {"''", "xml"},
}

// One mistake accuses one key: the one that it is in, wherever it stands.
func TestOneMistakeAccusesOneKey(t *testing.T) {
	t.Parallel()
	for _, key := range Keys() {
		if len(mistakes[key]) == 0 && key != "control.group" { // which is a matter of the machine
			t.Errorf("%s is not tried", key)
		}
		for _, text := range mistakes[key] {
			values := maps.Clone(texts)
			values[key] = text
			accused(t, "file", Loader{Path: writeConfig(t, asFile(values)), LookupEnv: noEnv}, key, text)
			plain := strings.Trim(text, "'")
			if plain == "" || strings.Contains(text, `"`) {
				continue // a variable that is empty counts as not set, and has no notation
			}
			variables := map[string]string{}
			for k, v := range values {
				variables[Variable(k)] = strings.Trim(v, "'")
			}
			accused(t, "environment", inEnvironment(variables), key, text)
		}
	}
}

func accused(t *testing.T, where string, l Loader, key, text string) {
	t.Helper()
	_, err := l.Load()
	// Of a list it may be one part that is wrong.
	if got := faultsOf(err); len(got) != 1 || !strings.HasPrefix(got[0], key+": ") && !strings.HasPrefix(got[0], key+"[") {
		t.Errorf("%s: %s: %s: %q", where, key, text, got)
	}
}

// Of two values that contradict each other the one that was written is at fault, and
// not a default that nobody sees.
func TestAMistakeIsNotInADefault(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"{initial_max: 1s}":                      "reconnect.initial_max: is below reconnect.initial_min (2s)",
		"{initial_max: 200h}":                    "reconnect.initial_max: is above reconnect.max (168h0m0s)",
		"{initial_min: 20s}":                     "reconnect.initial_min: is above reconnect.initial_max (10s)",
		"{max: 5s}":                              "reconnect.max: is below reconnect.initial_max (10s)",
		"{initial_min: 20s, initial_max: 15s}":   "reconnect.initial_min: is above reconnect.initial_max (15s)",
		"{initial_max: 200h, max: 100h}":         "reconnect.max: is below reconnect.initial_max (200h0m0s)",
		"{initial_min: 1s, max: 5s}":             "reconnect.max: is below reconnect.initial_max (10s)",
		"{initial_min: 1s, initial_max: 500ms}":  "reconnect.initial_min: is above reconnect.initial_max (500ms)",
		"{initial_min: 1ms, initial_max: 1000h}": "reconnect.initial_max: is above reconnect.max (168h0m0s)",
	} {
		_, err := Loader{Path: writeConfig(t, "endpoint: g\nreconnect: "+line+"\n"), LookupEnv: noEnv}.Load()
		if got := faultsOf(err); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
