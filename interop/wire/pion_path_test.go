package wire

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	piondtls "github.com/pion/dtls/v2"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
)

// newLabWorld makes certificates that are valid on the clock of bubbles.
func newLabWorld(t *testing.T) (w *world) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { w = makeWorld(t) })
	return w
}

// Every suite, with every kind of client certificate and with none, with the
// extended master secret and without. pion's server takes the first curve on
// offer and cannot be told another.
func TestPionSuites(t *testing.T) {
	t.Parallel()
	world := newLabWorld(t)
	for _, c := range combinations() {
		if c.curve == p384 || c.curve == x25519 {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			config := world.pionServer(c.suite)
			if c.old {
				config.ExtendedMasterSecret = piondtls.DisableExtendedMasterSecret
			}
			if c.own == noCertificate {
				config.ClientAuth = piondtls.NoClientCert
			}
			client := world.client(c.own, suitesLike(c.suite)...)
			inLab(t, config, func(v *lab) {
				l := v.travels(client, open)
				if l.session.Suite() != c.suite || l.tap.curve() != c.curve || l.resends > 0 {
					t.Errorf("agreed on %s, %s after %d resends", l.session.Suite(), l.tap.curve(), l.resends)
				}
			})
		})
	}
}

// pionScenes runs a test for both kinds of credentials.
func pionScenes(t *testing.T, f func(*testing.T, piondtls.Config, dtls.Config)) {
	t.Helper()
	world := newLabWorld(t)
	for _, c := range credentials {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := world.pionServer(c.suite)
			config.MTU = 400 // the flight has several datagrams
			f(t, config, world.client(onP256, c.suite))
		})
	}
}

// Every datagram, and every pair of them, is lost, doubled or swapped.
func TestPionDatagramsFail(t *testing.T) {
	t.Parallel()
	pionScenes(t, func(t *testing.T, config piondtls.Config, client dtls.Config) {
		var all []spot
		inLab(t, config, func(v *lab) {
			clean := v.travels(client, open)
			all = spots(clean.sent, clean.received)
		})
		for i, one := range all {
			for _, other := range all[i:] {
				for fate, via := range fates {
					t.Run(fmt.Sprintf("%s, %s %s", one, other, fate), func(t *testing.T) {
						first, second := via(one), via(other)
						inLab(t, config, func(v *lab) { v.travels(client, inRow(first, second)) })
					})
				}
			}
		}
	})
}

// inRow is one road behind the other.
func inRow(first, second road) road {
	return func(fromServer bool, data []byte) (out [][]byte) {
		for _, d := range first(fromServer, data) {
			out = append(out, second(fromServer, d)...)
		}
		return out
	}
}

// Both sides' MTUs, from the smallest that is of use.
func TestPionMTU(t *testing.T) {
	t.Parallel()
	pionScenes(t, func(t *testing.T, config piondtls.Config, client dtls.Config) {
		for mtu := 256; mtu <= 1500; mtu += 37 {
			t.Run(fmt.Sprint(mtu), func(t *testing.T) {
				config, client := config, client
				config.MTU, client.MTU = mtu, mtu
				inLab(t, config, func(v *lab) {
					l := v.travels(client, open)
					if l.resends > 0 {
						t.Errorf("%d resends", l.resends)
					}
				})
			})
		}
	})
}

// The server's flight is cut into pieces of every size, and into others when it
// is sent again, with every piece lost once.
func TestPionCutAnew(t *testing.T) {
	t.Parallel()
	pionScenes(t, func(t *testing.T, config piondtls.Config, client dtls.Config) {
		for _, size := range []int{40, 90, 133, 200, 500} {
			for _, again := range []int{64, 90, 1000} {
				cut := cutter{sizes: []int{size, again}, merged: size == 133, reversed: size == 90}
				pieces := cut.pieceCount(t, config, client)
				for lost := range pieces {
					t.Run(fmt.Sprintf("%d, %d without %d", size, again, lost), func(t *testing.T) {
						c := cut
						c.lost = []int{lost, (2*lost + 1) % pieces}
						inLab(t, config, func(v *lab) { v.travels(client, c.road) })
						if c.sending < 2 {
							t.Errorf("the flight was sent %d times", c.sending)
						}
					})
				}
			}
		}
	})
}

// pieceCount returns how many pieces a cutter makes of a flight.
func (c cutter) pieceCount(t *testing.T, config piondtls.Config, client dtls.Config) int {
	t.Helper()
	inLab(t, config, func(v *lab) { v.travels(client, c.road) })
	return c.first
}

