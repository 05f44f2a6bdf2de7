package matrix_test

import (
	"context"
	"errors"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/systemtest/matrix"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// garbageCON is a confirmable message whose token is longer than allowed.
var garbageCON = []byte{0x49, 0x01, 0x43, 0x21}

// Code 8: the message is dropped and reported, and the next valid one is
// answered: whatever is under way goes on.
func playGarbage(s *scene) {
	s.reach()
	s.poke(garbageCON)
	e := s.expectError()
	if e.Action != holdfast.ActionIgnore || !e.NextAttempt.IsZero() || !s.phaseFits(e.Phase) {
		s.T.Errorf("%+v", e)
	}
	s.goOn()
}

// goOn lets the moment pass undisturbed and demands that the client gets to its
// goal.
func (s *scene) goOn() {
	s.T.Helper()
	s.release()
	switch s.at {
	case matrix.Closing:
		if err := <-s.closing; err != nil {
			s.T.Errorf("Close: %v", err)
		}
		s.comeBack()
		return
	case matrix.RegisteredIdle, matrix.Updating, matrix.Observing, matrix.Notifying, matrix.Sending, matrix.Handling, matrix.Asleep,
		matrix.Downloading:
	default:
		s.Network.SetDNS("server.test", systemtest.ServerAddr)
		s.management.AcceptHandshakes()
		s.client.Next(holdfast.EventRegistered)
	}
	s.patient()
	s.finish()
}

// patient lets what is held by the server come to its end.
func (s *scene) patient() { systemtest.Rest(30 * time.Second) }

// comeBack starts another client from the same store: nothing was lost.
func (s *scene) comeBack() {
	s.T.Helper()
	if n := errorsLeft(s.client); n > 0 {
		s.T.Errorf("%d more errors: %s", n, s.client.Story())
	}
	s.held.open(nil)
	s.Server.Behave()
	s.Network.SetDNS("server.test", systemtest.ServerAddr)
	s.management.AcceptHandshakes()
	s.deliverAll(nil)
	c := s.Start(s.cfg)
	c.WaitFor(holdfast.Registered)
	c.ExpectClose(nil)
}

// Code 11: the call is refused and changes nothing.
func playForbiddenCall(s *scene) {
	if s.at == matrix.Start {
		s.playCallBeforeStart()
		return
	}
	s.reach()
	if err := s.client.Resume(context.Background()); !errors.Is(err, holdfast.ErrNotAllowed) {
		s.T.Errorf("Resume: %v", err)
	}
	if e := s.expectError(); e.Phase != "api" || !e.NextAttempt.IsZero() {
		s.T.Errorf("%+v", e)
	}
	s.goOn()
}

func (s *scene) playCallBeforeStart() {
	client, err := holdfast.New(s.cfg, lwm2mtest.WithTransport(s.Gateway))
	if err != nil {
		s.T.Fatal(err)
	}
	for _, call := range []func(context.Context) error{client.RegisterUpdate, client.Pause, client.Resume, client.Reconnect, client.Bootstrap, client.FactoryReset} {
		if err := call(context.Background()); !errors.Is(err, holdfast.ErrNotAllowed) {
			s.T.Errorf("before Start: %v", err)
		}
	}
	if err := client.Start(context.Background()); err != nil {
		s.T.Fatal(err)
	}
	if err := client.Await(context.Background(), holdfast.Registered); err != nil {
		s.T.Error(err)
	}
	if err := client.Close(context.Background()); err != nil {
		s.T.Error(err)
	}
}

// Code 5: there is nothing to de-register. Close tears down all the same, at
// once, and says so.
func playCloseWithoutRegistration(s *scene) {
	if s.at == matrix.Start {
		s.playCloseBeforeStart()
		return
	}
	s.reach()
	began := time.Now()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.client.ExpectClose(holdfast.ErrNotRegistered)
	}()
	if s.at == matrix.BootstrapPersisting { // the store is held, which the client waits for
		synctest.Wait()
		s.held.open(nil)
	}
	<-closed
	if took := time.Since(began); took > 5*time.Second {
		s.T.Errorf("Close took %v", took)
	}
	if s.at == matrix.Closing { // the first Close said good-bye, and the events ended with it
		if err := <-s.closing; err != nil {
			s.T.Errorf("the first Close: %v", err)
		}
	} else if e := s.expectError(); e.Phase != "close" || !e.NextAttempt.IsZero() {
		s.T.Errorf("%+v", e)
	}
	s.comeBack()
}

func (s *scene) playCloseBeforeStart() {
	client, err := holdfast.New(s.cfg, lwm2mtest.WithTransport(s.Gateway))
	if err != nil {
		s.T.Fatal(err)
	}
	if err := client.Close(context.Background()); !errors.Is(err, holdfast.ErrNotRegistered) {
		s.T.Errorf("Close: %v", err)
	}
	s.launch()
	s.client.WaitFor(holdfast.Registered)
	s.finish()
}

// Code 14: the server refuses the good-bye; the client is torn down all the
// same.
func playRefusedGoodbye(s *scene) {
	s.reach()
	if err := <-s.closing; !errors.Is(err, holdfast.ErrUnregistration) {
		s.T.Errorf("Close: %v", err)
	}
	if e := s.expectError(); e.Phase != "close" || e.Action != holdfast.ActionNone || e.CoAP != "5.00" {
		s.T.Errorf("%+v", e)
	}
	s.comeBack()
}

// Code 3, from the configuration: no packet leaves, and nothing is tried until
// it is corrected.
func playInvalidConfiguration(s *scene) {
	before := len(s.Network.Packets())
	wrong := s.cfg
	wrong.Server = &holdfast.Account{URI: `coaps:\\192.0.2.1`, Security: holdfast.SecurityPSK, PSKIdentity: systemtest.Endpoint, PSKKey: systemtest.Key}
	_, err := holdfast.New(wrong, lwm2mtest.WithTransport(s.Gateway))
	if !errors.Is(err, holdfast.ErrInvalidParameters) {
		s.T.Errorf("New: %v", err)
	}
	systemtest.CheckSecrets(s.T, err.Error())
	s.patient()
	if n := len(s.Network.Packets()) - before; n != 0 {
		s.T.Errorf("%d packets left", n)
	}
	s.launch()
	s.client.WaitFor(holdfast.Registered)
	s.finish()
}

// Code 16, outside of a bootstrap: a factory reset that the store refuses
// changes nothing.
func playUnstorableReset(s *scene) {
	s.launch()
	s.client.WaitFor(holdfast.Registered)
	synctest.Wait() // the state of the registration is written
	before := s.records()
	mend := s.breakDirectory()
	if err := s.client.FactoryReset(context.Background()); !errors.Is(err, holdfast.ErrStoreCredentials) {
		s.T.Errorf("FactoryReset: %v", err)
	}
	mend()
	if e := s.expectError(); e.Phase != "store" || e.Action != holdfast.ActionUser {
		s.T.Errorf("%+v", e)
	}
	s.sameRecords(before)
	s.demandAnswer()
	s.Server.Behave()
	if err := s.client.FactoryReset(context.Background()); err != nil {
		s.T.Errorf("FactoryReset: %v", err)
	}
	s.client.Next(holdfast.EventRegistered)
	s.finish()
}
