package netns

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// Codes that the faults are reported as.
const (
	timeout = holdfast.CodeTimeout
	network = holdfast.CodeNetwork
	unnamed = holdfast.CodeDNS
)

// outage is one way to lose the server and to find it again.
type outage struct {
	name   string
	secure bool // DTLS with a pre-shared key
	nat    bool
	begin  func(*site)
	end    func(*site) // nil when nothing ends it but the client
	// want are the codes of the errors to wait for before the end.
	want []holdfast.ErrorCode
	// perAttempt bounds the packets of one attempt.
	perAttempt int
}

// run registers a client, begins the outage, asks for an Update, waits for the
// errors, ends the outage, and waits until the client is registered again.
func (o outage) run(t *testing.T) {
	s := newSite(t, o.nat)
	account := noSec(serverAddr)
	if o.secure {
		account = psk(serverAddr)
	}
	c := s.start(account)
	c.registered()
	before, began := s.gateway.sent(), time.Now()
	o.begin(s)
	c.update()
	first := c.fails(o.want[0])
	for _, code := range o.want[1:] {
		c.fails(code)
	}
	sent, ended := s.gateway.sent()-before, began
	if o.end != nil {
		ended = time.Now()
		o.end(s)
	}
	back := c.registered()
	c.checkSchedule()
	// The attempt that is under way at the end counts as well.
	if most := (len(c.errors()) + 1) * o.perAttempt; sent > most {
		t.Errorf("%d packets in the outage, want at most %d", sent, most)
	}
	c.updated()
	s.server.reads()
	if n := s.server.count("register"); n != 1 {
		t.Errorf("the server saw %d Registers, want 1: no fault costs the registration", n)
	}
	o.report(t, c, row{sent: sent, first: first.Time.Sub(began), lasted: ended.Sub(began), back: back.Time.Sub(ended)})
}

// row is what was measured of an outage.
type row struct {
	sent                int           // packets while it lasted
	first, lasted, back time.Duration // first error; the outage; registered after its end
}

func (o outage) report(t *testing.T, c *client, r row) {
	t.Helper()
	link := "NoSec"
	if o.secure {
		link = "PSK"
	}
	report(t, o.name, link, c, r)
}

// report logs a row of the table in docs/netns.md.
func report(t *testing.T, name, link string, c *client, r row) {
	t.Helper()
	t.Logf("| %s | %s | %s | %s | %s | %d | %d | %s |", name, link, c.codes(), seconds(r.first),
		seconds(r.lasted), len(c.errors()), r.sent, seconds(r.back))
}

// seconds returns a duration for people; what was not measured is a dash.
func seconds(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
}

// both runs an outage over NoSec and over PSK.
func (o outage) both(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		o.secure = secure
		t.Run(fmt.Sprintf("secure=%v", secure), o.run)
	}
}

// healServer ends a fault in the server's packet filter.
func healServer(s *site) { s.serverHost.heal() }

// atServer begins a fault in the server's packet filter.
func atServer(chain, rule string) func(*site) {
	return func(s *site) { s.serverHost.fault(chain, rule) }
}

const (
	toServer   = "udp dport { 5683, 5684 } "
	fromServer = "udp sport { 5683, 5684 } "
)
