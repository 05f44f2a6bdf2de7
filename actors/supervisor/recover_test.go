package supervisor

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/messages"
)

// We are not registered with a server that has forgotten us.
func TestRefusedRegistrationIsNotReportedAsRegistered(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.report(server(1), rejectedWith(messages.NotFound, messages.PhaseUpdate), true)
	if d.machine.state != messages.StateWaiting {
		t.Errorf("state %s", d.machine.state)
	}
	d.wait(server(1))
	if d.machine.state != messages.StateRegistering {
		t.Errorf("state %s", d.machine.state)
	}
	d.step(messages.Stop{Deadline: d.now.Add(5 * time.Second)})
	if d.stopped == nil || d.stopped.Code != messages.ConnectNotRegistered {
		t.Fatalf("%+v", d.stopped)
	}
}

// What a server asked for is kept when its link is lost meanwhile, or when
// another address could be tried.
func TestFloorOutlivesTheLink(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.progressTo(server(1), "192.0.2.1:5684", "192.0.2.2:5684")
	d.step(messages.Progress{Epoch: d.epoch(server(1)), Stage: messages.StageUp})
	busy := rejectedWith(messages.ServiceUnavailable, messages.PhaseUpdate)
	busy.MaxAge = new(time.Hour)
	d.report(server(1), busy, true)
	d.now = d.now.Add(time.Minute)
	e := d.fail(server(1), refused)
	checkEvent(t, e, messages.ConnectNetworkError, 2, messages.ActionRetry, 59*time.Minute)
	d.step(messages.NetworkUp{})
	if got := d.wait(server(1)); got != 59*time.Minute {
		t.Fatalf("waited %v", got)
	}
}

// Silence while a floor is pending waits for it, too: no ladder.
func TestLadderKeepsTheFloor(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	busy := rejectedWith(messages.TooManyRequests, messages.PhaseUpdate)
	busy.MaxAge = new(time.Hour)
	d.report(server(1), busy, true)
	e := d.fail(server(1), messages.Failure{Class: messages.ClassSilence, Phase: messages.PhaseRegistered})
	checkEvent(t, e, messages.ConnectNetworkError, 2, messages.ActionRetry, time.Hour)
}

// Row 12: without a bootstrap server only new files can help, so they are read.
func TestOwnCertificateIsReadAnewWhereNoBootstrapCanReplaceIt(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	expired := messages.Failure{Class: messages.ClassOwnCertificate, Phase: messages.PhaseRegister}
	checkEvent(t, d.fail(server(1), expired), messages.ConnectSecureConnectionFailed, 1, messages.ActionRetry, testR0)
	d.wait(server(1))
	renewed := serverAccount(t, server(1), 0)
	renewed.Credentials.Identity = "renewed"
	d.factory = accounts.ToTree([]messages.Account{renewed})
	d.loaded(nil, nil)
	if b := lastOrder[messages.BeginRegistration](d); b.Account.Credentials.Identity != "renewed" {
		t.Fatal("the corrected credentials were not read")
	}
}

// Row 12: two refused handshakes ask for new credentials; an alert is
// forgeable, so the Location is kept until the new ones are stored.
func TestRefusedHandshakesKeepTheLocation(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.register(server(1))
	alerted := messages.Failure{Class: messages.ClassCredentialsRefused, Phase: messages.PhaseUpdate, Alert: new(uint8(115))}
	d.fail(server(1), alerted)
	d.wait(server(1))
	if e := d.fail(server(1), alerted); e.Action != messages.ActionBootstrap {
		t.Fatalf("%+v", e)
	}
	d.wait(server(1))
	d.fail(messages.BootstrapPeer(), bootstrapRefused)
	d.wait(server(1))
	if b := lastOrder[messages.BeginRegistration](d); b.Mode != messages.ModeUpdate {
		t.Fatal("the alerts cost the Location")
	}
}
