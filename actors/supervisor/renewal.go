package supervisor

import (
	"crypto/x509"
	"reflect"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// The certificate of an account is renewed before it expires, while the registration goes
// on: the bootstrap server is asked for another one, a handshake on a link of its own proves
// that the server takes it, and then the account connects anew with it and goes on with an
// Update. Until then the old one is in use (docs/adr/0036-renewal.md).

// RenewAt is the part of a certificate's life after which it is renewed where the
// configuration does not say.
const RenewAt = 0.9

// renewal is what is done about the end of the certificate of a management account. There is
// one where it has a certificate that can be renewed.
type renewal struct {
	// begins and ends are the validity of the certificate, at the time of at it is to be
	// renewed: by the wall clock.
	begins, ends, at time.Time
	due              time.Time // when the watch looks again, on the monotonic clock; zero for not at all
	notBefore        time.Time // nothing is tried before: the policy's delay after a failure
	asked            bool      // the server wants another certificate, whatever the time
	outage           outage    // failures since a certificate that lasts

	next    *messages.Credentials      // which no server has accepted yet; nil for none
	storing bool                       // they are on the way to the disk
	request *messages.EnrolmentRequest // for which the server has asked time; nil for none
	attempt attempt                    // to have them accepted; the present one, or the last
	link    messages.Epoch             // of its own; 0 without one
}

// Timers of a renewal.
const (
	timerRenew      = "renew"       // of an account: the time has come to look
	timerRenewGuard = "renew guard" // of an account: the link for its certificate has said nothing
)

func renewTimer(p messages.Peer) core.Timer { return core.Timer{Name: timerRenew, Key: p.Key()} }

func renewGuardTimer(p messages.Peer) core.Timer {
	return core.Timer{Name: timerRenewGuard, Key: p.Key()}
}

// watchCertificate begins to watch the certificate of an account as it is to be used.
func (m *Machine) watchCertificate(a *account) {
	leaf := leafOf(&a.Credentials)
	if !a.management() || leaf == nil {
		m.leaveRenewal(a)
		a.renewal = nil
		return
	}
	if a.renewal == nil {
		a.renewal = &renewal{}
	}
	r := a.renewal
	part := m.config.RenewAt
	if part == 0 {
		part = RenewAt
	}
	r.asked = r.asked && r.begins.Equal(leaf.NotBefore) && r.ends.Equal(leaf.NotAfter)
	r.begins, r.ends = leaf.NotBefore, leaf.NotAfter
	r.at = r.begins.Add(time.Duration(part * float64(r.ends.Sub(r.begins))))
}

// leafOf returns the own certificate of credentials; nil for none, or for one that cannot be
// read.
func leafOf(c *messages.Credentials) *x509.Certificate {
	if c.Mode != messages.SecurityX509 || len(c.Certificate) == 0 {
		return nil
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return nil
	}
	return leaf
}

// clock is what is known of the time.
func (m *Machine) clock(now time.Time) validity.Clock {
	return validity.Clock{Now: m.config.Wall.At(now), Known: m.known()}
}

// driveRenewals has each certificate renewed whose time has come. It looks at each step: the
// wall clock may have been set, an account may have registered.
func (m *Machine) driveRenewals(now time.Time) {
	if m.paused || m.stop != nil {
		return
	}
	wanted := false
	for _, a := range m.accounts {
		if a.renewal != nil {
			wanted = m.driveRenewal(now, a) || wanted
		}
	}
	if m.renewing && !wanted {
		m.renewing = false
		m.settleBootstrap()
	}
}

// driveRenewal does what is to be done about one certificate, and reports whether a bootstrap
// is to bring another one.
func (m *Machine) driveRenewal(now time.Time, a *account) (wanted bool) {
	r := a.renewal
	m.takeNext(a)
	if r.link != 0 || r.storing {
		return false
	}
	clock := m.clock(now)
	if clock.Wrong() || clock.Now.Before(r.begins) {
		m.watchAgain(now, a, time.Time{}) // a clock that is wrong renews nothing: its next step will tell
		return false
	}
	if wait := r.at.Sub(clock.Now); wait > 0 && r.next == nil && !r.asked {
		m.watchAgain(now, a, now.Add(wait))
		return false
	}
	if now.Before(r.notBefore) {
		m.watchAgain(now, a, r.notBefore)
		return r.next == nil
	}
	m.watchAgain(now, a, time.Time{})
	switch {
	case a.stage != stageRegistered: // the recovery table has the say
	case r.next != nil:
		m.openRenewal(now, a)
	case a.Enrols:
		if _, ok := m.enrolmentServer(); ok {
			m.openRenewal(now, a)
		}
	default:
		return m.renewByBootstrap(now)
	}
	return false
}

// watchTolerance is how far the wait for a renewal may be off before it is set anew: the two
// clocks never agree to the nanosecond.
const watchTolerance = time.Second

// watchAgain has the watch look again at an instant; zero for not before something happens.
func (m *Machine) watchAgain(now time.Time, a *account, at time.Time) {
	r := a.renewal
	switch {
	case at.IsZero() && r.due.IsZero():
		return
	case at.IsZero():
		m.do(core.StopTimer{Timer: renewTimer(a.Peer)})
	case !r.due.IsZero() && r.due.Sub(at).Abs() < watchTolerance:
		return
	default:
		m.do(core.SetTimer{Timer: renewTimer(a.Peer), After: at.Sub(now)})
	}
	r.due = at
}

// renewByBootstrap asks the bootstrap server for another certificate, where there is one.
func (m *Machine) renewByBootstrap(now time.Time) (wanted bool) {
	if m.bootstrapAccount() == nil {
		return false
	}
	m.renewing = true
	m.beginBootstrap(now)
	return true
}

// heirs has the accounts that go on with other credentials, and nothing else that matters
// for their registration, keep what they have until the new ones have been accepted. It
// returns them.
func (m *Machine) heirs(tree *lwm2m.Tree) (heirs []*account) {
	if !m.renewing {
		return nil
	}
	delivered, _ := accounts.FromTree(accounts.WithBootstrapOf(m.factory, tree))
	for _, acct := range delivered {
		a := m.accounts.of(acct.Peer)
		if a == nil || a.renewal == nil || a.stage != stageRegistered || a.URI.String() != acct.URI.String() || leafOf(&acct.Credentials) == nil {
			continue
		}
		a.renewal.next = nil
		if !reflect.DeepEqual(a.Credentials, acct.Credentials) {
			a.renewal.next = new(acct.Credentials)
		}
		heirs = append(heirs, a)
	}
	return heirs
}

// inherited has heirs go on after a bootstrap. One that has brought no certificate that lasts
// longer is a failure: the next comes by the policy.
func (m *Machine) inheritedBy(now time.Time, heirs []*account) {
	for _, a := range heirs {
		r := a.renewal
		if r.next == nil || !r.asked && !leafOf(r.next).NotAfter.After(r.ends) {
			r.next = nil
			m.renewalFailed(now, a, messages.Failure{Class: messages.ClassBootstrapData, Peer: a.Peer, Cause: errNoNewer})
		}
	}
}

// spared returns an account as it is to be used from now on: with the present credentials
// while those that it is to have have not been accepted.
func (a *account) spared(acct messages.Account) messages.Account {
	if r := a.renewal; r != nil && r.next != nil && reflect.DeepEqual(acct.Credentials, *r.next) {
		acct.Credentials = a.Credentials
	}
	return acct
}

// renewalOver returns the account whose link for a certificate has the epoch; nil for none.
func (m *Machine) renewalOver(epoch messages.Epoch) *account {
	for _, a := range m.accounts {
		if a.renewal != nil && epoch != 0 && a.renewal.link == epoch {
			return a
		}
	}
	return nil
}

// leaveRenewal ends what is under way for a certificate.
func (m *Machine) leaveRenewal(a *account) {
	r := a.renewal
	if r == nil {
		return
	}
	if r.link != 0 {
		m.do(Retire{Epoch: r.link}, core.StopTimer{Timer: renewGuardTimer(a.Peer)})
		r.link = 0
	}
	if !r.due.IsZero() {
		m.do(core.StopTimer{Timer: renewTimer(a.Peer)})
		r.due = time.Time{}
	}
}
