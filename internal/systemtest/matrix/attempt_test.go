package matrix_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/systemtest/matrix"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// trouble makes attempts fail, and stops doing so.
type trouble struct {
	failures uint64        // attempts that fail; 0 is one
	takes    time.Duration // an attempt, from its begin to its failure
	lift     func()        // nil when the fault ends by itself
}

// errGivenUp is why a bootstrap server gives up.
var errGivenUp = errors.New("the bootstrap server gives up")

// failing plays a fault of an attempt: one error event for each failed attempt,
// with the code, the phase and the policy's delay; the next attempt begins at
// that very instant; nothing durable changes; and once the cause is gone the
// client is registered.
func failing(provoke func(*scene) trouble) func(*scene) {
	return func(s *scene) {
		s.reach()
		before := s.records()
		f := provoke(s)
		failures := max(1, f.failures)
		if s.stored == matrix.Bootstrapped && s.bootstrapping() {
			failures = 1 // meanwhile the management server takes the client back
		}
		var last holdfast.Event
		for n := range failures {
			last = s.expectFailure(n, last, f.takes)
		}
		if s.at != matrix.BootstrapPersisting && s.code != holdfast.CodeInvalidParameters {
			s.sameRecords(before)
		}
		if f.lift != nil {
			f.lift()
		}
		s.expectRecovery(last)
	}
}

// expectFailure takes the one error of a failed attempt.
func (s *scene) expectFailure(n uint64, former holdfast.Event, takes time.Duration) holdfast.Event {
	s.T.Helper()
	e := s.expectError()
	s.attempts++
	retry, announced := e.RetryIn()
	if want := systemtest.Delay(5*time.Second, s.attempts-1); !announced || retry != want || e.Attempt != s.attempts {
		s.T.Errorf("want attempt %d and %v: %+v", s.attempts, want, e)
	}
	if n == 0 && !s.phaseFits(e.Phase) {
		s.T.Errorf("phase %s at %s", e.Phase, s.at)
	}
	if n > 0 {
		before, _ := former.RetryIn()
		if at := former.Time.Add(before + takes); !e.Time.Equal(at) {
			s.T.Errorf("attempt %d failed at %v, want %v", s.attempts, e.Time, at)
		}
	}
	return e
}

func (s *scene) phaseFits(phase holdfast.Phase) bool {
	for _, p := range s.at.Phases() {
		if holdfast.Phase(p.String()) == phase {
			return true
		}
	}
	return false
}

// expectRecovery demands that the client is registered at the instant that the
// last error announced, that nothing leaves before, and no further error.
func (s *scene) expectRecovery(last holdfast.Event) {
	s.T.Helper()
	retry, _ := last.RetryIn()
	at := last.Time.Add(retry)
	if e := s.client.Next(holdfast.EventRegistered); !e.Time.Equal(at) {
		s.T.Errorf("registered at %v, want %v", e.Time, at)
	}
	if early := s.leftBetween(last.Time, at); len(early) > 0 {
		s.T.Errorf("left before the next attempt at %v: %v", at, early)
	}
	s.demandKept()
	s.finish()
}

// leftBetween returns when packets and look-ups have left the client after one
// instant and before another.
func (s *scene) leftBetween(after, before time.Time) (at []time.Time) {
	for _, p := range s.Network.Packets() {
		if p.From.Addr() == systemtest.GatewayAddr {
			at = append(at, p.Time)
		}
	}
	for _, l := range s.Network.Lookups() {
		at = append(at, l.Time)
	}
	return slices.DeleteFunc(at, func(t time.Time) bool { return !t.After(after) || !t.Before(before) })
}

