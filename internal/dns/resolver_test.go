package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

var (
	four = netip.MustParseAddr("192.0.2.7")
	six  = netip.MustParseAddr("2001:db8::7")
)

// site is a client and some name servers on a network in memory.
type site struct {
	t        *testing.T
	network  *lwm2mtest.Network
	servers  []*lwm2mtest.NameServer
	resolver *Resolver
	began    time.Time
}

// onSite runs a test with a number of name servers that resolv.conf names. All
// know gw.test.
func onSite(t *testing.T, servers int, test func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := lwm2mtest.NewNetwork(lwm2mtest.NetworkOptions{})
		defer n.Close()
		s := &site{t: t, network: n, began: time.Now()}
		conf := ""
		for i := range servers {
			addr := netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)})
			pc, err := n.Host("ns"+addr.String(), addr).ListenPacket(53)
			if err != nil {
				t.Fatal(err)
			}
			server := lwm2mtest.NewNameServer()
			defer server.Close()
			server.ServePacket(pc)
			server.Set("gw.test", four, six)
			s.servers = append(s.servers, server)
			conf += "nameserver " + addr.String() + "\n"
		}
		client := n.Host("client", netip.MustParseAddr("198.51.100.100"))
		s.resolver = &Resolver{
			Etc: etc(t, map[string]string{"resolv.conf": conf}),
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				if network != "udp" {
					return nil, errors.New("a firewall drops TCP")
				}
				return client.Dial(ctx, netip.MustParseAddrPort(address))
			},
		}
		defer s.resolver.Close()
		test(s)
	})
}

func etc(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// lookup demands what comes, and after what time.
func (s *site) lookup(host string, after time.Duration, want ...netip.Addr) (late []netip.Addr) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	began := time.Now()
	got, err := s.resolver.Lookup(ctx, host, func(a []netip.Addr) { late = a })
	if err != nil || !sameAddrs(got, want) {
		s.t.Errorf("%s: %v, %v; want %v", host, got, err, want)
	}
	if took := time.Since(began); took != after {
		s.t.Errorf("%s: took %v, want %v", host, took, after)
	}
	<-ctx.Done()
	synctest.Wait()
	return late
}

// sameAddrs compares without the order, which depends on this machine's routes.
func sameAddrs(a, b []netip.Addr) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, netip.Addr.Compare)
	slices.SortFunc(b, netip.Addr.Compare)
	return slices.Equal(a, b)
}

// fails demands an error, after what time.
func (s *site) fails(host string, after time.Duration) *net.DNSError {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	began := time.Now()
	got, err := s.resolver.Lookup(ctx, host, nil)
	var failed *net.DNSError
	if !errors.As(err, &failed) || len(got) > 0 {
		s.t.Fatalf("%s: %v, %v", host, got, err)
	}
	if took := time.Since(began); took != after {
		s.t.Errorf("%s: took %v, want %v", host, took, after)
	}
	return failed
}

func TestBothFamilies(t *testing.T) {
	onSite(t, 1, func(s *site) {
		if late := s.lookup("gw.test", 0, four, six); late != nil {
			t.Errorf("late: %v", late)
		}
		if n := len(s.servers[0].Queries()); n != 2 {
			t.Errorf("%d queries", n)
		}
	})
}

// A firewall drops what it does not know.
func TestOneFamilyIsSilent(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Behave(lwm2mtest.NameManners{SilentAAAA: true})
		s.lookup("gw.test", grace, four)
		s.servers[0].Behave(lwm2mtest.NameManners{SilentA: true})
		s.lookup("gw.test", grace, six)
	})
}

func TestWhatComesWithinTheGraceIsInTheList(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Behave(lwm2mtest.NameManners{DelayAAAA: 49 * time.Millisecond})
		s.lookup("gw.test", 49*time.Millisecond, four, six)
	})
}

