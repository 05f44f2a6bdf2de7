package holdfast_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// The same once more over the operating system's sockets, on loopback.
const (
	liveDelay    = time.Second      // r0
	livePatience = 60 * time.Second // for a machine that is busy with other tests
	liveEarly    = 5 * time.Millisecond
	liveLate     = 2 * time.Second
)

// live is a server on loopback.
type live struct {
	t      *testing.T
	server *lwm2mtest.Server
}

func newLive(t *testing.T) *live {
	t.Helper()
	l := &live{t: t, server: lwm2mtest.NewServer(lwm2mtest.ServerOptions{})}
	t.Cleanup(func() { _ = l.server.Close() }) // it always returns nil
	return l
}

// listen opens a socket on loopback; port 0 means any.
func (l *live) listen(port uint16) net.PacketConn {
	l.t.Helper()
	loopback := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	pc, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		l.t.Fatal(err)
	}
	return pc
}

func (l *live) serve(security lwm2mtest.Security) *lwm2mtest.Service {
	l.t.Helper()
	return l.server.ServeManagement(l.listen(0), security)
}

func liveConfig(t *testing.T, server *holdfast.Account) holdfast.Config {
	return holdfast.Config{
		Endpoint: endpoint, StateDir: t.TempDir(), Server: server,
		Reconnect: holdfast.ReconnectConfig{InitialMin: liveDelay, InitialMax: liveDelay},
	}
}

func liveNoSec(host string) *holdfast.Account {
	return &holdfast.Account{URI: "coap://" + host, Security: holdfast.SecurityNoSec}
}

func livePSK(host string) *holdfast.Account {
	return &holdfast.Account{
		URI: "coaps://" + host, Security: holdfast.SecurityPSK, PSKIdentity: endpoint, PSKKey: testKey,
	}
}

// start starts a client. A test that waits for too long loses its events, and
// fails.
func (l *live) start(cfg holdfast.Config) *runner {
	l.t.Helper()
	return l.startFor(cfg, livePatience)
}

// startFor is start with another limit.
func (l *live) startFor(cfg holdfast.Config, patience time.Duration) *runner {
	l.t.Helper()
	client, err := holdfast.New(cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	c := &runner{Client: client, t: l.t}
	events, unsubscribe := client.Events(1 << 12)
	c.events = events
	enough := time.AfterFunc(patience, unsubscribe)
	if err := client.Start(context.Background()); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = client.Close(ctx) // the server may be dead
		enough.Stop()
	})
	return c
}

// failsOnce demands the first error, and that the next attempt begins when it
// says so and succeeds.
func (r *runner) failsOnce(code holdfast.ErrorCode, mend func()) {
	r.t.Helper()
	e := r.next(holdfast.EventError)
	wait, announced := e.RetryIn()
	if e.Code != code || e.Attempt != 1 || !announced || wait != liveDelay {
		r.t.Errorf("%+v", e)
	}
	mend()
	waiting := r.next(holdfast.EventState)
	begun := r.next(holdfast.EventState)
	if waiting.State != holdfast.Waiting {
		r.t.Errorf("%s after the failure", waiting.State)
	}
	if took := begun.Time.Sub(e.Time); took < liveDelay-liveEarly || took > liveDelay+liveLate {
		r.t.Errorf("the next attempt began after %v", took)
	}
	if back := r.next(holdfast.EventRegistered); back.Attempts > 2 {
		r.t.Errorf("%+v", back)
	}
}

func TestNextAttemptAfterARefusedUpdateOnSockets(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	service := l.serve(lwm2mtest.NoSec())
	c := l.start(liveConfig(t, liveNoSec(service.Addr().String())))
	c.next(holdfast.EventRegistered)
	service.Abort()
	if err := c.RegisterUpdate(); err != nil {
		t.Fatal(err)
	}
	c.failsOnce(messages.ConnectNetworkError, func() {
		l.server.ServeManagement(l.listen(service.Addr().Port()), lwm2mtest.NoSec())
	})
	if n := l.server.Registers(endpoint); n != 1 {
		t.Errorf("%d registrations, want 1: an Update is enough", n)
	}
}

func TestNextAttemptAfterNXDOMAINOnSockets(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	port := strconv.Itoa(int(l.serve(lwm2mtest.NoSec()).Addr().Port()))
	names := l.nameServer()
	cfg := liveConfig(t, liveNoSec(net.JoinHostPort("server.test", port)))
	cfg.DNS.Server = names.address
	c := l.start(cfg)
	c.failsOnce(messages.ConnectDNSResolvingFailed, func() { names.known.Store(true) })
}

func TestNextAttemptAfterARefusedHandshakeOnSockets(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	service := l.serve(lwm2mtest.PSK(endpoint, testKey))
	service.RefuseHandshakes(40)
	c := l.start(liveConfig(t, livePSK(service.Addr().String())))
	c.failsOnce(messages.ConnectSecureConnectionFailed, service.AcceptHandshakes)
}

