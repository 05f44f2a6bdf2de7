package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

func (c *child) registeredAt(server *leshan) {
	c.t.Helper()
	if e := c.next(holdfast.EventRegistered); e.Server != "coap://"+server.CoAP() {
		c.t.Errorf("registered at %s, want %s", e.Server, server.CoAP())
	}
	server.event("registered")
}

// writeConfig writes the configuration file of a client that knows only its
// bootstrap server.
func writeConfig(t *testing.T, bootstrapAddr string) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`endpoint: %s
state_dir: %s
bootstrap:
  uri: coap://%s
  security: nosec
reconnect: {initial_min: 200ms, initial_max: 200ms}
registration_timeout: 5s
coap: {ack_timeout: 200ms, max_retransmit: 2}
log: {level: warn}
`, endpoint, filepath.Join(dir, "state"), bootstrapAddr)
	path := filepath.Join(dir, "gw.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A process that is killed between the last Write and Finish of a bootstrap
// that would move it to another server still has its old account.
func TestLeshanKillBetweenWriteAndFinish(t *testing.T) {
	t.Parallel()
	older, newer, bs := management(t), management(t), bootstrap(t)
	binary, config := buildCommand(t), writeConfig(t, bs.CoAP())
	bs.provision("TLV", noSecEntry(older.CoAP()))
	first := launch(t, binary, config)
	first.next(holdfast.EventBootstrapped)
	first.registeredAt(older)
	first.terminate()
	bs.event("bs_end")

	bs.provision("TLV", noSecEntry(newer.CoAP()))
	bs.Do(peer.Object{"op": "hold", "ep": endpoint})
	older.allowPSK(testKey) // so that it refuses NoSec with 4.03
	second := launch(t, binary, config)
	second.refused()
	bs.event("bs_held")
	second.kill()

	older.Do(peer.Object{"op": "nosec", "ep": endpoint})
	third := launch(t, binary, config)
	third.registeredAt(older)
	third.terminate()
	if n := newer.count("registered"); n != 0 {
		t.Errorf("%d registrations at the new server, want none", n)
	}

	// The same again with the Finish, as the proof of what was held back.
	older.allowPSK(testKey)
	bs.Do(peer.Object{"op": "release", "ep": endpoint})
	fourth := launch(t, binary, config)
	fourth.refused()
	fourth.next(holdfast.EventBootstrapped)
	fourth.registeredAt(newer)
	fourth.terminate()
}

// refused demands the error that leads to a bootstrap.
func (c *child) refused() {
	c.t.Helper()
	e := c.next(holdfast.EventError)
	if e.Code != holdfast.ErrInvalidParameters.Code || e.CoAP != "4.03" || e.Action != "bootstrap" {
		c.t.Errorf("refused: %+v, want code 3 and a bootstrap", e)
	}
}
