package wire

import (
	"errors"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
)

// With another key than the server's, the client knows that its proof was sent
// in answer to everything, and not answered. With any of the server's messages
// missing it knows nothing of the kind.
func TestVerdictOnTheKey(t *testing.T) {
	t.Parallel()
	other := dtls.Config{PSK: &dtls.PSK{Identity: []byte(endpoint), Key: func() []byte { return []byte("another key") }}}
	for _, s := range stacks {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			sc := &scene{stack: s, security: pskSecurity}
			if s.many {
				sc.shared = s.run(t, pskSecurity)
			}
			for name, c := range map[string]struct {
				via    road
				proven bool
			}{
				"all there":          {open, true},
				"no ServerHello":     {without(handshake.TypeServerHello), false},
				"no ServerHelloDone": {without(handshake.TypeServerHelloDone), false},
				"nothing":            {func(fromServer bool, data []byte) [][]byte { return nil }, false},
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					_, err := shake(socket(t, newRelay(t, sc.server(t).addr, c.via).addr()), other, 6*echoPatience)
					var f *failure
					if !errors.As(err, &f) {
						t.Fatal(err)
					}
					if got := proves(f); got != c.proven {
						t.Errorf("proven: %v, want %v: %v", got, c.proven, f)
					}
				})
			}
		})
	}
}

// proves reports whether a failure may be the server's verdict on the key.
func proves(f *failure) bool {
	var alert *dtls.AlertError
	if errors.As(f.err, &alert) {
		return alert.Answered
	}
	return f.progress.Complete && !f.progress.Contradicted
}