func TestWhatComesLateIsHandedOn(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Behave(lwm2mtest.NameManners{DelayAAAA: 7 * time.Second})
		if late := s.lookup("gw.test", grace, four); !slices.Equal(late, []netip.Addr{six}) {
			t.Errorf("late: %v", late)
		}
		s.servers[0].Behave(lwm2mtest.NameManners{DelayA: 11 * time.Second})
		if late := s.lookup("gw.test", grace, six); late != nil {
			t.Errorf("after the end: %v", late)
		}
	})
}

// A family that is always late is known to the next lookup, also where the link was
// lost at once, as it is when the address that came in time refuses.
func TestWhatCameLateIsRemembered(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Behave(lwm2mtest.NameManners{DelayA: time.Second})
		for i, want := range [][]netip.Addr{{six}, {six, four}, {six, four}} {
			ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
			got, err := s.resolver.Lookup(ctx, "GW.test", func([]netip.Addr) { s.t.Error("the link is lost") })
			if err != nil || !sameAddrs(got, want) {
				s.t.Errorf("lookup %d: %v, %v", i, got, err)
			}
			cancel()
			time.Sleep(5 * time.Second)
		}
		s.servers[0].Set("gw.test", four)
		s.lookup("gw.test", time.Second, four)
		s.servers[0].Set("gw.test", six)
		s.servers[0].Behave(lwm2mtest.NameManners{})
		s.lookup("gw.test", 0, six)
	})
}

func TestCloseEndsWhatIsLate(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Behave(lwm2mtest.NameManners{SilentA: true})
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		for range 2 {
			if got, err := s.resolver.Lookup(ctx, "gw.test", nil); err != nil || !sameAddrs(got, []netip.Addr{six}) {
				s.t.Errorf("%v, %v", got, err)
			}
			s.resolver.Close()
		}
		if took := time.Since(began); took != 2*grace {
			s.t.Errorf("took %v", took)
		}
	})
}

// A name with one family only does not wait for the other one's absence.
func TestOneFamilyOnly(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Set("four.test", four)
		s.lookup("four.test", 0, four)
	})
}

func TestOneServerOfSeveralIsSilent(t *testing.T) {
	onSite(t, 3, func(s *site) {
		s.servers[0].Behave(lwm2mtest.NameManners{Silent: true})
		s.lookup("gw.test", time.Second, four, six)
		s.servers[1].Behave(lwm2mtest.NameManners{Silent: true})
		s.lookup("gw.test", 2*time.Second, four, six)
	})
}

// The answer of a slow server counts, though others have been asked meanwhile.
func TestSlowServers(t *testing.T) {
	onSite(t, 2, func(s *site) {
		for _, server := range s.servers {
			server.Behave(lwm2mtest.NameManners{Delay: 9 * time.Second})
		}
		s.lookup("gw.test", 9*time.Second, four, six)
	})
}

// A lost datagram is sent again.
func TestQueriesAreSentAgain(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Behave(lwm2mtest.NameManners{Silent: true})
		time.AfterFunc(2*time.Second, func() { s.servers[0].Behave(lwm2mtest.NameManners{}) })
		s.lookup("gw.test", 3*time.Second, four, six)
	})
}

func TestAServerThatFailsIsPassedOver(t *testing.T) {
	for _, code := range []uint8{1, 2, 4, 5} {
		onSite(t, 2, func(s *site) {
			s.servers[0].Behave(lwm2mtest.NameManners{Code: code})
			s.lookup("gw.test", 0, four, six)
			s.servers[1].Behave(lwm2mtest.NameManners{Code: code})
			if err := s.fails("gw.test", 0); !err.IsTemporary || err.IsNotFound || err.IsTimeout {
				t.Errorf("code %d: %+v", code, err)
			}
		})
	}
}