// demandKept demands that a registration that the server may still know is
// taken up again by an Update, and that stored credentials are used again.
func (s *scene) demandKept() {
	registers := s.Server.Registers(systemtest.Endpoint) - s.former.registers
	if s.at >= matrix.RegisteredIdle && s.at <= matrix.Asleep {
		if registers != 1 {
			s.T.Errorf("%d Registers: the Location was known", registers)
		}
	}
	bootstraps := s.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest) - s.former.bootstraps
	if !s.bootstrapping() && s.code != holdfast.CodeInvalidParameters && bootstraps != 0 {
		s.T.Errorf("%d bootstraps: the credentials were usable", bootstraps)
	}
}

// finish demands that the registration is worth something, closes the client,
// and demands that there was no error beyond those that were expected.
func (s *scene) finish() {
	s.T.Helper()
	synctest.Wait()
	if n := errorsLeft(s.client); n > 0 {
		s.T.Errorf("%d more errors: %s", n, s.client.Story())
	}
	s.demandAnswer()
	s.demandObserved()
	s.demandUpdated()
	s.client.ExpectClose(nil)
	if n := errorsLeft(s.client); n > 0 {
		s.T.Errorf("%d errors on Close: %s", n, s.client.Story())
	}
}

// demandAnswer reads a resource of the client.
func (s *scene) demandAnswer() {
	s.T.Helper()
	got, err := s.Server.Read(s.T.Context(), systemtest.Endpoint, "/3/0/0", messages.FormatTLV)
	if err != nil || got.Code != messages.Content {
		s.T.Errorf("read: %v, %v; %s", got.Code, err, s.client.Story())
	}
}

// errorsLeft takes the events that are there and counts the errors.
func errorsLeft(r *systemtest.Client) (n int) {
	for len(r.Feed) > 0 {
		e := <-r.Feed
		r.Seen = append(r.Seen, e)
		if e.Type == holdfast.EventError {
			n++
		}
	}
	return n
}

// peerHost is the host of the server that the scene is about.
func (s *scene) peerHost() *lwm2mtest.Host {
	if s.bootstrapping() {
		return s.BootstrapHost
	}
	return s.Host
}

// Code 2: the server refuses the handshake with close_notify, answers the
// request 4.00, or falls silent before the operation of the moment.
func failBootstrap(s *scene) trouble {
	switch s.at {
	case matrix.Handshake:
		return trouble{failures: 2, takes: time.Second, lift: s.bootstrap.AcceptHandshakes}
	case matrix.BootstrapRequesting:
		return trouble{failures: 2}
	}
	s.held.open(errGivenUp)
	return trouble{lift: func() { s.deliverAll(nil) }}
}

// Code 3: the server refuses the Register.
func refuseRegister(*scene) trouble { return trouble{failures: 2} }

// Code 6: the server says nothing, or the path to it is a black hole. On a
// registered link that is code 7 and one ladder first. In a bootstrap session
// silence is code 2; there, a server that goes on and on is code 6.
func fallSilent(s *scene) trouble {
	if inSession(s.at) {
		return s.goOnAndOn()
	}
	f := trouble{failures: 2, takes: 180 * time.Second, lift: s.Server.Behave}
	switch s.at {
	case matrix.Handshake:
		f.lift = s.management.AcceptHandshakes
	case matrix.Notifying, matrix.Sending:
		f.lift = func() { s.release(); s.Server.Behave() }
		fallthrough
	case matrix.Updating:
		s.client.ExpectError(holdfast.CodeNetwork)
		s.attempts, f.takes = 1, 62*time.Second
	}
	return f
}

// goOnAndOn makes the bootstrap server send an operation every 246 s, and never
// Bootstrap-Finish.
func (s *scene) goOnAndOn() trouble {
	began := time.Now()
	s.held.open(errGivenUp)
	for id := range byte(3) {
		time.Sleep(246 * time.Second)
		s.poke([]byte{0x40, byte(messages.GET), 0x77, id, 0xd1, 0x04, 40}) // Bootstrap-Discover
	}
	return trouble{lift: func() {
		if took := time.Since(began); took != holdfast.DefaultBootstrapTimeout {
			s.T.Errorf("it took %v", took)
		}
		s.deliverAll(nil)
	}}
}

