package bootstrap

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/outcome"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

func reply(t *testing.T, effects []core.Effect) messages.Reply {
	t.Helper()
	for _, e := range effects {
		if tell, ok := e.(core.Tell); ok {
			if r, ok := tell.Message.(messages.Reply); ok {
				return r
			}
		}
	}
	t.Fatalf("no reply in %v", effects)
	return messages.Reply{}
}

func failure(t *testing.T, effects []core.Effect) messages.Failure {
	t.Helper()
	for _, e := range effects {
		if tell, ok := e.(core.Tell); ok {
			if f, ok := tell.Message.(messages.Failed); ok {
				return f.Failure
			}
		}
	}
	t.Fatalf("no failure in %v", effects)
	return messages.Failure{}
}

func at(in messages.Inbound) messages.Inbound {
	in.Epoch = epoch
	return in
}

// What belongs to another link is dropped without an effect.
func TestOtherEpochsAreDropped(t *testing.T) {
	for name, in := range map[string]any{
		"LinkUp":        messages.LinkUp{Epoch: epoch - 1},
		"LinkLost":      messages.LinkLost{Failure: messages.Failure{Epoch: epoch - 1}},
		"Response":      messages.Response{Epoch: epoch - 1, ID: 1, Code: messages.BadRequest},
		"RequestFailed": messages.RequestFailed{Epoch: epoch - 1, ID: 1},
		"Inbound":       messages.Inbound{Epoch: epoch - 1, Code: messages.DELETE},
		"unknown":       struct{}{},
	} {
		m := opened(t, "1.1", factoryTree())
		if effects := m.Step(start, in); len(effects) > 0 || m.State() != Open {
			t.Errorf("%s: %v", name, effects)
		}
	}
}

// The failure carries whose it is.
func TestFailureIsComplete(t *testing.T) {
	m := opened(t, "1.1", factoryTree())
	alert := uint8(42)
	f := failure(t, m.Step(start, messages.LinkLost{Failure: messages.Failure{
		Class: messages.ClassAlert, Phase: messages.PhaseRegister, Peer: messages.ManagementPeer(9), Epoch: epoch, Alert: &alert,
	}}))
	if f.Class != messages.ClassAlert || f.Phase != messages.PhaseBootstrap || f.Peer != messages.BootstrapPeer() || f.Epoch != epoch || *f.Alert != alert {
		t.Errorf("got %+v", f)
	}
}

func TestRequestFailures(t *testing.T) {
	for reason, want := range map[messages.RequestFailure]messages.Class{
		messages.Reset: messages.ClassReset, messages.TooLarge: messages.ClassBudget,
		messages.QueueFull: messages.ClassBudget, messages.Unsendable: messages.ClassBudget, messages.Broken: messages.ClassBadAnswer,
	} {
		m := New(Config{})
		m.Step(start, begin("1.1", bareTree()))
		m.Step(start, messages.LinkUp{Epoch: epoch})
		f := failure(t, m.Step(start, messages.RequestFailed{Epoch: epoch, ID: 1, Reason: reason}))
		if f.Class != want {
			t.Errorf("%v: %v", reason, f.Class)
		}
	}
}

// Resends that end with the budget are not followed by another exchange.
func TestExhaustedAtTheDeadline(t *testing.T) {
	m := New(Config{})
	m.Step(start, begin("1.1", bareTree()))
	m.Step(start, messages.LinkUp{Epoch: epoch})
	f := failure(t, m.Step(start.Add(budget), messages.RequestFailed{Epoch: epoch, ID: 1, Reason: messages.Exhausted}))
	if f.Class != messages.ClassTimeout {
		t.Errorf("got %v", f.Class)
	}
}

// What the link waits for its turn to shake hands is no time of the attempt, nor of the
// session.
func TestWaitForAHandshakeDoesNotCount(t *testing.T) {
	m := New(Config{Longest: time.Hour})
	m.Step(start, begin("1.1", bareTree()))
	if effects := m.Step(start, messages.Postponed{Epoch: epoch + 1, By: time.Hour}); effects != nil {
		t.Errorf("another link: %v", effects)
	}
	effects := m.Step(start, messages.Postponed{Epoch: epoch, By: time.Minute})
	if timer := effects[0].(core.SetTimer); timer.After != budget+time.Minute+outcome.ConnectGrace {
		t.Errorf("timer %v", timer)
	}
	if want := start.Add(time.Hour + time.Minute); !m.end.Equal(want) {
		t.Errorf("the session ends at %v, want %v", m.end, want)
	}
}