func TestNextAttemptAfterARefusedBootstrapOnSockets(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.server.Misbehave(endpoint, lwm2mtest.BootstrapRequest, 1, lwm2mtest.Behaviour{Answer: messages.InternalServerError})
	account := lwm2mtest.AccountConfig{URI: "coap://" + l.serve(lwm2mtest.NoSec()).Addr().String()}
	l.server.SetBootstrap(endpoint, lwm2mtest.BootstrapConfig{Writes: account.Writes()})
	cfg := liveConfig(t, nil)
	cfg.Bootstrap = liveNoSec(l.server.ServeBootstrap(l.listen(0), lwm2mtest.NoSec()).Addr().String())
	c := l.start(cfg)
	c.failsOnce(messages.ConnectBootstrapFailed, func() {})
	if n := l.server.Seen(endpoint, lwm2mtest.BootstrapRequest); n != 2 {
		t.Errorf("%d requests for a bootstrap, want 2", n)
	}
}

// Ten seconds of a port that nobody listens on: four attempts.
func TestTenSecondsOfARefusedPortOnSockets(t *testing.T) {
	t.Parallel()
	for name, account := range map[string]func(string) *holdfast.Account{"NoSec": liveNoSec, "PSK": livePSK} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLive(t)
			address := l.refusedPort()
			began := time.Now()
			c := l.start(liveConfig(t, account(address)))
			at := time.Duration(0)
			for attempt := uint64(1); attempt <= 4; attempt++ {
				e := c.next(holdfast.EventError)
				wait, _ := e.RetryIn()
				took := e.Time.Sub(began)
				if e.Code != messages.ConnectNetworkError || e.Attempt != attempt || wait != delay(liveDelay, attempt-1) || took < at-liveEarly {
					t.Errorf("after %v: %+v", took, e)
				}
				at += wait
			}
			if at <= 10*time.Second {
				t.Errorf("the fifth attempt comes after %v", at)
			}
		})
	}
}

// refusedPort returns the address of a port that refuses, and that nobody else
// takes meanwhile: its socket hears only the one peer that it is connected to.
func (l *live) refusedPort() string {
	l.t.Helper()
	loopback := net.IPv4(127, 0, 0, 1)
	held, err := net.DialUDP("udp4", &net.UDPAddr{IP: loopback}, &net.UDPAddr{IP: loopback, Port: 9})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = held.Close() }) // it has sent nothing
	return held.LocalAddr().String()
}

// Ten seconds of a port that swallows everything: the datagrams that arrive
// there are those of the standards.
func TestTenSecondsOfASilentPortOnSockets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		account func(string) *holdfast.Account
		want    int
	}{
		{"Registers", liveNoSec, 3},  // after 0, 2 to 3 and 6 to 9 s
		{"ClientHellos", livePSK, 4}, // after 0, 1, 3 and 7 s
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLive(t)
			pc := l.listen(0)
			defer pc.Close()
			l.start(liveConfig(t, tt.account(pc.LocalAddr().String())))
			if n := arrivals(t, pc, 10*time.Second); n > tt.want || n == 0 {
				t.Errorf("%d datagrams within 10 s, want at most %d", n, tt.want)
			}
		})
	}
}

// arrivals counts the datagrams that come within a time of the first one.
func arrivals(t *testing.T, pc net.PacketConn, within time.Duration) (n int) {
	t.Helper()
	buf := make([]byte, 2048)
	for {
		_, _, err := pc.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if n++; n > 1 {
			continue
		}
		if err := pc.SetReadDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
	}
}

// stubNames is a name server: NXDOMAIN until the names are known, then
// 127.0.0.1 (RFC 1035).
type stubNames struct {
	address string
	known   atomic.Bool
}

func (l *live) nameServer() *stubNames {
	l.t.Helper()
	pc := l.listen(0)
	s := &stubNames{address: pc.LocalAddr().String()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve(pc)
	}()
	l.t.Cleanup(func() {
		_ = pc.Close() // it is only closed here
		<-done
	})
	return s
}

func (s *stubNames) serve(pc net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := s.answer(buf[:n]); answer != nil {
			_, _ = pc.WriteTo(answer, from) // a lost answer is asked for again
		}
	}
}

// answer returns the answer to a query; the question is kept, what follows it
// is not.
func (s *stubNames) answer(query []byte) []byte {
	const header, afterName = 12, 4
	const authoritative, nameError = 0x8400, 3
	end := header
	for end < len(query) && query[end] != 0 {
		end += 1 + int(query[end])
	}
	end += 1 + afterName
	if end > len(query) {
		return nil
	}
	flags, answers, record := uint16(authoritative), uint16(0), []byte(nil)
	switch isA := binary.BigEndian.Uint16(query[end-afterName:]) == 1; {
	case !s.known.Load():
		flags |= nameError
	case isA: // a pointer to the question, A, IN, no TTL, 127.0.0.1
		answers, record = 1, []byte{0xc0, header, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1}
	}
	b := append([]byte(nil), query[:2]...)
	for _, field := range []uint16{flags, 1, answers, 0, 0} {
		b = binary.BigEndian.AppendUint16(b, field)
	}
	return append(append(b, query[header:end]...), record...)
}