// Forged datagrams cost one resend at most. A wrong cookie is another matter:
// pion's server ends the handshake for it.
func TestPionForgedDatagram(t *testing.T) {
	t.Parallel()
	pionScenes(t, func(t *testing.T, config piondtls.Config, client dtls.Config) {
		for name, forged := range forgeries {
			for _, of := range []handshake.Type{handshake.TypeHelloVerifyRequest, handshake.TypeServerHello} {
				if name == anotherCookie && of == handshake.TypeHelloVerifyRequest {
					continue
				}
				t.Run(name+" ahead of "+of.String(), func(t *testing.T) {
					inLab(t, config, func(v *lab) {
						var done atomic.Bool
						if l := v.travels(client, ahead(of, forged, &done)); l.resends > 1 || !done.Load() {
							t.Errorf("%d resends; forged: %v", l.resends, done.Load())
						}
					})
				})
			}
		}
	})
}

// sessions is a server's memory.
type sessions struct {
	mu   sync.Mutex
	have map[string]piondtls.Session
}

func (s *sessions) Set(key []byte, one piondtls.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.have[string(key)] = one
	return nil
}

func (s *sessions) Get(key []byte) (piondtls.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have[string(key)], nil
}

func (s *sessions) Del(key []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.have, string(key))
	return nil
}

// Sessions are resumed, whichever datagrams are lost; forgotten ones begin anew.
func TestPionResumption(t *testing.T) {
	t.Parallel()
	world := newLabWorld(t)
	config := world.pionServer(dtls.PSKWithAES128CCM8)
	clean := resumesAtPion(t, config, open, false)
	for _, one := range spots(clean.sent, clean.received) {
		for _, other := range spots(clean.sent, clean.received) {
			t.Run(fmt.Sprintf("%s, %s lost", one, other), func(t *testing.T) {
				resumesAtPion(t, config, inRow(losing(one), losing(other)), false)
			})
		}
	}
	t.Run("forgotten", func(t *testing.T) { resumesAtPion(t, config, open, true) })
}

func resumesAtPion(t *testing.T, config piondtls.Config, via road, forget bool) (again *link) {
	t.Helper()
	config.SessionStore = &sessions{have: map[string]piondtls.Session{}}
	inLab(t, config, func(v *lab) {
		client := pskClient()
		client.Resume = v.travels(client, open).session.Resumption()
		if client.Resume == nil {
			v.t.Fatal("the session has no ID")
		}
		if forget {
			v.config.SessionStore = &sessions{have: map[string]piondtls.Session{}}
		}
		again = v.travels(client, via)
		if again.session.Resumed() == forget {
			v.t.Errorf("resumed: %v", again.session.Resumed())
		}
	})
	return again
}

// Connection IDs of either side; with one of the server's the session outlives
// the client's address.
func TestPionConnectionID(t *testing.T) {
	t.Parallel()
	world := newLabWorld(t)
	for theirs, generate := range map[int]func() []byte{
		8: piondtls.RandomCIDGenerator(8), 0: piondtls.OnlySendCIDGenerator(),
	} {
		for _, ours := range [][]byte{{1, 2, 3}, {}} {
			t.Run(fmt.Sprintf("server %d, client %d bytes", theirs, len(ours)), func(t *testing.T) {
				config := world.pionServer(dtls.PSKWithAES128CCM8)
				config.ConnectionIDGenerator = generate
				inLab(t, config, func(v *lab) { v.wanders(ours, theirs) })
			})
		}
	}
}

// wanders uses a session from several ports, if the server has an ID for it.
func (v *lab) wanders(ours []byte, theirs int) {
	v.t.Helper()
	first := v.dial(v.client, v.server)
	wait := v.serve(first.LocalAddr())
	client := pskClient()
	client.CID = ours
	l, err := shake(first, client, pionAttempt)
	if err != nil {
		v.t.Fatalf("handshake: %v", err)
	}
	for range 3 {
		if err := talkEcho(nil, l); err != nil {
			v.t.Errorf("data: %v", err)
		}
		if theirs > 0 {
			_ = l.tap.Conn.Close()
			l.tap.Conn = v.dial(v.client, v.server)
		}
	}
	v.ends(l, wait)
	_ = l.tap.Conn.Close()
	l.carries(v.t, len(ours), theirs)
}
