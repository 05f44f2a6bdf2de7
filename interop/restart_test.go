package interop

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-iot/holdfast"
)

// writeServerConfig writes the configuration file of a client with a management
// server of its own, for PSK where there is a key.
func writeServerConfig(t *testing.T, server *leshan, key []byte) string {
	t.Helper()
	dir := t.TempDir()
	account := fmt.Sprintf("{uri: coap://%s, security: nosec}", server.CoAP())
	if key != nil {
		account = fmt.Sprintf("{uri: coaps://%s, security: psk, psk_identity: %s, psk_key: %s}",
			server.CoAPS(), endpoint, hex.EncodeToString(key))
	}
	text := fmt.Sprintf(`endpoint: %s
state_dir: %s
lifetime: 12s
server: %s
reconnect: {initial_min: 200ms, initial_max: 200ms}
registration_timeout: 10s
log: {level: warn}
`, endpoint, filepath.Join(dir, "state"), account)
	path := filepath.Join(dir, "gw.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A client with a live registration that is killed begins with an Update, and
// Leshan takes it for the same registration. A server that has forgotten it gets
// the Register at once.
func TestLeshanKilledClient(t *testing.T) {
	for name, key := range map[string][]byte{"NoSec": nil, "PSK": testKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := management(t)
			allow := func() {
				if key != nil {
					server.allowPSK(key)
				}
			}
			allow()
			binary, config := buildCommand(t), writeServerConfig(t, server, key)

			first := launch(t, binary, config)
			where := first.next(holdfast.EventRegistered).Location
			// By the first Update, 6 s later, what was registered is on the disk.
			first.next(holdfast.EventRegistrationUpdated)
			server.event("updated")
			first.kill()

			second := launch(t, binary, config)
			if e := second.next(holdfast.EventRegistered); e.Location != where || e.Attempts != 1 {
				t.Errorf("registered: %+v, want the Location %s", e, where)
			}
			server.event("updated")
			if n := server.count("registered"); n != 1 {
				t.Errorf("Leshan counts %d registrations, want 1", n)
			}
			second.kill()

			server.Restart()
			allow()
			third := launch(t, binary, config)
			e := third.next(holdfast.EventRegistered)
			if e.Location == where || e.Attempts != 1 {
				t.Errorf("registered: %+v, want another Location than %s, in one attempt", e, where)
			}
			for _, seen := range third.seen {
				if seen.Type == holdfast.EventError {
					t.Errorf("the refused Update is no failure: %s", line(seen))
				}
			}
			third.terminate()
		})
	}
}
