package wire

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls"
)

// forgetful are the scenes whose server does not resume: libcoap keeps no
// sessions with GnuTLS, and has OpenSSL keep none of clients with certificates.
var forgetful = []string{"libcoap-gnutls/PSK", "libcoap-gnutls/certificates", "libcoap-openssl/certificates"}

// once has a server that was used before, and may use it again: to OpenSSL's,
// -listen would mean one client for ever.
func (s *scene) once(t testing.TB) (p *server, again dtls.Config) {
	t.Helper()
	p = s.shared
	if p == nil {
		p = s.stack.run(t, s.security)
	}
	again = s.client
	again.CID = nil // the two do not go together
	l := travels(t, p, again, open)
	if again.Resume = l.session.Resumption(); again.Resume == nil {
		t.Fatal("the session has no ID")
	}
	if err := l.goodbye(); err != nil {
		t.Fatal(err)
	}
	return p, again
}

// resumes takes a session up again over a road.
func (s *scene) resumes(t testing.TB, via road) *link {
	t.Helper()
	p, again := s.once(t)
	l := connect(t, newRelay(t, p.addr, via).addr(), again)
	if s.stack.deaf {
		if _, err := l.receive(time.Now().Add(echoPatience)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("data that nobody sent: %v", err)
		}
	}
	if err := p.talk(l); err != nil {
		t.Errorf("data: %v", err)
	}
	if !l.session.Resumed() || l.session.Suite() != again.Resume.Suite {
		t.Errorf("resumed: %v, suite %s", l.session.Resumed(), l.session.Suite())
	}
	return l
}

// Sessions are resumed by their IDs, whichever datagram of the abbreviated
// handshake is lost. The client's last one, which nothing answers, is repeated
// when the server repeats its own.
func TestResumption(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		if slices.Contains(forgetful, s.name()) {
			s.starts(t)
			return
		}
		clean := s.resumes(t, open)
		for range questions {
			if clean.resends == 0 || s.shared == nil {
				break // servers of one client lose the next one's first hello
			}
			clean = s.resumes(t, open)
		}
		if next := clean.session.Resumption(); next == nil {
			t.Error("a resumed session cannot be resumed again")
		}
		for _, at := range spots(clean.sent, clean.received) {
			t.Run(fmt.Sprintf("%s lost", at), func(t *testing.T) {
				t.Parallel()
				s.resumes(t, losing(at))
			})
		}
	})
}

// A server that does not know the session, or none, has a new one begin.
func TestForgottenSession(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) { s.starts(t) })
}

func (s *scene) starts(t *testing.T) {
	t.Helper()
	p, again := s.once(t)
	forgotten := *again.Resume
	if !slices.Contains(forgetful, s.name()) {
		forgotten.ID = slices.Clone(forgotten.ID)
		forgotten.ID[0]++
	}
	again.Resume = &forgotten
	l := travels(t, p, again, open)
	if l.session.Resumed() {
		t.Error("resumed a session that the server does not know")
	}
	if next := l.session.Resumption(); next == nil || slices.Equal(next.ID, forgotten.ID) {
		t.Error("the new session has no ID of its own")
	}
}