func TestRoutersThatDoNotKnowEDNS(t *testing.T) {
	for _, manners := range []lwm2mtest.EDNSManners{lwm2mtest.EDNSFormErr, lwm2mtest.EDNSNotImp, lwm2mtest.EDNSDropped} {
		onSite(t, 1, func(s *site) {
			s.servers[0].Behave(lwm2mtest.NameManners{EDNS: manners})
			s.lookup("gw.test", 0, four, six)
		})
	}
}

// What does not answer the question is passed over.
func TestForgedAnswers(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Behave(lwm2mtest.NameManners{Forge: true})
		s.lookup("gw.test", 0, four, six)
	})
}

// Some forwarders know an alias, and not what it stands for.
func TestAliases(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Alias("www.test", "web.test")
		s.servers[0].Alias("web.test", "GW.test")
		s.servers[0].Alias("loop.test", "pool.test")
		s.servers[0].Alias("pool.test", "loop.test")
		s.servers[0].Alias("lost.test", "missing.test")
		s.lookup("www.test", 0, four, six)
		s.servers[0].Behave(lwm2mtest.NameManners{AliasAlone: true})
		s.lookup("www.test", 0, four, six)
		if err := s.fails("loop.test", 0); err.IsNotFound || err.Name != "loop.test" {
			t.Errorf("%+v", err)
		}
		if err := s.fails("lost.test", 0); !err.IsNotFound {
			t.Errorf("%+v", err)
		}
	})
}

// Where TCP does not get through, EDNS makes room.
func TestTruncatedAndNoTCP(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Behave(lwm2mtest.NameManners{Truncate: true})
		s.lookup("gw.test", 0, four, six)
		s.servers[0].Behave(lwm2mtest.NameManners{TruncateEDNS: true})
		if err := s.fails("gw.test", 0); err.IsNotFound || !err.IsTemporary {
			t.Errorf("%+v", err)
		}
	})
}

func TestNotFound(t *testing.T) {
	onSite(t, 2, func(s *site) {
		s.servers[0].Set("empty.test")
		for _, host := range []string{"missing.test", "empty.test", "a..test", "-" + string(make([]byte, 300))} {
			if err := s.fails(host, 0); !err.IsNotFound || err.Name != host {
				t.Errorf("%q: %+v", host, err)
			}
		}
	})
}

// That a name has no address in one family is no news where the other is unknown.
func TestTheErrorThatSaysMore(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Set("empty.test")
		s.servers[0].Behave(lwm2mtest.NameManners{SilentA: true})
		if err := s.fails("empty.test", 10*time.Second); !err.IsTimeout || err.Server == "" {
			t.Errorf("%+v", err)
		}
	})
}

// A name below the search list that does not exist leads to the next one, also where
// one family is never answered.
func TestASilentFamilyDoesNotHoldUpTheSearch(t *testing.T) {
	for _, silent := range []lwm2mtest.NameManners{{SilentAAAA: true}, {SilentA: true}} {
		onSite(t, 1, func(s *site) {
			conf := "search a.test b.test\noptions ndots:5\nnameserver 198.51.100.1\n"
			s.resolver.Etc = etc(t, map[string]string{"resolv.conf": conf})
			s.servers[0].Behave(silent)
			want := four
			if silent.SilentA {
				want = six
			}
			s.lookup("gw.test", 2*(10*time.Second/4)+grace, want)
		})
	}
}

// What came late is forgotten when it is said, however late, that it is no more.
func TestWhatIsGoneIsForgotten(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Behave(lwm2mtest.NameManners{DelayA: time.Second})
		s.lookup("gw.test", grace, six)
		s.servers[0].Set("gw.test", six)
		s.lookup("gw.test", grace, six, four)
		s.lookup("gw.test", grace, six)
	})
}

