package registration

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// kept is a machine whose link goes on with an earlier session, and comes up 5 s after its
// attempt began.
func kept(t *testing.T, mode messages.Mode) *driver {
	t.Helper()
	d := newDriver(t)
	d.begin(func(b *messages.BeginRegistration) {
		if b.Mode = mode; mode == messages.ModeUpdate {
			b.Previous = &messages.Registration{Location: []string{"rd", "1"}, Version: "1.1", Lifetime: 24 * time.Hour, Accepted: d.now, Objects: b.Objects}
		}
	})
	d.now = d.now.Add(5 * time.Second)
	d.step(messages.LinkUp{Epoch: testEpoch, Origin: messages.SessionKept})
	return d
}

// wantRest demands that the attempt is given up when it has lasted for so long.
func (d *driver) wantRest(after time.Duration) {
	d.t.Helper()
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if got := d.timers[timerAttempt].Sub(began); got != after {
		d.t.Errorf("given up after %v, want %v", got, after)
	}
}

// A server that does not know the session is given up after 15 s.
func TestKeptSessionIsGivenUpEarly(t *testing.T) {
	for _, mode := range []messages.Mode{messages.ModeRegister, messages.ModeUpdate} {
		d := kept(t, mode)
		d.wantRest(20 * time.Second)
		d.fire(timerAttempt)
		if f := d.failure(); f.Failure.Class != messages.ClassTimeout || f.LinkUsable {
			t.Errorf("%+v", f)
		}
	}
}

// A shorter attempt has half of its time left for a handshake.
func TestKeptSessionLeavesTimeForAHandshake(t *testing.T) {
	d := newDriver(t)
	d.begin(nil)
	d.step(messages.LinkUp{Epoch: testEpoch, Origin: messages.SessionKept, Deadline: d.now.Add(10 * time.Second)})
	d.wantRest(5 * time.Second)
}

// Once the server has shown that it knows the session, in whatever way, it has all the time
// of the attempt for what is asked of it next.
func TestKnownSessionHasTheWholeAttempt(t *testing.T) {
	echo := func(r *messages.Response) { r.Echo = []byte{1} }
	for name, test := range map[string]struct {
		mode messages.Mode
		act  func(*driver)
		want State
	}{
		"an Update is refused":                 {messages.ModeUpdate, func(d *driver) { d.answer(messages.NotFound) }, Registering},
		"an Update is rejected by RST":         {messages.ModeUpdate, func(d *driver) { d.fail(messages.Reset) }, Registering},
		"another version is asked for":         {messages.ModeRegister, func(d *driver) { d.answer(messages.PreconditionFailed) }, Registering},
		"a Register is to be shown to be new":  {messages.ModeRegister, func(d *driver) { d.answer(messages.Unauthorized, echo) }, Registering},
		"an Update is to be shown to be new":   {messages.ModeUpdate, func(d *driver) { d.answer(messages.Unauthorized, echo) }, Reconnecting},
		"a Register is acknowledged":           {messages.ModeRegister, func(d *driver) { d.step(messages.Acknowledged{Epoch: testEpoch}) }, Registering},
		"an Update is acknowledged":            {messages.ModeUpdate, func(d *driver) { d.step(messages.Acknowledged{Epoch: testEpoch}) }, Reconnecting},
		"an Update is acknowledged, and again": {messages.ModeUpdate, func(d *driver) { d.acknowledgedTwice() }, Reconnecting},
	} {
		t.Run(name, func(t *testing.T) {
			d := kept(t, test.mode)
			d.now = d.now.Add(time.Second)
			test.act(d)
			d.want(test.want)
			d.wantRest(testBudget)
		})
	}
}

func (d *driver) acknowledgedTwice() {
	d.step(messages.Acknowledged{Epoch: testEpoch})
	d.now = d.now.Add(time.Minute)
	d.step(messages.Acknowledged{Epoch: testEpoch})
}

// What puts an Update off, and what accepts it, leaves no limit.
func TestAnsweredKeptSessionHasNoLimit(t *testing.T) {
	for _, code := range []messages.CoAPCode{messages.Changed, messages.TooManyRequests, messages.ServiceUnavailable, messages.InternalServerError} {
		d := kept(t, messages.ModeUpdate)
		d.answer(code)
		if at, armed := d.timers[timerAttempt]; armed {
			t.Errorf("%v: given up at %v", code, at)
		}
		if d.step(messages.Acknowledged{Epoch: testEpoch}); !d.timers[timerAttempt].IsZero() {
			t.Errorf("%v: a late acknowledgement sets a limit", code)
		}
	}
}

// What is of another epoch, and what comes on a new session, changes nothing.
func TestAcknowledgementOfAnotherLink(t *testing.T) {
	d := kept(t, messages.ModeUpdate)
	d.step(messages.Acknowledged{Epoch: testEpoch - 1})
	d.wantRest(20 * time.Second)
	d = newDriver(t)
	d.begin(nil)
	d.linkUp()
	if lines := d.step(messages.Acknowledged{Epoch: testEpoch}); len(lines) > 0 {
		t.Errorf("%v", lines)
	}
}
