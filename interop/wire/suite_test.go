package wire

import (
	"crypto/elliptic"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

var (
	pskSuites         = []dtls.SuiteID{dtls.PSKWithAES128CCM8, dtls.PSKWithAES128CCM, dtls.PSKWithAES128GCMSHA256}
	certificateSuites = []dtls.SuiteID{
		dtls.ECDHEECDSAWithAES128CCM8, dtls.ECDHEECDSAWithAES128CCM,
		dtls.ECDHEECDSAWithAES128GCMSHA256, dtls.ECDHEECDSAWithAES256GCMSHA384,
	}
)

// The client's own certificates.
const (
	noCertificate = "none"
	onP256        = "P-256 key"
	onP384        = "P-384 key"
)

// combination is one of what a server can be told to insist on.
type combination struct {
	suite dtls.SuiteID
	curve string
	own   string // the client's certificate
	old   bool   // no extended master secret
}

func (c combination) String() string {
	s := c.suite.String()
	if !isPSK(c.suite) {
		s += " " + c.curve + " certificate: " + c.own
	}
	if c.old {
		s += " without EMS"
	}
	return s
}

// combinations are every suite, every curve with every suite, and every kind of
// client certificate with every suite.
func combinations() (all []combination) {
	for _, suite := range pskSuites {
		all = append(all, combination{suite: suite}, combination{suite: suite, old: true})
	}
	for _, suite := range certificateSuites {
		all = append(all, combination{suite, p256, onP256, true})
		for _, own := range []string{noCertificate, onP256, onP384} {
			all = append(all, combination{suite: suite, curve: p256, own: own})
		}
		for _, curve := range []string{p384, x25519} {
			all = append(all, combination{suite: suite, curve: curve, own: onP256})
		}
	}
	return all
}

// Every suite is agreed on with a server that takes no other, and carries data
// both ways until the client says good-bye.
func TestSuites(t *testing.T) {
	t.Parallel()
	world := newWorld(t)
	for _, s := range stacks {
		if s.only == nil {
			continue
		}
		for _, c := range combinations() {
			t.Run(s.name+"/"+c.String(), func(t *testing.T) {
				t.Parallel()
				security := world.server(c.suite)
				security.WithoutExtendedMasterSecret = c.old
				if c.own == noCertificate {
					security.CA = ""
				}
				p := s.run(t, security, s.only(c.suite, c.curve)...)
				l := connect(t, p.addr, world.client(c.own, suitesLike(c.suite)...))
				s.agrees(t, p, l, c.suite)
				if got := l.tap.curve(); got != c.curve {
					t.Errorf("agreed on curve %q, want %q", got, c.curve)
				}
				lives(t, p, l)
			})
		}
	}
}

// The client insists on one suite after the other, and the server has them all.
func TestSuitesOfTheClientsChoice(t *testing.T) {
	t.Parallel()
	world := newWorld(t)
	for _, s := range stacks {
		if s.only != nil {
			continue
		}
		for _, suites := range [][]dtls.SuiteID{pskSuites, certificateSuites} {
			old := []bool{false}
			if s.name == "libcoap-openssl" {
				old = append(old, true)
			}
			for _, old := range old {
				security := world.server(suites[0])
				security.WithoutExtendedMasterSecret = old
				p := s.run(t, security)
				for _, suite := range suites {
					c := combination{suite: suite, own: onP256, old: old}
					t.Run(s.name+"/"+c.String(), func(t *testing.T) {
						l := connect(t, p.addr, world.client(onP256, suite))
						s.agrees(t, p, l, suite)
						lives(t, p, l)
					})
				}
			}
		}
	}
}

// suitesLike are all suites with the same kind of credentials.
func suitesLike(suite dtls.SuiteID) []dtls.SuiteID {
	if isPSK(suite) {
		return pskSuites
	}
	return certificateSuites
}

// agrees demands that both sides say the same of the suite.
func (s *stack) agrees(t *testing.T, p *server, l *link, suite dtls.SuiteID) {
	t.Helper()
	if l.session.Suite() != suite {
		t.Errorf("agreed on %s, want %s", l.session.Suite(), suite)
	}
	if s.says != nil {
		mustPrint(t, p, s.says(suite))
	}
}

func mustPrint(t *testing.T, p *server, text string) {
	t.Helper()
	if err := printed(p.DTLSPeer, text, serverPatience); err != nil {
		t.Errorf("the server does not say %q: %v", text, err)
	}
}

// lives demands a session of which both sides have something.
func lives(t *testing.T, p *server, l *link) {
	t.Helper()
	if err := p.talk(l); err != nil {
		t.Errorf("data: %v", err)
	}
	if err := l.goodbye(); err != nil {
		t.Errorf("good-bye: %v", err)
	}
}

// world has the credentials of both sides, of all kinds.
type world struct {
	*pki
	own map[string]*testpki.Leaf
}

func makeWorld(t testpki.TB) *world {
	t.Helper()
	p := newPKI(t)
	return &world{p, map[string]*testpki.Leaf{
		onP256: p.Client, onP384: p.withKey(t, elliptic.P384()), noCertificate: p.Client,
	}}
}

// server returns what a server needs for a suite.
func (w *world) server(suite dtls.SuiteID) peer.Security {
	if isPSK(suite) {
		return pskSecurity
	}
	return w.security
}

// client returns a client that offers the suites, which are of one kind, and a Connection ID
// of no bytes, as the whole client does.
func (w *world) client(own string, suites ...dtls.SuiteID) dtls.Config {
	client := pskClient(suites...)
	if !isPSK(suites[0]) {
		client = w.pki.client(w.own[own], suites...)
	}
	client.CID = []byte{}
	return client
}
