package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// runPair starts a server and a client that knows only its bootstrap server,
// waits for the registration, and ends both.
func runPair(t *testing.T, account string, serverArgs ...string) (registered, seen map[string]any) {
	t.Helper()
	args := append([]string{"server", "--json", "--listen", "127.0.0.1:0", "--bootstrap-listen", "127.0.0.1:0"}, serverArgs...)
	server := start(t, args...)
	server.until("listening")
	bootstrap := server.until("listening")
	path := writeFile(t, "gw.yaml", fmt.Sprintf("endpoint: gw-0001\nstate_dir: %s\nlog: {level: disabled}\nbootstrap: {uri: %q, %s}\n",
		t.TempDir(), bootstrap["uri"], account))
	client := start(t, "run", "--json", "--config", path)
	client.until("bootstrapped")
	registered = client.until("registered")
	// the client may register before the server has noted the end of the bootstrap
	seen = server.untilAll("bootstrapped", "register")["register"]
	if exit := client.end(); exit != exitDone {
		t.Errorf("run: exit %d", exit)
	}
	if left := server.until("deregister"); left["answer"] != "2.02" {
		t.Errorf("de-registration: %v", left)
	}
	if exit := server.end(); exit != exitDone {
		t.Errorf("server: exit %d", exit)
	}
	return registered, seen
}

func TestRunAgainstServerNoSec(t *testing.T) {
	t.Parallel()
	registered, seen := runPair(t, "security: nosec", "--nosec")
	if !strings.HasPrefix(registered["location"].(string), "/rd/") || registered["attempts"] != 1.0 {
		t.Errorf("registered: %v", registered)
	}
	if seen["endpoint"] != "gw-0001" || seen["answer"] != "2.01" || seen["identity"] != nil {
		t.Errorf("register: %v", seen)
	}
}

func TestRunAgainstServerPSK(t *testing.T) {
	t.Parallel()
	keys := writeFile(t, "keys", "# trial\n\ngw-0001:000102030405060708090a0b0c0d0e0f\n")
	for name, args := range map[string][]string{
		"file":             {"--psk-file", keys},
		"flag":             {"--psk", "gw-0001:000102030405060708090a0b0c0d0e0f"},
		"another identity": {"--psk", "someone:00", "--psk", "gw:7:000102030405060708090a0b0c0d0e0f"},
	} {
		identity := "gw-0001"
		if name == "another identity" {
			identity = "gw:7"
		}
		account := fmt.Sprintf("security: psk, psk_identity: %q, psk_key: 000102030405060708090a0b0c0d0e0f", identity)
		_, seen := runPair(t, account, args...)
		proved, _ := seen["identity"].(string)
		if !strings.Contains(proved, "-") || proved == identity {
			t.Errorf("%s: registered as %q, want an identity that the bootstrap has made", name, proved)
		}
	}
}

// A trial server that is restarted with the same keys has made the same accounts, and
// each is another one.
func TestAccountsOfTheTrialServerFollowFromItsKeys(t *testing.T) {
	made := func(ks keys, endpoint string) string {
		identity, key := accountMaker{secret: ks.secret()}.psk(endpoint)
		if len(key) != 16 || len(identity) > maxIdentity {
			t.Errorf("%s: %d bytes, identity %s", endpoint, len(key), identity)
		}
		return fmt.Sprintf("%s %x", identity, key)
	}
	ks := keys{"a": []byte("0123456789abcdef"), "b": []byte("another key 1234")}
	if made(ks, "a") != made(maps.Clone(ks), "a") {
		t.Error("a restart makes other accounts")
	}
	others := []string{made(ks, "a"), made(ks, "b"), made(ks, ""), made(keys{"a": ks["a"]}, "a"), made(ks, strings.Repeat("x", 300))}
	for i, one := range others {
		if slices.Contains(others[i+1:], one) {
			t.Errorf("%s came twice", one)
		}
	}
}
