package supervisor

import (
	"errors"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

var errNoNewer = errors.New("the bootstrap server has delivered no certificate that lasts longer")

// openRenewal opens a link of its own: to ask for another certificate, or to see whether the
// server takes the new one. The registration goes on meanwhile.
func (m *Machine) openRenewal(now time.Time, a *account) {
	r := a.renewal
	r.attempt = r.attempt.next(now.Add(m.config.Budget))
	m.spawnRenewal(now, a)
}

// spawnRenewal starts an incarnation within the present attempt, towards the address after
// the one that was tried last. A server that completes a handshake has verified our
// certificate.
func (m *Machine) spawnRenewal(now time.Time, a *account) {
	r := a.renewal
	r.link = m.memory.nextEpoch()
	end := r.attempt.share(now)
	begin := messages.BeginEnrolment{Epoch: r.link, Deadline: end, Prove: true}
	connect := messages.Connect{URI: a.URI, Addresses: r.attempt.addresses, After: r.attempt.chosen}
	if r.next != nil {
		connect.Credentials = *r.next
	} else {
		begin.Prove, begin.Present, begin.Request = false, a.Credentials.Certificate[0], r.request
		connect.URI, connect.Credentials = m.reenrolment(a)
	}
	m.spawnEnrolment(a, begin, connect)
	m.do(core.SetTimer{Timer: renewGuardTimer(a.Peer), After: r.attempt.deadline.Sub(now) + guardGrace})
}

// spawnEnrolment starts the actors of a link for the certificate of an account.
func (m *Machine) spawnEnrolment(a *account, begin messages.BeginEnrolment, connect messages.Connect) {
	peer, epoch := messages.EnrolmentPeer(a.Peer.ID), begin.Epoch
	begin.Peer, begin.Endpoint, begin.Known = peer, m.config.Endpoint, m.known()
	connect.Peer, connect.Epoch, connect.Deadline, connect.Known = peer, epoch, begin.Deadline, begin.Known
	m.do(
		Spawn{Peer: peer, Epoch: epoch, FirstMID: m.takeMessageIDs(peer)},
		Order{Epoch: epoch, To: core.Owner, Message: begin},
		Order{Epoch: epoch, To: core.Network, Message: connect},
	)
}

// renewalProgress takes how far the link for a certificate has come.
func (m *Machine) renewalProgress(in messages.Progress) {
	if a := m.renewalOver(in.Epoch); a != nil && in.Stage == messages.StageConnecting {
		a.renewal.attempt.connecting(in.Addresses, in.Chosen)
	}
}

// proven has an account use the credentials that its server has accepted: on a new link, by
// an Update where the server knows it.
func (m *Machine) proven(now time.Time, in messages.Proven) {
	a := m.renewalOver(in.Epoch)
	if a == nil || m.stop != nil {
		return
	}
	m.leaveRenewal(a)
	m.takeOver(now, a)
}

// takeOver puts the new credentials of an account into use.
func (m *Machine) takeOver(now time.Time, a *account) {
	acct := *a.Account
	acct.Credentials, a.renewal.next, a.renewal.asked = *a.renewal.next, nil, false
	m.use(a, acct)
	m.lasts(now, a)
	m.tookOver(a)
	m.renewedEvent(a)
	if a.stage == stageRegistered && a.pending.due.IsZero() {
		m.begin(now, a)
	}
}

func (m *Machine) renewedEvent(a *account) {
	m.do(Emit{Event: messages.Event{Type: messages.EventCredentialsRenewed, Server: a.server(), Expires: a.expires.UTC()}})
}

// lasts begins the count of failures anew, unless the new certificate is to be renewed
// sooner than the policy has it: then that has the say, and an issuer whose certificates end
// at once makes no busy loop.
func (m *Machine) lasts(now time.Time, a *account) {
	r := a.renewal
	delay := m.config.Policy.Delay(r.outage.failures)
	if r.at.Sub(m.config.Wall.At(now)) >= delay {
		r.outage.succeed()
		return
	}
	r.outage.failures++
	r.notBefore = now.Add(delay)
}

// proofFailed takes the failure of a link for a certificate. While the attempt has another
// address to try, it goes on there.
func (m *Machine) proofFailed(now time.Time, f messages.Failure) {
	a := m.renewalOver(f.Epoch)
	if a == nil || m.stop != nil {
		return
	}
	r := a.renewal
	m.leaveRenewal(a)
	r.attempt.note(f)
	if r.attempt.goesOn(now, &f) {
		m.spawnRenewal(now, a)
		return
	}
	failure := r.attempt.outcome()
	switch {
	case floorOf(&failure) == 0 && failure.Class == messages.ClassRejected:
		r.request = nil // the next one is another
	case r.next != nil && condemns(failure.Class) && r.outage.twice(&failure):
		r.next = nil // they are no good: others are asked for
		m.keepPair(a, nil)
	}
	m.renewalFailed(now, a, failure)
}

// condemns reports whether a handshake that has failed so may be the fault of the new
// credentials.
func condemns(c messages.Class) bool {
	return c == messages.ClassCredentialsRefused || slices.Contains(badHandshakes, c)
}

// renewalFailed reports a renewal that has failed, in exactly one event. What was in use
// stays in use, and the next attempt comes by the policy.
func (m *Machine) renewalFailed(now time.Time, a *account, f messages.Failure) {
	r := a.renewal
	f.Phase, f.Peer = messages.PhaseEnrolment, a.Peer
	r.outage.fail(&f)
	delay := Floored(m.config.Policy.Delay(r.outage.failures-1), floorOf(&f))
	r.notBefore = now.Add(delay)
	e := errorEvent(Lookup(&f, false), &f)
	e.Server, e.Attempt, e.Action, e.RetryInMS = a.server(), r.outage.failures, messages.ActionRetry, new(delay.Milliseconds())
	m.do(Emit{Event: e})
}

// renewalStranded gives up a link for a certificate that has said nothing.
func (m *Machine) renewalStranded(now time.Time, a *account) {
	if a.renewal != nil && a.renewal.link != 0 {
		m.proofFailed(now, messages.Failure{Class: messages.ClassUnknown, Epoch: a.renewal.link, Cause: errStranded})
	}
}
