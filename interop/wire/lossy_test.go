package wire

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

const (
	// abreast is how many datagrams of a handshake are lost side by side, each
	// in a handshake of its own.
	abreast = 4
	// exchange is how many datagrams either side sends in a handshake with a
	// cookie, if every flight takes one.
	exchange = 3
)

// mtus are those of IPv6, of every host with IPv4, and of the narrowest links.
var mtus = []int{1280, 576, 256}

// mode is a security mode of the whole client, and what a server needs for it.
type mode struct {
	name     string
	security peer.Security
	size     int // of the server's certificate, at least
	account  func(addr string) *holdfast.Account
}

// modes have certificates that take many datagrams of a small MTU.
func modes(t testing.TB) []mode {
	t.Helper()
	world := newWorld(t)
	own := issue(t, world.CA, testpki.Request{Role: testpki.Client, CommonName: endpoint, Padding: padding}).WriteFiles(t)
	trust := world.CA.WriteFile(t)
	certificates := world.security
	certificates.Server = issue(t, world.CA, testpki.Request{
		CommonName: testpki.ServerName, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Padding: padding,
	}).WriteFiles(t)
	return []mode{
		{"PSK", pskSecurity, 0, func(addr string) *holdfast.Account {
			return &holdfast.Account{URI: "coaps://" + addr, Security: holdfast.SecurityPSK, PSKIdentity: endpoint, PSKKey: testKey}
		}},
		{"X.509", certificates, padding, func(addr string) *holdfast.Account {
			return &holdfast.Account{
				URI: "coaps://" + addr, Security: holdfast.SecurityX509, Certificate: own.Cert, PrivateKey: own.Key, Trust: trust,
			}
		}},
	}
}

// passage is where a whole client goes: a kind of server, and how it is run.
type passage struct {
	stack *stack
	mode  mode
	mtu   int // of the server; 0 for its own
}

// passages runs a test for every stack that can be told an MTU, every mode and
// every MTU.
func passages(t *testing.T, f func(*testing.T, *passage)) {
	t.Helper()
	for _, m := range modes(t) {
		for _, s := range stacks {
			if s.mtu == nil {
				continue
			}
			for _, mtu := range mtus {
				t.Run(fmt.Sprintf("%s/%s/%d", s.name, m.name, mtu), func(t *testing.T) {
					t.Parallel()
					f(t, &passage{stack: s, mode: m, mtu: mtu})
				})
			}
		}
	}
}

// goes demands that a whole client gets a link over the road, and uses it. The
// question is put when it has one: what has become of the road.
func (p *passage) goes(t *testing.T, via road, question func() bool) bool {
	t.Helper()
	// Without -listen: with it, s_server gives up at its first message that
	// comes out of turn.
	server := p.stack.run(t, p.mode.security, p.stack.mtu(p.mtu)...)
	answered := make(chan struct{})
	var once atomic.Bool
	r := newRelay(t, server.addr, func(fromServer bool, data []byte) [][]byte {
		if fromServer && carriesData(data) && once.CompareAndSwap(false, true) {
			close(answered)
		}
		return via(fromServer, data)
	})
	c := startWhole(t, p.mode.account(r.addr()))
	c.connects(t)
	p.stack.hasRegister(t, server, answered)
	r.mu.Lock()
	defer r.mu.Unlock()
	return question()
}

// hasRegister waits until the server shows that it has the client's Register:
// OpenSSL's prints what it receives, GnuTLS's sends it back.
func (s *stack) hasRegister(t *testing.T, p *server, answered <-chan struct{}) {
	t.Helper()
	if s.name == "openssl" {
		mustPrint(t, p, "ep="+endpoint)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), serverPatience)
	defer cancel()
	select {
	case <-answered:
	case <-ctx.Done():
		t.Error("no answer over the new link")
	}
}

// carriesData reports whether a datagram is of no handshake.
func carriesData(datagram []byte) bool {
	return len(datagram) > 0 && record.Content(datagram[0]) == record.ApplicationData
}

// loss loses one datagram of the handshake.
type loss struct {
	at   spot
	seen counter
	done bool
}

func (l *loss) road(fromServer bool, data []byte) [][]byte {
	if carriesData(data) || l.seen.at(fromServer) != l.at {
		return [][]byte{data}
	}
	l.done = true
	return nil
}

// inTurn runs a case for the first, the second ... of what a handshake has,
// until there is a handshake without it. It returns how many cases had it.
func inTurn(t *testing.T, name string, run func(t *testing.T, index int) (came bool)) int {
	t.Helper()
	var had atomic.Int64
	for first := 0; !t.Failed() && had.Load() == int64(first); first += abreast {
		t.Run(fmt.Sprintf("%s from %d", name, first), func(t *testing.T) {
			for index := first; index < first+abreast; index++ {
				t.Run(fmt.Sprint(index), func(t *testing.T) {
					t.Parallel()
					if run(t, index) {
						had.Add(1)
					}
				})
			}
		})
	}
	return int(had.Load())
}

// Whichever datagram of a handshake is lost, the whole client completes it in
// its first attempt, however small the pieces are that the server cuts its
// flight into.
func TestOneDatagramFailsTheWholeClient(t *testing.T) {
	t.Parallel()
	passages(t, func(t *testing.T, p *passage) {
		for name, fromServer := range map[string]bool{"server's": true, "client's": false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				n := inTurn(t, "lost", func(t *testing.T, index int) bool {
					l := &loss{at: spot{fromServer, index}, seen: counter{}}
					return p.goes(t, l.road, func() bool { return l.done })
				})
				t.Logf("%d datagrams, each of them lost once", n)
				if least := p.least(fromServer); n < least && !t.Failed() {
					t.Errorf("%d datagrams, want at least %d", n, least)
				}
			})
		}
	})
}

// least is how many datagrams a handshake has at least, one way.
func (p *passage) least(fromServer bool) int {
	if !fromServer {
		return exchange
	}
	return exchange + p.mode.size/p.mtu
}

// narrowings are servers that find out about a narrow path between two sendings
// of their flight, and one that cuts at random.
var narrowings = [][]int{{1200, 200}, {200, 90}, {150, 1000, 64}}

// A flight of which a piece was lost comes again in other pieces.
func TestCutAnewForTheWholeClient(t *testing.T) {
	t.Parallel()
	passages(t, func(t *testing.T, p *passage) {
		if p.mtu != mtus[0] {
			return // cut by the road, not by the server
		}
		for _, sizes := range narrowings {
			t.Run(fmt.Sprint(sizes), func(t *testing.T) {
				t.Parallel()
				n := inTurn(t, "piece", func(t *testing.T, index int) bool {
					c := &cutter{sizes: sizes, lost: []int{index}}
					return p.goes(t, c.road, func() bool { return c.sending > 1 })
				})
				t.Logf("%d pieces, each of them lost once", n)
				if least := 1 + p.mode.size/sizes[0]; n < least && !t.Failed() {
					t.Errorf("%d pieces, want at least %d", n, least)
				}
			})
		}
	})
}
