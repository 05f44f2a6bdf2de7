package interop

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

// withoutCID are Leshan's arguments for Connection IDs that are known, of which none is
// asked for, and for none at all.
var withoutCID = map[string][]string{"asks for none": {"--cid", "0"}, "off": {"--cid", "none"}}

// secured is a Leshan server for one endpoint, with the account of that endpoint by way of a
// relay that sees all records.
type secured struct {
	*leshan
	*relay
	account *holdfast.Account
	let     func() // lets the endpoint in; a server that was restarted needs it anew
}

// securedBy are the ways in which Leshan's clients prove themselves.
var securedBy = map[string]func(t *testing.T, args ...string) *secured{"PSK": securedByPSK, "X509": securedByX509}

func securedByPSK(t *testing.T, args ...string) *secured {
	t.Helper()
	s := &secured{leshan: management(t, args...)}
	s.relay = newRelay(t, s.CoAPS())
	s.account = psk(s.relay.addr(), testKey)
	s.let = func() { s.allowPSK(testKey) }
	s.let()
	return s
}

func securedByX509(t *testing.T, args ...string) *secured {
	t.Helper()
	set := testpki.Must(t, endpoint)
	s := &secured{leshan: management(t, append(withCertificate(t, set), args...)...)}
	s.relay = newRelay(t, s.CoAPS())
	s.account = x509(t, s.relay.addr(), set.Client, set.CA)
	s.let = func() { s.Do(peer.Object{"op": "x509", "ep": endpoint}) }
	s.let()
	return s
}

// client starts a client in this process.
func (s *secured) client() *client {
	s.leshan.t.Helper()
	cfg := quick(s.leshan.t)
	cfg.Server = s.account
	return start(s.leshan.t, cfg)
}

// config writes the configuration file of a client that is a process of its own.
func (s *secured) config() string {
	t := s.leshan.t
	t.Helper()
	a, dir := s.account, t.TempDir()
	credentials := fmt.Sprintf("psk_identity: %s, psk_key: %s", a.PSKIdentity, hex.EncodeToString(a.PSKKey))
	if a.Security == holdfast.SecurityX509 {
		credentials = fmt.Sprintf("certificate: %q, private_key: %q, trust: %q", a.Certificate, a.PrivateKey, a.Trust)
	}
	text := fmt.Sprintf(`endpoint: %s
state_dir: %s
lifetime: 300s
server: {uri: %s, security: %s, %s}
reconnect: {initial_min: 200ms, initial_max: 200ms}
log: {level: warn}
`, endpoint, filepath.Join(dir, "state"), a.URI, a.Security, credentials)
	path := filepath.Join(dir, "gw.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// passed counts what has passed a relay.
type passed struct {
	up, down  int             // datagrams of the client and of the server
	handshake int             // records of a handshake
	hellos    int             // of those, ClientHellos
	offers    int             // of those, with a Connection ID of no bytes
	randoms   map[string]bool // of all ClientHellos: one for each handshake
}

// since counts what has passed after the first n datagrams.
func (r *relay) since(n int) (p passed) {
	p.randoms = map[string]bool{}
	for _, d := range r.datagrams()[n:] {
		if d.fromServer {
			p.down++
		} else {
			p.up++
		}
		p.add(d.data)
	}
	return p
}

// A ClientHello: its type, where it has its random, and how it offers a Connection ID of no
// bytes (RFC 6347 section 4.2.2, RFC 5246 section 7.4.1.2, RFC 9146 section 3).
const (
	clientHello = 1
	randomAt    = 12 + 2
)

var emptyCID = []byte{0, 54, 0, 1, 0}

func (p *passed) add(data []byte) {
	for r, rest, ok := record.Next(data, 0); ok; r, rest, ok = record.Next(rest, 0) {
		if r.Epoch > 0 || r.Content != record.Handshake {
			continue
		}
		p.handshake++
		if r.Body[0] == clientHello {
			p.hellos++
			p.randoms[hex.EncodeToString(r.Body[randomAt:][:32])] = true
			if bytes.Contains(r.Body, emptyCID) {
				p.offers++
			}
		}
	}
}

// A NAT that gives the client another port costs it nothing: Leshan answers the next Update,
// which comes from the new port, without a handshake, and reaches the client there.
func TestLeshanReboundSession(t *testing.T) {
	t.Parallel()
	for name, run := range securedBy {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := run(t)
			c := s.client()
			if e := c.registered(); e.Session != "new" {
				t.Errorf("the first registration has cost %q", e.Session)
			}
			place := s.event("registered")["addr"]
			for range 2 {
				s.rebind()
				before, began := s.seen(), time.Now()
				if err := c.RegisterUpdate(context.Background()); err != nil {
					t.Fatal(err)
				}
				if e := c.nextOf(holdfast.EventRegistrationUpdated); e.Session != "kept" {
					t.Errorf("the Update has cost %q", e.Session)
				}
				took, seen := time.Since(began), s.since(before)
				moved := s.event("updated")["addr"]
				if moved == place || moved == nil {
					t.Errorf("Leshan saw the Update come from %v, and what was before it from %v", moved, place)
				}
				s.read("/3/0/0", "TLV", holdfast.DefaultManufacturer)
				if seen.handshake > 0 {
					t.Errorf("%+v", seen)
				}
				t.Logf("%s: answered after %v, %d datagrams there, %d back; Leshan: %v, then %v", name, took, seen.up, seen.down, place, moved)
				place = moved
			}
			c.leave()
			s.event("unregistered")
		})
	}
}

