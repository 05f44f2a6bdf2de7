package behaviour_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// failsOnce demands the first error, and that the next attempt does not begin
// before it says so, and succeeds.
func failsOnce(r *systemtest.Client, code holdfast.ErrorCode, mend func()) {
	r.T.Helper()
	e := r.Next(holdfast.EventError)
	wait, announced := e.RetryIn()
	if e.Code != code || e.Attempt != 1 || !announced || wait != systemtest.LiveDelay {
		r.T.Errorf("%+v", e)
	}
	mend()
	waiting := r.Next(holdfast.EventState)
	begun := r.Next(holdfast.EventState)
	if waiting.State != holdfast.Waiting {
		r.T.Errorf("%s after the failure", waiting.State)
	}
	if took := begun.Time.Sub(e.Time); took < systemtest.LiveDelay-systemtest.LiveEarly {
		r.T.Errorf("the next attempt began after %v", took)
	}
	if back := r.Next(holdfast.EventRegistered); back.Attempts > 2 {
		r.T.Errorf("%+v", back)
	}
}

func TestNextAttemptAfterARefusedUpdateOnSockets(t *testing.T) {
	t.Parallel()
	l := systemtest.NewLive(t)
	service := l.Serve(lwm2mtest.NoSec())
	c := l.Start(systemtest.LiveConfig(t, systemtest.LiveNoSec(service.Addr().String())))
	c.Next(holdfast.EventRegistered)
	service.Abort()
	if err := c.RegisterUpdate(context.Background()); err != nil {
		t.Fatal(err)
	}
	failsOnce(c, holdfast.CodeNetwork, func() {
		l.Server.ServeManagement(l.Listen(service.Addr().Port()), lwm2mtest.NoSec())
	})
	if n := l.Server.Registers(systemtest.Endpoint); n != 1 {
		t.Errorf("%d registrations, want 1: an Update is enough", n)
	}
}

func TestNextAttemptAfterNXDOMAINOnSockets(t *testing.T) {
	t.Parallel()
	l := systemtest.NewLive(t)
	port := strconv.Itoa(int(l.Serve(lwm2mtest.NoSec()).Addr().Port()))
	names := nameServer(l)
	cfg := systemtest.LiveConfig(t, systemtest.LiveNoSec(net.JoinHostPort("server.test", port)))
	cfg.DNS.Server = names.address
	c := l.Start(cfg)
	failsOnce(c, holdfast.CodeDNS, func() { names.known.Store(true) })
}

func TestNextAttemptAfterARefusedHandshakeOnSockets(t *testing.T) {
	t.Parallel()
	l := systemtest.NewLive(t)
	service := l.Serve(lwm2mtest.PSK(systemtest.Endpoint, systemtest.Key))
	service.RefuseHandshakes(40)
	c := l.Start(systemtest.LiveConfig(t, systemtest.LivePSK(service.Addr().String())))
	failsOnce(c, holdfast.CodeSecureConnection, service.AcceptHandshakes)
}

func TestNextAttemptAfterARefusedBootstrapOnSockets(t *testing.T) {
	t.Parallel()
	l := systemtest.NewLive(t)
	l.Server.Misbehave(systemtest.Endpoint, lwm2mtest.BootstrapRequest, 1, lwm2mtest.Behaviour{Answer: messages.InternalServerError})
	account := lwm2mtest.AccountConfig{URI: "coap://" + l.Serve(lwm2mtest.NoSec()).Addr().String()}
	l.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{Writes: account.Writes()})
	cfg := systemtest.LiveConfig(t, nil)
	cfg.Bootstrap = systemtest.LiveNoSec(l.Server.ServeBootstrap(l.Listen(0), lwm2mtest.NoSec()).Addr().String())
	c := l.Start(cfg)
	failsOnce(c, holdfast.CodeBootstrapFailed, func() {})
	if n := l.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest); n != 2 {
		t.Errorf("%d requests for a bootstrap, want 2", n)
	}
}

// Ten seconds of a port that nobody listens on: four attempts.
func TestTenSecondsOfARefusedPortOnSockets(t *testing.T) {
	t.Parallel()
	for name, account := range map[string]func(string) *holdfast.Account{"NoSec": systemtest.LiveNoSec, "PSK": systemtest.LivePSK} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := systemtest.NewLive(t)
			address := refusedPort(l)
			began := time.Now()
			c := l.Start(systemtest.LiveConfig(t, account(address)))
			at := time.Duration(0)
			for attempt := uint64(1); attempt <= 4; attempt++ {
				e := c.Next(holdfast.EventError)
				wait, _ := e.RetryIn()
				took := e.Time.Sub(began)
				if e.Code != holdfast.CodeNetwork || e.Attempt != attempt || wait != systemtest.Delay(systemtest.LiveDelay, attempt-1) || took < at-systemtest.LiveEarly {
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
func refusedPort(l *systemtest.Live) string {
	l.T.Helper()
	loopback := net.IPv4(127, 0, 0, 1)
	held, err := net.DialUDP("udp4", &net.UDPAddr{IP: loopback}, &net.UDPAddr{IP: loopback, Port: 9})
	if err != nil {
		l.T.Fatal(err)
	}
	l.T.Cleanup(func() { _ = held.Close() }) // it has sent nothing
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
		{"Registers", systemtest.LiveNoSec, 3},  // after 0, 2 to 3 and 6 to 9 s
		{"ClientHellos", systemtest.LivePSK, 4}, // after 0, 1, 3 and 7 s
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := systemtest.NewLive(t)
			pc := l.Listen(0)
			defer pc.Close()
			l.Start(systemtest.LiveConfig(t, tt.account(pc.LocalAddr().String())))
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

func nameServer(l *systemtest.Live) *stubNames {
	l.T.Helper()
	pc := l.Listen(0)
	s := &stubNames{address: pc.LocalAddr().String()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve(pc)
	}()
	l.T.Cleanup(func() {
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
