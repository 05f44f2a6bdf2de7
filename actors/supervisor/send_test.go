package supervisor

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// send asks for a Send to a server, 0 for all.
func (d *driver) send(server uint16) {
	d.t.Helper()
	d.step(messages.SendRequest{Server: server, Paths: []lwm2m.Path{lwm2m.PathOf(3)}, Answer: make(chan []messages.SendOutcome, 1)})
}

// unmuted brings a server to where it is registered and has allowed Sends.
func (d *driver) unmuted(id messages.Peer) {
	d.t.Helper()
	d.register(id)
	d.mute(id, false)
}

// mute has a server write its Mute Send.
func (d *driver) mute(id messages.Peer, muted bool) {
	d.t.Helper()
	instance := d.machine.accounts.of(id).ServerInstance
	d.expectWritten(d.put(id, lwm2m.PathOf(1, instance, 23).String(), lwm2m.Boolean(muted)), messages.Changed)
}

// posts are the Sends that registration was asked for.
func (d *driver) posts() (all []messages.PostSend) {
	for _, o := range d.orders {
		if p, is := o.Message.(messages.PostSend); is {
			all = append(all, p)
		}
	}
	return all
}

// wantSends demands the outcomes of all Sends so far.
func (d *driver) wantSends(want ...messages.SendOutcome) {
	d.t.Helper()
	if !slices.Equal(d.sends, want) {
		d.t.Fatalf("got %+v, want %+v", d.sends, want)
	}
}

// The content comes from management, the request goes to registration, and its answer to
// the application.
func TestSend(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 1))
	d.unmuted(server(1))
	d.send(1)
	d.step(messages.SendCollected{ID: 1, Format: messages.FormatSenMLCBOR, Payload: []byte("x")})
	d.wantSends()
	if posts := d.posts(); len(posts) != 1 || string(posts[0].Payload) != "x" || posts[0].Format != messages.FormatSenMLCBOR {
		t.Fatalf("%+v", posts)
	}
	d.step(messages.SendAnswered{Epoch: d.epoch(server(1)), ID: 1, Code: messages.Changed})
	d.wantSends(messages.SendOutcome{Peer: server(1), Code: messages.Changed})
	d.step(messages.SendAnswered{Epoch: d.epoch(server(1)), ID: 1, Code: messages.Changed})
	d.wantSends(messages.SendOutcome{Peer: server(1), Code: messages.Changed})
}

// Who cannot get a Send is named, with why.
func TestSendThatIsNotPossible(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 1))
	d.send(0)
	d.send(1)
	d.send(7)
	none := messages.SendNotRegistered
	want := []messages.SendOutcome{{Peer: messages.ManagementPeer(0), Refusal: none}, {Peer: server(1), Refusal: none}, {Peer: server(7), Refusal: none}}
	d.wantSends(want...)

	d.register(server(1))
	d.send(1)
	want = append(want, messages.SendOutcome{Peer: server(1), Refusal: messages.SendMuted})
	d.wantSends(want...)

	d.mute(server(1), true)
	d.send(1)
	want = append(want, messages.SendOutcome{Peer: server(1), Refusal: messages.SendMuted})
	d.wantSends(want...)

	d.mute(server(1), false)
	d.machine.accounts.of(server(1)).registration.Version = "1.0"
	d.send(1)
	want = append(want, messages.SendOutcome{Peer: server(1), Refusal: messages.SendVersion})
	d.wantSends(want...)

	d.machine.accounts.of(server(1)).registration.Version = "1.1"
	d.machine.accounts.of(server(1)).pending.floor = d.now.Add(time.Minute)
	d.send(1)
	d.wantSends(append(want, messages.SendOutcome{Peer: server(1), Refusal: messages.SendPaused})...)
}

// One answer for all servers, when the last of them has answered.
func TestSendToAllServers(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 1), serverAccount(t, server(2), 2))
	d.unmuted(server(1))
	d.unmuted(server(2))
	d.send(0)
	d.step(messages.SendCollected{ID: 1, Payload: []byte("x")})
	d.step(messages.SendCollected{ID: 2, Refusal: messages.SendNothing})
	d.wantSends()
	d.step(messages.SendAnswered{Epoch: d.epoch(server(1)), ID: 1, Refusal: messages.SendRefused, Code: messages.NotFound, Detail: "why"})
	d.wantSends(messages.SendOutcome{Peer: server(2), Refusal: messages.SendNothing},
		messages.SendOutcome{Peer: server(1), Refusal: messages.SendRefused, Code: messages.NotFound, Detail: "why"})
}

// What is under way ends with the link, and with the management actor that was to read it.
func TestSendsThatAreLost(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 1))
	d.unmuted(server(1))
	d.send(1)
	d.step(messages.SendCollected{ID: 1, Payload: []byte("x")})
	d.send(1)
	d.step(Crashed{Role: core.Management})
	d.fire(respawnTimer(core.Management))
	crashed := messages.SendOutcome{Peer: server(1), Refusal: messages.SendUnreadable, Detail: "management has crashed"}
	d.wantSends(crashed)
	d.fail(server(1), messages.Failure{Class: messages.ClassSilence, Phase: messages.PhaseRegistered})
	d.wantSends(crashed, messages.SendOutcome{Peer: server(1), Refusal: messages.SendSilent, Detail: "the link was lost"})
}

// The Sends under way have a bound.
func TestSendsAreBounded(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 1))
	d.unmuted(server(1))
	for range maxSends + 1 {
		d.send(1)
	}
	d.wantSends(messages.SendOutcome{Peer: server(1), Refusal: messages.SendBusy})
}
