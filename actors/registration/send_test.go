package registration

import (
	"slices"
	"testing"

	"github.com/holdfast-iot/holdfast/messages"
)

// post has a Send sent and returns its request.
func (d *driver) post(id uint64) messages.Request {
	d.t.Helper()
	d.step(messages.PostSend{Epoch: testEpoch, ID: id, Format: messages.FormatSenMLCBOR, Payload: []byte("x")})
	return d.request
}

// lastTold is what the supervisor was told last.
func (d *driver) lastTold() any { return d.told[len(d.told)-1] }

// A Send goes below the path of the server, beside the requests of the registration, and
// its answer is its own.
func TestSend(t *testing.T) {
	d := registered(t)
	r := d.post(5)
	if got := describe(r); got != "0.02 /dp?aid=42 x" || *r.ContentFormat != messages.FormatSenMLCBOR {
		t.Fatalf("it sends %s in %d", got, *r.ContentFormat)
	}
	d.step(messages.SendUpdate{Epoch: testEpoch})
	update := d.request
	d.step(messages.Response{Epoch: testEpoch, ID: r.ID, Code: messages.Changed})
	if got := d.lastTold(); got != (messages.SendAnswered{Epoch: testEpoch, ID: 5, Code: messages.Changed}) {
		t.Errorf("%+v", got)
	}
	d.want(Updating)
	d.step(messages.Response{Epoch: testEpoch, ID: update.ID, Code: messages.Changed})
	d.want(Registered)
	if told := len(d.told); len(d.step(messages.Response{Epoch: testEpoch, ID: r.ID, Code: messages.Changed})) > 0 || len(d.told) != told {
		t.Error("a second answer counts")
	}
}

// An error of the server is the Send's alone, and its words reach the application.
func TestSendThatIsRefused(t *testing.T) {
	d := registered(t)
	r := d.post(5)
	d.step(messages.Response{Epoch: testEpoch, ID: r.ID, Code: messages.NotFound, Payload: []byte("who")})
	if got := d.lastTold(); got != (messages.SendAnswered{Epoch: testEpoch, ID: 5, Refusal: messages.SendRefused, Code: messages.NotFound, Detail: "who"}) {
		t.Errorf("%+v", got)
	}
	d.want(Registered)
}

// A freshness challenge is answered once.
func TestSendThatIsChallenged(t *testing.T) {
	d := registered(t)
	first := d.post(5)
	challenge := messages.Response{Epoch: testEpoch, ID: first.ID, Code: messages.Unauthorized, Echo: []byte{7}}
	d.step(challenge)
	again := d.request
	if again.ID == first.ID || !slices.Equal(again.Echo, []byte{7}) || string(again.Payload) != "x" {
		t.Fatalf("%+v", again)
	}
	challenge.ID = again.ID
	d.step(challenge)
	if got := d.lastTold().(messages.SendAnswered); got.Refusal != messages.SendRefused || got.Code != messages.Unauthorized {
		t.Errorf("%+v", got)
	}
}

// Silence means what it means after an Update: the link is given up, and an attempt on a
// new one follows. Other ways to fail are the Send's alone.
func TestSendWithoutAnAnswer(t *testing.T) {
	for reason, want := range map[messages.RequestFailure]messages.SendRefusal{
		messages.Exhausted: messages.SendSilent, messages.QueueFull: messages.SendBusy, messages.Reset: messages.SendRefused,
	} {
		d := registered(t)
		r := d.post(5)
		d.step(messages.RequestFailed{Epoch: testEpoch, ID: r.ID, Reason: reason})
		if !slices.Contains(d.told, any(messages.SendAnswered{Epoch: testEpoch, ID: 5, Refusal: want, Detail: reason.String()})) {
			t.Errorf("%v: %+v", reason, d.told)
		}
		if reason != messages.Exhausted {
			d.want(Registered)
			continue
		}
		d.want(Done)
		if f := d.failure(); f.Failure.Class != messages.ClassSilence {
			t.Errorf("%+v", f)
		}
	}
}

// A Send without an answer does not hold up the De-register.
func TestSendMakesWayForDeregister(t *testing.T) {
	d := registered(t)
	r := d.post(5)
	d.step(messages.Deregister{Epoch: testEpoch})
	if !slices.Equal(d.told[1:], []any{ // behind Registered
		messages.Cancel{Epoch: testEpoch, ID: r.ID}, messages.SendAnswered{Epoch: testEpoch, ID: 5, Refusal: messages.SendSilent},
	}) {
		t.Errorf("%+v", d.told)
	}
	d.want(Deregistering)
}

// A server that has not registered us, or has put us off, gets nothing.
func TestSendOutOfTurn(t *testing.T) {
	d := newDriver(t)
	d.begin(nil)
	d.linkUp()
	d.post(5)
	if got := d.lastTold(); got != (messages.SendAnswered{Epoch: testEpoch, ID: 5, Refusal: messages.SendNotRegistered}) {
		t.Errorf("%+v", got)
	}
	d = registered(t)
	d.step(messages.SendUpdate{Epoch: testEpoch})
	d.answer(messages.ServiceUnavailable)
	d.want(Deferred)
	d.post(6)
	if got := d.lastTold(); got != (messages.SendAnswered{Epoch: testEpoch, ID: 6, Refusal: messages.SendPaused}) {
		t.Errorf("%+v", got)
	}
}
