package supervisor

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// What an attempt waits for at present is kept for the people who ask, and decides
// nothing.

// handshaking takes how far the handshake of an account has come.
func (m *Machine) handshaking(in messages.HandshakeStep) {
	if a := m.live(in.Epoch); a != nil && a.stage == stageConnecting {
		a.attempt.step = messages.Step{Sent: in.Sent, Since: in.Since, Last: in.Last, Resent: in.Resent, Heard: in.Heard}
	}
}

// requesting takes how far a request of an account has come.
func (m *Machine) requesting(now time.Time, in messages.RequestStep) {
	a := m.live(in.Epoch)
	if a == nil {
		return
	}
	step := messages.Step{Sent: a.sends(in), Since: now, Last: now, Resent: in.Resent, Heard: in.Heard}
	if before := a.attempt.step; before.Sent == step.Sent && (in.Resent > 0 || in.Heard != messages.HeardNothing) {
		step.Since = before.Since
		if in.Heard != messages.HeardNothing {
			step.Last = before.Last
		}
	}
	a.attempt.step = step
}

// sends names a request of an account.
func (a *account) sends(in messages.RequestStep) messages.Sent {
	switch {
	case a.bootstrap():
		return messages.SentBootstrapRequest
	case in.Code == messages.DELETE:
		return messages.SentDeregister
	case a.registration != nil && slices.Equal(in.Path, a.registration.Location):
		return messages.SentUpdate
	}
	return messages.SentRegister
}

// answered notes that nothing is waited for any more.
func (a *account) answered() { a.attempt.step = messages.Step{} }

// attemptStatus returns how far the present attempt has come, and of a registered
// client what it waits for; nil where nothing is waited for.
func (a *account) attemptStatus() *messages.AttemptStatus {
	waits := a.attempt.step != messages.Step{}
	if a.epoch == 0 || !a.attempting() && !waits {
		return nil
	}
	s := &messages.AttemptStatus{Host: a.URI.Host, Security: a.Credentials.Mode, Step: a.attempt.step}
	if a.attempting() {
		s.Began, s.Deadline = a.attempt.began, a.attempt.deadline
	}
	if a.stage != stageResolving {
		s.Address = a.attempt.chosen
	}
	return s
}
