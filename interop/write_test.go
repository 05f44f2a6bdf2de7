package interop

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

// writes demands a code for a Write of a resource.
func (l *leshan) writes(path, format string, value any, code string) {
	l.t.Helper()
	reply := l.Do(peer.Object{"op": "write", "ep": endpoint, "path": path, "format": format, "value": value})
	if reply["code"] != code {
		l.t.Errorf("write %v to %s as %s: %v, want %s", value, path, format, reply, code)
	}
}

// Leshan writes the lifetime, in every format that it has for a resource, and the
// Update tells it what it has written. A client that is killed right after the
// answer begins with that lifetime.
func TestLeshanWritesTheLifetime(t *testing.T) {
	for name, key := range map[string][]byte{"NoSec": nil, "PSK": testKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := management(t)
			if key != nil {
				server.allowPSK(key)
			}
			binary, config := buildCommand(t), writeServerConfig(t, server, key)
			c := launch(t, binary, config)
			c.next(holdfast.EventRegistered)
			server.event("registered")
			for i, format := range []string{"TEXT", "TLV", "SENML_CBOR", "SENML_JSON"} {
				lifetime := 60 + i
				server.writes("/1/0/1", format, lifetime, "CHANGED(204)")
				c.next(holdfast.EventRegistrationUpdated)
				if u := server.event("updated"); u["lifetime"] != float64(lifetime) {
					t.Errorf("as %s: Leshan was told %v", format, u)
				}
			}
			server.writes("/1/0/1", "TLV", -1, "BAD_REQUEST(400)")
			server.writes("/1/0/0", "TLV", 2, "METHOD_NOT_ALLOWED(405)")
			server.writes("/1/0/7", "TEXT", "UQS", "BAD_REQUEST(400)")
			server.read("/1/0", "TLV", "63")

			server.writes("/1/0/1", "SENML_CBOR", 90, "CHANGED(204)")
			c.kill()
			second := launch(t, binary, config)
			if e := second.next(holdfast.EventRegistered); e.Lifetime != 90*time.Second || e.Attempts != 1 {
				t.Errorf("registered: %+v", e)
			}
		})
	}
}