// A client that is killed goes on with its session when it is back: one Update, one answer,
// no handshake.
func TestLeshanKilledClientKeepsItsSession(t *testing.T) {
	t.Parallel()
	for name, run := range securedBy {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := run(t)
			binary, config := buildCommand(t), s.config()
			c := launch(t, binary, config)
			where := c.next(holdfast.EventRegistered).Location
			awaitRecord(t, config)
			for range 3 {
				c.kill()
				before, began := s.seen(), time.Now()
				c = launch(t, binary, config)
				e := c.next(holdfast.EventRegistered)
				took, seen := e.Time.Sub(began), s.since(before)
				if e.Session != "kept" || e.Location != where || e.Attempts != 1 {
					t.Errorf("%+v", e)
				}
				if seen.handshake > 0 || seen.up != 1 || seen.down != 1 {
					t.Errorf("%+v, want one record there and one back", seen)
				}
				s.event("updated")
				s.read("/3/0/0", "TLV", holdfast.DefaultManufacturer)
				t.Logf("%s: kept, registered %v after the start of the process, %d record there, %d back", name, took, seen.up, seen.down)
			}
			c.terminate()
			if n := s.leshan.count("registered"); n != 1 {
				t.Errorf("Leshan counts %d registrations", n)
			}
		})
	}
}

// awaitRecord waits until the session of a process is on the disk.
func awaitRecord(t *testing.T, config string) {
	t.Helper()
	pattern := filepath.Join(filepath.Dir(config), "state", "session-*.rec")
	ticker, timeout := time.NewTicker(10*time.Millisecond), time.NewTimer(patience)
	defer ticker.Stop()
	defer timeout.Stop()
	for {
		if files, _ := filepath.Glob(pattern); len(files) > 0 {
			return
		}
		select {
		case <-ticker.C:
		case <-timeout.C:
			t.Fatalf("no %s", pattern)
		}
	}
}

// A client without a Connection ID resumes its session after a restart by an abbreviated
// handshake, which Californium knows: with both together it would not.
func TestLeshanKilledClientResumes(t *testing.T) {
	t.Parallel()
	for how, args := range withoutCID {
		for name, run := range securedBy {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				s := run(t, args...)
				binary, config := buildCommand(t), s.config()
				c := launch(t, binary, config)
				where := c.next(holdfast.EventRegistered).Location
				awaitRecord(t, config)
				if first := s.since(0); first.offers != first.hellos {
					t.Errorf("%+v, want offers of a Connection ID", first)
				}
				c.kill()
				before, began := s.seen(), time.Now()
				c = launch(t, binary, config)
				e := c.next(holdfast.EventRegistered)
				took, seen := e.Time.Sub(began), s.since(before)
				if e.Session != "resumed" || e.Location != where || e.Attempts != 1 {
					t.Errorf("%+v", e)
				}
				if seen.offers > 0 {
					t.Errorf("%+v: a Connection ID offered with a session to resume", seen)
				}
				s.event("updated")
				s.read("/3/0/0", "TLV", holdfast.DefaultManufacturer)
				t.Logf("%s, %s: resumed, registered %v after the start of the process, %d datagrams there, %d back", name, how, took, seen.up, seen.down)
				c.terminate()
			})
		}
	}
}

// Leshan is killed and started again: it knows neither session nor registration. A client
// that runs hears nothing, shakes hands anew, and registers; one that was killed, too, tries
// its session first.
func TestLeshanForgetsSessions(t *testing.T) {
	t.Parallel()
	t.Run("client runs", func(t *testing.T) {
		t.Parallel()
		s := securedByPSK(t)
		c := s.client()
		where := c.registered().Location
		s.Restart()
		s.let()
		began := time.Now()
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		e := c.registered()
		if e.Session != "new" || e.Location == where {
			t.Errorf("%+v", e)
		}
		s.read("/3/0/0", "TLV", holdfast.DefaultManufacturer)
		t.Logf("the client ran: %s, registered %v after the Update that was not answered, which it gives up after 1.4 s to 2.1 s", e.Session, e.Time.Sub(began))
		c.leave()
	})
	t.Run("client was killed", func(t *testing.T) {
		t.Parallel()
		s := securedByPSK(t)
		binary, config := buildCommand(t), s.config()
		c := launch(t, binary, config)
		where := c.next(holdfast.EventRegistered).Location
		awaitRecord(t, config)
		c.kill()
		s.Restart()
		s.let()
		began := time.Now()
		c = launch(t, binary, config)
		e := c.next(holdfast.EventRegistered)
		if e.Session != "new" || e.Location == where || e.Attempts != 1 {
			t.Errorf("%+v", e)
		}
		for _, seen := range c.seen {
			if seen.Type == holdfast.EventError {
				t.Errorf("a session that the server does not know is no failure: %s", line(seen))
			}
		}
		t.Logf("the client was killed: %s, registered %v after the start of the process", e.Session, e.Time.Sub(began))
		c.terminate()
	})
}
