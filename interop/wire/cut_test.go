package wire

import (
	"fmt"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/internal/testpki"
)

// padding makes certificates that take several datagrams of most MTUs. libcoap
// takes no client certificate of 2 KiB.
const padding = 1200

// Both sides cut their flights for paths from narrow ones to Ethernet, whose
// 1,500 bytes leave 1,472 to a datagram.
func TestMTU(t *testing.T) {
	t.Parallel()
	world := newWorld(t)
	request := testpki.Request{Role: testpki.Client, CommonName: endpoint, Padding: padding}
	own := issue(t, world.CA, request)
	request = testpki.Request{CommonName: testpki.ServerName, DNSNames: []string{testpki.ServerName}, Padding: padding}
	security := world.security
	security.Server = issue(t, world.CA, request).WriteFiles(t)
	for _, s := range stacks {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var shared *server
			if s.mtu == nil {
				shared = s.run(t, security) // Californium keeps its small certificate
			}
			for _, mtu := range []int{256, 400, 548, 1024, 1472} {
				t.Run(fmt.Sprint(mtu), func(t *testing.T) {
					t.Parallel()
					p := shared
					if p == nil {
						p = s.run(t, security, s.mtu(mtu)...)
					}
					client := world.pki.client(own, dtls.ECDHEECDSAWithAES128CCM8)
					client.MTU = mtu
					l := travels(t, p, client, open)
					l.fits(t, mtu, s.mtu != nil)
				})
			}
		})
	}
}

func issue(t testing.TB, ca *testpki.Authority, request testpki.Request) *testpki.Leaf {
	t.Helper()
	leaf, err := ca.Issue(request)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// fits demands that no datagram of the handshake was larger than the MTU, and
// that it was made use of.
func (l *link) fits(t *testing.T, mtu int, server bool) {
	t.Helper()
	for _, d := range l.tap.datagrams() {
		if len(d.data) > mtu && (!d.fromServer || server) {
			t.Errorf("a datagram of %d bytes", len(d.data))
		}
	}
	if want := 2 + padding/mtu; l.sent < want {
		t.Errorf("%d datagrams for %d bytes of certificates", l.sent, padding)
	}
}

// cuts are sizes of pieces for the sendings of the server's flight, one after
// the other.
var cuts = []cutter{
	{sizes: []int{200, 90}},
	{sizes: []int{90, 200}, merged: true},
	{sizes: []int{150, 1000, 64}, reversed: true},
}

// The server's flight comes in other pieces each time, of which one is missing
// each time.
func TestCutAnew(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		for _, cut := range cuts {
			whole := cut
			s.travels(t, whole.road)
			for lost := range whole.first {
				t.Run(fmt.Sprintf("%+v without %d", cut.sizes, lost), func(t *testing.T) {
					t.Parallel()
					c := cut
					c.lost = []int{lost, (2*lost + 1) % whole.first}
					s.travels(t, c.road)
					if c.sending < 2 {
						t.Errorf("the flight was sent %d times", c.sending)
					}
				})
			}
		}
	})
}
