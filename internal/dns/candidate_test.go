package dns

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// A firewall drops queries for the domains of the search list: the name as it is has
// its turn all the same, also after the four of a container and a high ndots.
func TestASilentDomainOfTheSearchList(t *testing.T) {
	onSite(t, 1, func(s *site) {
		server := "nameserver 198.51.100.1\n"
		s.servers[0].Set("gw", four)
		s.servers[0].Behave(lwm2mtest.NameManners{SilentBelow: "local"})
		for search, after := range map[string]time.Duration{
			"search a.local\n":                         maxTurn,
			"search a.local b.local c.local\n":         3 * (10 * time.Second / 5),
			"search none.test a.local\n":               10 * time.Second / 4,
			"search a.local none.test b.local c.local": 3 * (10 * time.Second / 6),
		} {
			s.resolver.Etc = etc(t, map[string]string{"resolv.conf": server + search})
			s.lookup("gw", after, four)
		}
		s.resolver.Etc = etc(t, map[string]string{"resolv.conf": server + "search a.local\noptions ndots:5\n"})
		s.lookup("gw.test", maxTurn, four, six)
	})
}

// A name server that takes long is not given up for the next name.
func TestASlowAnswerForTheFirstNameCounts(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.resolver.Etc = etc(t, map[string]string{"resolv.conf": "nameserver 198.51.100.1\nsearch site.test\n"})
		s.servers[0].Behave(lwm2mtest.NameManners{Delay: 8 * time.Second})
		s.lookup("gw.test", 8*time.Second, four, six)
	})
}

// The error is of the name that nobody said anything of.
func TestTheErrorOfASilentDomain(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.resolver.Etc = etc(t, map[string]string{"resolv.conf": "nameserver 198.51.100.1\nsearch a.local\n"})
		s.servers[0].Behave(lwm2mtest.NameManners{SilentBelow: "local"})
		if err := s.fails("none", 10*time.Second); !err.IsTimeout || err.Name != "none.a.local" {
			t.Errorf("%+v", err)
		}
	})
}

// The name servers are dead, and the system knows another source; or that source is
// the one that is silent.
func TestOneSourceIsSilent(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.resolver.Etc = etc(t, map[string]string{
			"resolv.conf":   "nameserver 198.51.100.1\n",
			"nsswitch.conf": "hosts: files resolve [!UNAVAIL=return] dns\n",
		})
		s.resolver.System = func(ctx context.Context, family, host string) ([]netip.Addr, error) {
			if family == "ip4" && host == "gw.test" {
				return []netip.Addr{four}, nil
			}
			<-ctx.Done()
			return nil, &net.DNSError{Err: "no answer", Name: host, IsTimeout: true}
		}
		s.servers[0].Behave(lwm2mtest.NameManners{Silent: true})
		s.lookup("gw.test", maxTurn+grace, four)
		s.servers[0].Set("gw.local", six)
		s.servers[0].Behave(lwm2mtest.NameManners{})
		s.lookup("gw.local", maxTurn, six)
	})
}

// Lists of hosts to block take megabytes, and a line may be longer than any that means
// something.
func TestLongHostsFile(t *testing.T) {
	blocked := strings.Repeat("0.0.0.0 advertisements.blocked.test\n", 100_000)
	r := Resolver{Etc: etc(t, map[string]string{
		"hosts": blocked + "192.0.2.9 " + strings.Repeat("x", maxLine) + " gw.test\n192.0.2.7 gw.test gw # ours\r\n2001:db8::7 GW.test.",
	})}
	for _, name := range []string{"gw.test", "GW.TEST."} {
		if got, err := r.Lookup(t.Context(), name, nil); err != nil || !sameAddrs(got, []netip.Addr{four, six}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// A lookup whose time is over before it begins fails, and says why.
func TestALookupThatIsOver(t *testing.T) {
	onSite(t, 1, func(s *site) {
		ctx, cancel := context.WithCancel(s.t.Context())
		cancel()
		if addrs, err := s.resolver.Lookup(ctx, "gw.test", nil); err == nil {
			t.Errorf("%v", addrs)
		}
	})
}
