package netns

import (
	"strings"
	"testing"
	"time"
)

const (
	hostname  = "server.test."
	askServer = "dns: {server: '" + serverAddr + ":53'}"
	// perLookup bounds the queries of one lookup: A and AAAA, and what the
	// resolver asks again within the budget of an attempt.
	perLookup = 8
	// whenShared bounds the packets within 12.5 s, half the budget of such an
	// attempt: exchanges of three transmissions begin every 1.4 s. The rest is
	// what the good address takes.
	whenShared = 9*3 + 5
)

// names starts the stub name server; it answers as it is told.
func (s *site) names(answer string) *serverProcess {
	s.gateway.t.Helper()
	dns := &serverProcess{process: s.serverHost.launch(dnsRole)}
	dns.await("listening")
	dns.tell(answer)
	return dns
}

// tell changes how the name server answers.
func (s *serverProcess) tell(answer string) {
	s.t.Helper()
	s.do(answer)
	s.await("set")
}

// The name does not resolve, and then does. Every attempt asks anew, and no
// packet goes to a server before.
func TestNameDoesNotResolve(t *testing.T) {
	t.Parallel()
	for _, failure := range []string{"nxdomain", "servfail", "silence"} {
		t.Run(failure, func(t *testing.T) {
			s := newSite(t, false)
			dns := s.names(failure)
			began := time.Now()
			c := s.start(noSec(hostname), askServer)
			first := c.fails(unnamed)
			c.fails(unnamed)
			asked, ended := s.gateway.asked(), time.Now()
			if sent := s.gateway.sent(); sent != 0 {
				t.Errorf("%d packets to a server without an address", sent)
			}
			if asked > 2*perLookup {
				t.Errorf("%d queries in 2 attempts, want at most %d", asked, 2*perLookup)
			}
			dns.tell(serverAddr)
			back := c.registered()
			c.checkSchedule()
			report(t, "name server: "+failure, "NoSec", c,
				row{sent: asked, first: first.Time.Sub(began), lasted: ended.Sub(began), back: back.Time.Sub(ended)})
		})
	}
}

// One black-holed address of two cannot hide the good one: each gets 10 s at
// least, and the better one is found in the first attempt.
func TestOneOfTwoAddressesIsBlackHoled(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{deadAddr + " " + serverAddr, serverAddr + " " + deadAddr} {
		for _, link := range []struct{ name, account string }{{"NoSec", noSec(hostname)}, {"PSK", psk(hostname)}} {
			t.Run(link.name+" "+answer, func(t *testing.T) {
				s := newSite(t, false)
				s.serverHost.ip("address", "add", deadAddr+prefixLength, "dev", "lan")
				s.serverHost.fault("input", "ip daddr "+deadAddr+" counter drop")
				s.names(answer)
				began := time.Now()
				dir := t.TempDir()
				c := s.launch(dir, strings.Replace(configuration(dir, link.account, askServer),
					"registration_timeout: 3s", "registration_timeout: 25s", 1))
				e := c.registered()
				if e.Attempts > 2 {
					t.Errorf("registered in attempt %d", e.Attempts)
				}
				if sent := s.gateway.sent(); sent > whenShared {
					t.Errorf("%d packets, want at most %d", sent, whenShared)
				}
				report(t, "two addresses, black hole: "+position(answer), link.name, c,
					row{sent: s.gateway.sent(), back: e.Time.Sub(began)})
			})
		}
	}
}

func position(answer string) string {
	if strings.HasPrefix(answer, deadAddr) {
		return "the first"
	}
	return "the second"
}
