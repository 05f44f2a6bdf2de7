package netns

import (
	"net/netip"
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

// A DTLS server drops records of a session that come from elsewhere: silence,
// and the ladder after it, which ends in a new session.
func TestRebindingPSK(t *testing.T) {
	outage{
		name: "NAT mapping deleted", secure: true, nat: true,
		begin: (*site).forgetMappings,
		want:  []holdfast.ErrorCode{network}, perAttempt: whenReconnected,
	}.run(t)
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