func TestNobodyAnswers(t *testing.T) {
	onSite(t, 2, func(s *site) {
		for _, server := range s.servers {
			server.Behave(lwm2mtest.NameManners{Silent: true})
		}
		if err := s.fails("gw.test", 10*time.Second); !err.IsTimeout {
			t.Errorf("%+v", err)
		}
		if n := len(s.servers[0].Queries()) + len(s.servers[1].Queries()); n < 8 || n > 2*maxTries {
			t.Errorf("%d queries", n)
		}
	})
}

func TestACancelledLookupEndsAtOnce(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Behave(lwm2mtest.NameManners{Silent: true})
		ctx, cancel := context.WithCancel(s.t.Context())
		time.AfterFunc(300*time.Millisecond, cancel)
		began := time.Now()
		if _, err := s.resolver.Lookup(ctx, "gw.test", nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if took := time.Since(began); took != 300*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestTheConfiguredServerAlone(t *testing.T) {
	onSite(t, 2, func(s *site) {
		s.resolver.Server = "198.51.100.2:53"
		s.lookup("gw.test", 0, four, six)
		if n := len(s.servers[0].Queries()); n != 0 {
			t.Errorf("%d queries to the other one", n)
		}
	})
}

func TestHostsFileAndSearchList(t *testing.T) {
	onSite(t, 1, func(s *site) {
		s.servers[0].Set("gw.site.test", four)
		s.servers[0].Set("a.b.site.test", six)
		conf := "nameserver 198.51.100.1\nsearch nowhere.test site.test\noptions ndots:2 rotate\n"
		s.resolver.Etc = etc(t, map[string]string{
			"resolv.conf": conf,
			"hosts":       "127.0.0.1 localhost\n::1 localhost\n192.0.2.7 Gw.Hosts x # gw.comment\n",
		})
		s.lookup("gw", 0, four)
		s.lookup("a.b", 0, six)
		s.lookup("gw.test.", 0, four, six)
		s.lookup("gw.hosts", 0, four)
		s.lookup("localhost", 0, netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback())
		s.fails("gw.comment", 0)
		var asked []string
		for _, q := range s.servers[0].Queries() {
			if !slices.Contains(asked, q.Name) {
				asked = append(asked, q.Name)
			}
		}
		want := []string{
			"gw.nowhere.test", "gw.site.test", "a.b.nowhere.test", "a.b.site.test", "gw.test",
			"gw.comment.nowhere.test", "gw.comment.site.test", "gw.comment",
		}
		if !slices.Equal(asked, want) {
			t.Errorf("asked %v, want %v", asked, want)
		}
	})
}

// Sources that only the system knows, such as multicast DNS.
func TestTheSystemsOtherSources(t *testing.T) {
	onSite(t, 1, func(s *site) {
		conf := map[string]string{"resolv.conf": "nameserver 198.51.100.1\n"}
		var asked atomic.Int32
		s.resolver.System = func(_ context.Context, family, host string) ([]netip.Addr, error) {
			asked.Add(1)
			if family == "ip4" && host != "none.local" {
				return []netip.Addr{four}, nil
			}
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		s.resolver.Etc = etc(t, conf)
		s.fails("gw.local", 0)
		if n := asked.Load(); n != 0 {
			t.Errorf("the system was asked %d times", n)
		}
		conf["nsswitch.conf"] = "passwd: files\nhosts: files mdns4_minimal [NOTFOUND=return] dns\n"
		s.resolver.Etc = etc(t, conf)
		s.lookup("gw.local", 0, four)
		if n := len(s.servers[0].Queries()); n != 2 {
			t.Errorf("%d queries for a name of multicast DNS", n-2)
		}
		s.lookup("router", 0, four)
		if err := s.fails("none.local", 0); !err.IsNotFound {
			t.Errorf("%+v", err)
		}
	})
}

func TestAnAddressStandsForItself(t *testing.T) {
	var r Resolver
	for _, text := range []string{"192.0.2.1", "::1", "fe80::1%lo"} {
		if got, err := r.Lookup(t.Context(), text, nil); err != nil || len(got) != 1 || got[0].String() != text {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
