package netns

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// forgetMappings makes the router lose what it knows of every flow.
func (s *site) forgetMappings() { s.router.inside("conntrack", "--delete", "--proto", "udp") }

// expireMappings makes the router lose mappings that were idle for a second.
func (s *site) expireMappings() {
	s.router.set("net/netfilter/nf_conntrack_udp_timeout", "1")
	s.router.set("net/netfilter/nf_conntrack_udp_timeout_stream", "1")
}

// seenFrom returns the address from which the server saw the next request of a
// kind.
func (s *site) seenFrom(kind string) netip.AddrPort {
	s.gateway.t.Helper()
	return s.server.await(kind).Remote
}

// movedFrom demands that the next Update comes from another port of the
// router, and that the server then reaches the client there.
func (s *site) movedFrom(old netip.AddrPort) {
	t := s.gateway.t
	t.Helper()
	if now := s.seenFrom("update"); now == old || now.Addr() != netip.MustParseAddr(routerAddr) {
		t.Errorf("an Update from %v, after a Register from %v", now, old)
	}
	s.server.reads()
}

// On NoSec a new mapping is no failure: the next Update names the new address.
func TestRebindingNoSec(t *testing.T) {
	s := newSite(t, true)
	c := s.start(noSec(serverAddr))
	c.registered()
	old := s.seenFrom("register")
	s.forgetMappings()
	before, began := s.gateway.sent(), time.Now()
	c.updated()
	s.movedFrom(old)
	s.noErrors(c, "NAT mapping deleted", "NoSec", before, began)
}

// noErrors demands that nothing was reported, and logs how long it took.
func (s *site) noErrors(c *client, name, link string, before int, began time.Time) {
	c.t.Helper()
	back := c.seen[len(c.seen)-1].Time.Sub(began)
	if codes := c.codes(); codes != "" {
		c.t.Errorf("reported: %s", codes)
	}
	report(c.t, name, link, c, row{sent: s.gateway.sent() - before, back: max(back, time.Millisecond)})
}

// Without a Connection ID a DTLS server drops records of a session that come from elsewhere: silence,
// and the ladder after it, which ends in a new session.
func TestRebindingPSK(t *testing.T) {
	outage{
		name: "NAT mapping deleted", secure: true, nat: true,
		begin: (*site).forgetMappings,
		want:  []holdfast.ErrorCode{network}, perAttempt: whenReconnected,
	}.run(t)
}

// withCID is how the table calls a session that the server finds by its Connection ID.
const withCID = "PSK, Connection ID"

// kept demands that the next Update is answered on the session as it is.
func (c *client) kept() holdfast.Event {
	c.t.Helper()
	e := c.nextOf(holdfast.EventRegistrationUpdated)
	if e.Session != "kept" {
		c.t.Errorf("%s: it has cost %q", describe(e), e.Session)
	}
	return e
}

// With a Connection ID (RFC 9146) it is none with DTLS either, as often as it happens: one
// datagram there, and one back.
func TestRebindingConnectionID(t *testing.T) {
	s := newSite(t, true)
	c := s.start(psk(serverAddr + ":" + movablePort))
	c.registered()
	old := s.seenFrom("register")
	for range 3 {
		s.forgetMappings()
		before, began := s.gateway.sent(), time.Now()
		c.update()
		c.kept()
		sent := s.gateway.sent() - before
		if now := s.seenFrom("update"); now == old || now.Addr() != netip.MustParseAddr(routerAddr) {
			t.Errorf("an Update from %v, after what came from %v", now, old)
		} else {
			old = now
		}
		s.server.reads()
		// A machine that is busy may have the Update resent, but a handshake takes three.
		if sent > 2 {
			t.Errorf("%d packets for an Update", sent)
		}
		s.noErrors(c, "NAT mapping deleted", withCID, before, began)
	}
	if n := s.server.count("register"); n != 1 {
		t.Errorf("the server saw %d Registers", n)
	}
}

func TestExpiredMappingConnectionID(t *testing.T) {
	s := newSite(t, true)
	s.expireMappings()
	c := s.start(psk(serverAddr+":"+movablePort), "lifetime: 6s")
	began := c.registered().Time
	old := s.seenFrom("register")
	before := s.gateway.sent()
	c.kept()
	s.movedFrom(old)
	s.noErrors(c, "NAT mapping expired; Update after 3 s", withCID, before, began)
}

// A client behind a NAT that is killed goes on with its session, from another port.
func TestKilledBehindNAT(t *testing.T) {
	for want, port := range map[string]string{"kept": movablePort, "new": coapsPort} {
		t.Run(want, func(t *testing.T) {
			s := newSite(t, true)
			dir := t.TempDir()
			config := configuration(filepath.Join(dir, "state"), psk(serverAddr+":"+port), "lifetime: 4s")
			c := s.launch(dir, config)
			c.registered()
			old := s.seenFrom("register")
			c.nextOf(holdfast.EventRegistrationUpdated) // by now it is on the disk
			s.seenFrom("update")
			c.kill()
			before, began := s.gateway.sent(), time.Now()
			c = s.launch(dir, config)
			e := c.registered()
			if e.Session != want {
				t.Errorf("%s: it has cost %q, want %q", describe(e), e.Session, want)
			}
			s.movedFrom(old)
			link := withCID
			if want == "new" {
				link = "PSK"
			}
			s.noErrors(c, "client killed behind a NAT, started again", link, before, began)
			if n := s.server.count("register"); n != 1 {
				t.Errorf("the server saw %d Registers", n)
			}
		})
	}
}

// The mapping expires between two Updates.
func TestExpiredMappingNoSec(t *testing.T) {
	s := newSite(t, true)
	s.expireMappings()
	c := s.start(noSec(serverAddr), "lifetime: 6s")
	began := c.registered().Time
	old := s.seenFrom("register")
	before := s.gateway.sent()
	c.nextOf(holdfast.EventRegistrationUpdated)
	s.movedFrom(old)
	s.noErrors(c, "NAT mapping expired; Update after 3 s", "NoSec", before, began)
}

func TestExpiredMappingPSK(t *testing.T) {
	s := newSite(t, true)
	s.expireMappings()
	c := s.start(psk(serverAddr), "lifetime: 6s")
	registered := c.registered().Time
	old := s.seenFrom("register")
	before := s.gateway.sent()
	e := c.fails(network)
	if wait, announced := e.RetryIn(); !announced || wait != 0 {
		t.Errorf("%s: silence is followed by a new session at once", describe(e))
	}
	back := c.registered()
	s.movedFrom(old)
	c.checkSchedule()
	report(t, "NAT mapping expired; Update after 3 s", "PSK", c, row{
		sent: s.gateway.sent() - before, first: e.Time.Sub(registered), back: back.Time.Sub(e.Time),
	})
}
