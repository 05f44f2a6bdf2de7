package supervisor

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// A management server may ask for another certificate of its account (object 35011). That is
// a renewal like any other, ahead of its time.

// The refusals begin with the status that the resource of the reference client would have.
var (
	renewalStopping = &refusal{messages.ServiceUnavailable, "0x0510: the client is not registered with this server"}
	renewalClock    = &refusal{messages.ServiceUnavailable, "0x0500: the clock of the device is wrong"}
	renewalBusy     = &refusal{messages.ServiceUnavailable, "0x0505: a renewal is under way, or waits for its time after a failure"}
	renewalNothing  = &refusal{messages.NotFound, "0x0504: there is no certificate of this account that can be renewed"}
)

// renewalAsked takes a server's wish, and answers it.
func (m *Machine) renewalAsked(now time.Time, in messages.RenewCertificate) {
	answer := messages.RenewalJudged{Epoch: in.Epoch, ID: in.ID, Code: messages.Changed}
	if refused := m.askRenewal(now, m.live(in.Epoch)); refused != nil {
		answer.Code, answer.Detail = refused.code, refused.detail
	}
	m.do(core.Tell{To: core.Management, Message: answer})
}

// askRenewal has the certificate of an account renewed, whatever its age. The first time it
// begins at once; a server that asks again and again is held to the distances of bootstraps
// that servers ask for, and shares them.
func (m *Machine) askRenewal(now time.Time, a *account) *refusal {
	switch {
	case a == nil || a.stage != stageRegistered || m.stop != nil || m.paused:
		return renewalStopping
	case !m.renewable(a):
		return renewalNothing
	}
	clock := m.clock(now)
	switch r := a.renewal; {
	case clock.Wrong() || clock.Now.Before(r.begins):
		return renewalClock
	case m.renewsNow(now, a):
		return renewalBusy
	default:
		r.asked, r.notBefore = true, now.Add(m.rates.trigger(now, m.config.Policy, 0))
	}
	return nil
}

// renewable reports whether there is who would renew the certificate of an account.
func (m *Machine) renewable(a *account) bool {
	switch {
	case a.renewal == nil:
		return false
	case a.Enrols:
		_, ok := m.enrolmentServer()
		return ok
	}
	return m.bootstrapAccount() != nil
}

// renewsNow reports whether something is done about the certificate of an account, or will
// be after a failure.
func (m *Machine) renewsNow(now time.Time, a *account) bool {
	r := a.renewal
	if r.asked || r.next != nil || r.link != 0 || r.storing || now.Before(r.notBefore) {
		return true
	}
	return !a.Enrols && (m.renewing || m.bootstrapAccount().attempting())
}
