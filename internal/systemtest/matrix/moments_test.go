package matrix_test

import (
	"context"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/systemtest/matrix"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// valve is what the application offers: a value that is observed, and a resource whose
// execution takes as long as the moment lasts.
type valve struct {
	Flow  float64                     `lwm2m:"0,R"`
	Flush func(context.Context) error `lwm2m:"1,E"`
}

const (
	flowPath  = "/26241/0/0"
	flushPath = "/26241/0/1"
)

// equip gives the client an object of the application.
func (s *scene) equip() {
	valves, err := object.Of[valve](lwm2m.ObjectDef{ID: 26241, Name: "Valve", Version: "1.0"})
	if err != nil {
		s.T.Fatal(err)
	}
	s.valve, err = valves.Add(0, valve{Flow: 1, Flush: func(context.Context) error { return s.held.pass() }})
	if err != nil {
		s.T.Fatal(err)
	}
	s.cfg.Objects = []object.Object{valves}
	s.cfg.QueueMode = s.at == matrix.Asleep
}

// reachManaged leads a client that is registered to a moment at which a server manages
// it.
func (s *scene) reachManaged() {
	switch s.at {
	case matrix.Observing:
		s.observe()
	case matrix.Notifying:
		s.observe().Ignore(true)
		s.silence()
		if err := s.valve.Update(func(v *valve) { v.Flow++ }); err != nil {
			s.T.Fatal(err)
		}
	case matrix.Sending:
		s.serverWrites("/1/0/23", "0")
		s.silence()
		s.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Send, -1, lwm2mtest.Behaviour{Silent: true})
		go func() { _ = s.client.Send(context.Background(), 1, flowPath) }() // it fails by the error of the moment, or is answered after it
	case matrix.Handling:
		go func() { _, _ = s.Server.Execute(context.Background(), systemtest.Endpoint, flushPath, "") }() // the same
		s.held.await()
	case matrix.Asleep:
		time.Sleep(94 * time.Second)
		if awake, _ := s.Server.Awake(systemtest.Endpoint); awake {
			s.T.Error("it is not asleep")
		}
	case matrix.Disabled:
		s.disable()
	case matrix.Downloading:
		s.site.Client = s.client
		s.site.order(fetchFault{})
	}
}

func (s *scene) observe() *lwm2mtest.ObserveRelation {
	s.T.Helper()
	relation, answer, err := s.Server.Observe(context.Background(), systemtest.Endpoint, flowPath, messages.FormatText)
	if relation == nil || err != nil {
		s.T.Fatalf("%v, %v", answer.Code, err)
	}
	s.relation = relation
	return relation
}

// silence makes the server say nothing to Updates and Registers, where the code is about
// that.
func (s *scene) silence() {
	if s.code == holdfast.CodeTimeout {
		for _, kind := range []lwm2mtest.Kind{lwm2mtest.Update, lwm2mtest.Register} {
			s.Server.Misbehave(systemtest.Endpoint, kind, -1, lwm2mtest.Behaviour{Silent: true})
		}
	}
}

func (s *scene) serverWrites(path, text string) {
	s.T.Helper()
	got, err := s.Server.Write(context.Background(), systemtest.Endpoint, path, lwm2mtest.Replace, lwm2mtest.Content{Format: messages.FormatText, Payload: []byte(text)})
	if err != nil || got.Code != messages.Changed {
		s.T.Fatalf("%s: %v, %v", path, got.Code, err)
	}
}

// disable has the server send the client away for ten minutes.
func (s *scene) disable() {
	s.T.Helper()
	s.serverWrites("/1/0/5", "600")
	if got, err := s.Server.Execute(context.Background(), systemtest.Endpoint, "/1/0/4", ""); err != nil || got.Code != messages.Changed {
		s.T.Fatalf("%v, %v", got.Code, err)
	}
	s.client.Next(holdfast.EventDisabled)
	synctest.Wait()
}

// release lets what the server and the application hold go on.
func (s *scene) release() {
	s.held.open(nil)
	if s.relation != nil {
		s.relation.Ignore(false)
	}
	if s.at == matrix.Sending {
		s.Server.Behave()
	}
}

// demandObserved demands that what was observed still is, after the registration has
// gone on.
func (s *scene) demandObserved() {
	s.T.Helper()
	if s.relation == nil || s.bootstrapping() {
		return
	}
	if err := s.relation.Err(); err != nil {
		s.T.Errorf("the observation: %v; %s", err, s.client.Story())
		return
	}
	if err := s.valve.Update(func(v *valve) { v.Flow = 77 }); err != nil {
		s.T.Error(err)
	}
	time.Sleep(5 * time.Second)
	for last := ""; ; {
		select {
		case n, open := <-s.relation.Notifications():
			if open {
				last = string(n.Payload)
				continue
			}
		default:
		}
		if last != "77" {
			s.T.Errorf("told %q last; %s", last, s.client.Story())
		}
		return
	}
}
