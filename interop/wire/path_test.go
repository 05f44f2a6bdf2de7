package wire

import (
	"fmt"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

// credentials are the two kinds that every stack takes.
var credentials = []struct {
	name  string
	suite dtls.SuiteID
}{
	{"PSK", dtls.PSKWithAES128CCM8},
	{"certificates", dtls.ECDHEECDSAWithAES128CCM8},
}

// scene is a stack with one kind of credentials, and a client for it.
type scene struct {
	stack    *stack
	kind     string
	security peer.Security
	client   dtls.Config
	shared   *server // of a stack that takes many clients
}

// scenes runs a test for every stack and kind of credentials.
func scenes(t *testing.T, f func(*testing.T, *scene)) {
	t.Helper()
	world := newWorld(t)
	for _, s := range stacks {
		for _, c := range credentials {
			t.Run(s.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				sc := &scene{stack: s, kind: c.name, security: world.server(c.suite), client: world.client(onP256, c.suite)}
				if s.many {
					sc.shared = s.run(t, sc.security)
				}
				f(t, sc)
			})
		}
	}
}

func (s *scene) name() string { return s.stack.name + "/" + s.kind }

// server returns one that no other client blocks.
func (s *scene) server(t testing.TB) *server {
	t.Helper()
	if s.shared != nil {
		return s.shared
	}
	return s.stack.run(t, s.security, s.stack.args...)
}

// travels shakes hands over a road, and uses the session.
func (s *scene) travels(t testing.TB, via road) *link {
	t.Helper()
	return travels(t, s.server(t), s.client, via)
}

func travels(t testing.TB, p *server, client dtls.Config, via road) *link {
	t.Helper()
	l := connect(t, newRelay(t, p.addr, via).addr(), client)
	if err := p.talk(l); err != nil {
		t.Errorf("data: %v", err)
	}
	return l
}

// undisturbed shakes hands until nothing had to be sent again, which on a busy
// machine may take more than one go.
func (s *scene) undisturbed(t testing.TB) *link {
	t.Helper()
	for range questions {
		if l := s.travels(t, open); l.resends == 0 {
			return l
		}
	}
	t.Fatal("something is sent again in every handshake")
	return nil
}

// Whichever datagram of a handshake is lost, comes twice, or after its
// successor: the handshake completes within the attempt.
func TestOneDatagramFails(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		clean := s.undisturbed(t)
		for _, at := range spots(clean.sent, clean.received) {
			for fate, via := range fates {
				t.Run(fmt.Sprintf("%s %s", at, fate), func(t *testing.T) {
					t.Parallel()
					s.travels(t, via(at))
				})
			}
		}
	})
}