// Code 7: from now on the port refuses; the client sends something.
func refusePort(s *scene) trouble {
	refused := s.Network.Impair(lwm2mtest.ToHost(s.peerHost()), lwm2mtest.Conditions{Refuse: true})
	lift := func() { refused.Lift(); s.deliverAll(nil); s.release() }
	switch s.at { // moments at which the client says nothing by itself, or nothing that matters
	case matrix.BootstrapWaiting, matrix.BootstrapFinish, matrix.RegisteredIdle, matrix.Observing, matrix.Handling, matrix.Asleep:
		s.poke(ping)
		synctest.Wait()
	}
	if s.at == matrix.Handshake {
		s.management.AcceptHandshakes()
	}
	s.held.open(nil)
	return trouble{failures: 2, lift: lift}
}

// ping is an empty confirmable message: it is answered by a RST.
var ping = []byte{0x40, 0, 0x12, 0x34}

// Code 9: the next message that an actor of the account processes makes it
// panic.
func crashActor(s *scene) trouble {
	var struck bool
	s.needle.set(func(actor string, stage lwm2mtest.Stage, message any) {
		if stage != lwm2mtest.StageInvoking || struck || strings.HasPrefix(fmt.Sprintf("%T", message), "*actor.") || !s.concerns(actor) {
			return
		}
		struck = true
		panic("a needle struck")
	})
	s.stir()
	return trouble{lift: func() { s.needle.set(nil); s.release() }}
}

// concerns reports whether an actor belongs to the account that the scene is
// about.
func (s *scene) concerns(actor string) bool {
	if s.bootstrapping() {
		return strings.HasSuffix(actor, "/0") || strings.HasSuffix(actor, "/bootstrap")
	}
	return strings.HasSuffix(actor, "/1")
}

// stir lets the client go on, so that a message comes.
func (s *scene) stir() {
	s.Network.SetDNS("server.test", systemtest.ServerAddr)
	s.management.AcceptHandshakes()
	s.held.open(nil)
	switch s.at {
	case matrix.RegisteredIdle, matrix.Observing, matrix.Notifying, matrix.Sending, matrix.Asleep:
		if err := s.Server.SendRaw(systemtest.Endpoint, ping); err != nil {
			s.T.Fatal(err)
		}
	}
}

// Code 10: what the server writes exceeds limits.bootstrap_bytes.
func exceedBudget(s *scene) trouble {
	s.held.open(nil)
	return trouble{lift: func() { s.deliverAll(nil) }}
}

// Code 12: a fatal alert that blames neither certificate nor key.
func refuseHandshake(s *scene) trouble {
	s.management.RefuseHandshakes(40)
	// an alert in clear is believed when a second has brought nothing better
	return trouble{failures: 2, takes: time.Second, lift: s.management.AcceptHandshakes}
}

// Code 13.
func hideName(s *scene) trouble {
	return trouble{failures: 2, takes: 10 * time.Second, lift: func() { s.Network.SetDNS("server.test", systemtest.ServerAddr) }}
}

// Code 16: the state directory is replaced by a file while Finish waits.
func breakStore(s *scene) trouble {
	mend := s.breakDirectory()
	s.held.open(nil)
	return trouble{lift: mend}
}

// breakDirectory replaces the state directory by a file: that also fails those
// whom file modes do not stop.
func (s *scene) breakDirectory() (mend func()) {
	gone := s.cfg.StateDir + ".gone"
	if err := errors.Join(os.Rename(s.cfg.StateDir, gone), os.WriteFile(s.cfg.StateDir, nil, 0o600)); err != nil {
		s.T.Fatal(err)
	}
	return func() {
		if err := errors.Join(os.Remove(s.cfg.StateDir), os.Rename(gone, s.cfg.StateDir)); err != nil {
			s.T.Fatal(err)
		}
	}
}