// One address among several has a share of the budget.
func TestLinkUpShortensTheBudget(t *testing.T) {
	m := New(Config{})
	m.Step(start, begin("1.1", bareTree()))
	effects := m.Step(start.Add(time.Second), messages.LinkUp{Epoch: epoch, Deadline: start.Add(time.Minute)})
	if timer := effects[0].(core.SetTimer); timer.After != 59*time.Second {
		t.Errorf("timer %v", timer)
	}
}

// The silence is configurable, for other CoAP parameters.
func TestSilenceIsConfigurable(t *testing.T) {
	m := New(Config{Silence: 42 * time.Second})
	m.Step(start, begin("1.1", bareTree()))
	m.Step(start, messages.LinkUp{Epoch: epoch})
	for _, e := range m.Step(start, messages.Response{Epoch: epoch, ID: 1, Code: messages.Changed}) {
		if timer, ok := e.(core.SetTimer); ok && timer.After != 42*time.Second {
			t.Errorf("timer %v", timer)
		}
	}
}

// /1/x/12 is the time of the Finish, in every Server instance.
func TestLastBootstrapped(t *testing.T) {
	m := opened(t, "1.1", factoryTree())
	when := start.Add(90 * time.Second)
	m.Step(when, at(inbound(messages.POST, "/bs")))
	effects := m.Step(when.Add(time.Second), core.Persisted{Token: m.finish})
	tree := effects[1].(core.Tell).Message.(messages.Bootstrapped).Tree
	if v, _ := tree.Value(mustPath("/1/0/12")); v != lwm2m.Time(when) {
		t.Errorf("got %v", v)
	}
}

// The answer to Finish is not in the batch that stores: it waits for the disk.
func TestPersistBeforeAnswer(t *testing.T) {
	m := opened(t, "1.1", factoryTree())
	effects := m.Step(start, at(inbound(messages.POST, "/bs")))
	persist, last := effects[len(effects)-1].(core.Persist)
	if !last || persist.Record != messages.RecordCredentials {
		t.Fatalf("effects %v", effects)
	}
	stored, err := accounts.Decode(persist.Data)
	if err != nil {
		t.Fatal(err)
	}
	if wrong := m.Step(start, core.Persisted{Token: persist.Token + 1}); len(wrong) > 0 {
		t.Errorf("another token: %v", wrong)
	}
	effects = m.Step(start, core.Persisted{Token: persist.Token})
	if r := effects[0].(core.Tell).Message.(messages.Reply); r.Code != messages.Changed {
		t.Errorf("answered %v", r.Code)
	}
	if done := effects[1].(core.Tell).Message.(messages.Bootstrapped); !done.Tree.Equal(stored) {
		t.Error("the supervisor gets another tree than the store")
	}
}

func TestPersistFailureKeepsItsCause(t *testing.T) {
	m := opened(t, "1.1", factoryTree())
	m.Step(start, at(inbound(messages.POST, "/bs")))
	cause := errors.New("disk full")
	f := failure(t, m.Step(start, core.PersistFailed{Token: m.finish, Err: cause}))
	if f.Class != messages.ClassStoreWrite || !errors.Is(&f, cause) {
		t.Errorf("got %v", f)
	}
}

// Some servers add a query to Finish.
func TestFinishWithQuery(t *testing.T) {
	m := opened(t, "1.1", factoryTree())
	in := at(inbound(messages.POST, "/bs"))
	in.Query = []string{"iep=0123"}
	m.Step(start, in)
	if m.State() != Persisting {
		t.Errorf("state %v", m.State())
	}
}

// An own certificate that has expired by now is refused at Finish.
func TestFinishRefusesAnExpiredCertificate(t *testing.T) {
	tree := x509Tree(t)
	m := opened(t, "1.1", tree)
	late := start.Add(20 * 365 * 24 * time.Hour)
	if r := reply(t, m.Step(late, at(inbound(messages.POST, "/bs")))); r.Code != messages.NotAcceptable {
		t.Errorf("answered %v", r.Code)
	}
	if m.Step(start, at(inbound(messages.POST, "/bs"))); m.State() != Persisting {
		t.Errorf("state %v", m.State())
	}
}

func TestStateNames(t *testing.T) {
	for s, want := range map[State]string{Idle: "idle", Persisting: "persisting", Failed: "failed", Failed + 1: "invalid"} {
		if s.String() != want {
			t.Errorf("%d is %q", s, s)
		}
	}
}

// A timer that no state waits for does nothing.
func TestTimersOfOtherStates(t *testing.T) {
	m := opened(t, "1.1", factoryTree())
	for _, timer := range []core.Timer{timerAttempt, {Name: "another"}} {
		if effects := m.Step(start, core.Expired{Timer: timer}); len(effects) > 0 || m.State() != Open {
			t.Errorf("%s: %v", timer, effects)
		}
	}
}
