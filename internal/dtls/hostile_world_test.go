package dtls_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/internal/dtlstest"
)

// beginning is when the handshakes of the hostile tests begin.
var beginning = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// patience is how often a client's timer may run out before its caller gives
// up.
const patience = 8

// Bounds on what one datagram of a server may cost, in allocations and in bytes
// of memory; a flight with a certificate costs the most.
const (
	maxAllocations = 6000
	maxAllocated   = 4 << 20
)

// pki is the same for all tests: making keys takes time.
var pki = dtlstest.NewPKI(rand.NewChaCha8([32]byte{42}))

// counter counts what a handshake does with keys.
type counter struct {
	crypto.Signer
	signatures, chains int
}

func (c *counter) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	c.signatures++
	return c.Signer.Sign(random, digest, opts)
}

// client is the configuration of the real client for a family.
func client(f dtlstest.Family, peer dtlstest.Peer, c *counter) dtls.Config {
	config := dtls.Config{Random: rand.NewChaCha8([32]byte{7})}
	switch f {
	case dtlstest.FamilyECDSA:
		config.ServerName = dtlstest.Name
		config.Certificate = &dtls.Certificate{Chain: [][]byte{peer.Cert}, Signer: c, VerifyChain: anchored(peer.Authority, c)}
	case dtlstest.FamilyRPK:
		config.Certificate = &dtls.Certificate{Chain: [][]byte{peer.Cert}, Signer: c, VerifyKey: func(spki []byte) error {
			c.chains++
			if !bytes.Equal(spki, peer.ServerSPKI) {
				return errors.New("another key")
			}
			return nil
		}}
	default:
		config.PSK = &dtls.PSK{Identity: peer.Identity, Key: func() []byte { return peer.PSK }}
		config.CID = peer.CID
		if s := peer.Session; s != nil {
			config.Resume = &dtls.Resumption{ID: s.ID, Suite: dtls.SuiteID(s.Suite), Master: s.Master}
		}
	}
	return config
}

// anchored verifies as a client with a trust anchor does.
func anchored(authority *x509.Certificate, c *counter) func([]*x509.Certificate, time.Time) error {
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	return func(chain []*x509.Certificate, now time.Time) error {
		c.chains++
		intermediates := x509.NewCertPool()
		for _, i := range chain[1:] {
			intermediates.AddCert(i)
		}
		_, err := chain[0].Verify(x509.VerifyOptions{
			DNSName: dtlstest.Name, Roots: roots, Intermediates: intermediates, CurrentTime: now,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		return err
	}
}

// attempt is one handshake of the real client with a server.
type attempt struct {
	server    *dtlstest.Server
	handshake *dtls.Handshake
	count     *counter
	now       time.Time
	out       dtls.Output
	queue     [][]byte
	timeouts  int
	delivered [][]byte // application data

	measured                bool
	worstCount, worstMemory uint64
}

// run does a handshake until it is over, or until patience is.
func run(t testing.TB, f dtlstest.Family, config dtlstest.Config, peer dtlstest.Peer, measured bool) *attempt {
	t.Helper()
	a := &attempt{server: dtlstest.NewServer(config), count: &counter{Signer: peer.Key}, now: beginning, measured: measured}
	h, out, err := dtls.Start(client(f, peer, a.count), a.now)
	if err != nil {
		t.Fatal(err)
	}
	a.handshake, a.out = h, out
	a.send(out.Send)
	for !a.over() {
		a.step()
	}
	a.drain()
	return a
}

func (a *attempt) over() bool {
	return a.out.Session != nil || a.out.Err != nil || a.timeouts > patience
}

func (a *attempt) send(datagrams [][]byte) {
	for _, d := range datagrams {
		a.queue = append(a.queue, a.server.Receive(bytes.Clone(d))...)
	}
}

// step delivers the next datagram, or lets the time pass until the timer.
func (a *attempt) step() {
	if len(a.queue) > 0 {
		d := bytes.Clone(a.queue[0])
		a.queue = a.queue[1:]
		a.measure(func() { a.out = a.handshake.Receive(a.now, d) })
	} else {
		a.timeouts++
		a.now = a.out.Wake
		a.measure(func() { a.out = a.handshake.Expire(a.now) })
	}
	a.send(a.out.Send)
}

// measure counts what a call allocates.
func (a *attempt) measure(call func()) {
	if !a.measured {
		call()
		return
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	a.worstCount = max(a.worstCount, after.Mallocs-before.Mallocs)
	a.worstMemory = max(a.worstMemory, after.TotalAlloc-before.TotalAlloc)
}

// drain hands what is still on its way to the session.
func (a *attempt) drain() {
	for a.out.Session != nil && len(a.queue) > 0 {
		d := bytes.Clone(a.queue[0])
		a.queue = a.queue[1:]
		a.measure(func() { a.take(d) })
	}
}

func (a *attempt) take(d []byte) {
	for len(d) > 0 {
		event, rest := a.out.Session.Next(d)
		if event.Data != nil {
			a.delivered = append(a.delivered, event.Data)
		}
		a.send(event.Send)
		d = rest
	}
}

// outcome says what became of the handshake, in the words of the table.
func (a *attempt) outcome() dtlstest.Want {
	var refusal *dtls.RefusalError
	var alert *dtls.AlertError
	switch {
	case a.out.Session != nil:
		return dtlstest.Want{Outcome: dtlstest.Ignored}
	case errors.As(a.out.Err, &refusal):
		return dtlstest.Want{Outcome: dtlstest.Refused, Alert: refusal.Alert}
	case errors.As(a.out.Err, &alert):
		return dtlstest.Want{Outcome: dtlstest.Ended}
	}
	return dtlstest.Want{Outcome: dtlstest.Stalled}
}

// faults are what no server may bring a client to.
func (a *attempt) faults() (all []error) {
	if err := a.server.Err(); errors.Is(err, dtlstest.ErrReused) || errors.Is(err, dtlstest.ErrExplicit) {
		all = append(all, err)
	}
	if a.worstCount > maxAllocations || a.worstMemory > maxAllocated {
		all = append(all, errors.New("a datagram costs too much"))
	}
	if a.count.signatures > 4 || a.count.chains > 5 {
		all = append(all, errors.New("too much work with keys"))
	}
	if a.out.Session != nil {
		all = append(all, a.works()...)
	}
	return all
}

// works uses a session: it has to be the server's too, both ways, and to have
// delivered nothing but the echo.
func (a *attempt) works() (all []error) {
	if !a.server.Done() {
		return []error{errors.New("the client has a session, the server has none")}
	}
	if len(a.delivered) > 0 {
		all = append(all, errors.New("something was delivered that was no echo"))
	}
	sealed, err := a.out.Session.Seal(nil, []byte("ping"))
	if err != nil {
		return append(all, err)
	}
	a.delivered = nil
	a.send([][]byte{sealed})
	a.drain()
	if len(a.delivered) != 1 || string(a.delivered[0]) != "ping" {
		all = append(all, errors.New("no echo"))
	}
	return all
}
