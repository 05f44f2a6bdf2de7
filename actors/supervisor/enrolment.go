package supervisor

import (
	"errors"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

// An account with security mode 4 (EST) has its certificate from the bootstrap server, by
// enrolment (RFC 9148), for a key that was made here. The first one is asked for before the
// first Register, by the credentials of the bootstrap account, in an attempt of the account.
// Another one is asked for by the one before, beside the registration. What is durable of
// that is one record, with the pair in use and the one that has not been proven.

var errNoEnrolment = errors.New("there is no bootstrap server with security, which would enrol this device for a certificate")

// enrolmentServer returns the account of the server that enrols: the bootstrap server's.
// Without security nobody would be known there.
func (m *Machine) enrolmentServer() (b *account, ok bool) {
	b = m.bootstrapAccount()
	return b, b != nil && b.Credentials.Mode != messages.SecurityNoSec
}

// enrolsAt returns where certificates are asked for, and by which credentials. What a
// bootstrap delivers leads to the bootstrap server.
func (m *Machine) enrolsAt() (uri.URI, messages.Credentials) {
	b := m.bootstrapAccount()
	if m.config.EnrolAt == nil || !m.origin.configured() {
		return b.URI, b.Credentials
	}
	c := b.Credentials
	c.ServerName = "" // is the bootstrap server's
	return *m.config.EnrolAt, c
}

// reenrolment returns where another certificate is asked for, and by which credentials: the
// present certificate, where the server goes by certificates.
func (m *Machine) reenrolment(a *account) (uri.URI, messages.Credentials) {
	at, c := m.enrolsAt()
	if c.Mode == messages.SecurityX509 {
		c.Certificate, c.PrivateKey = a.Credentials.Certificate, a.Credentials.PrivateKey
	}
	return at, c
}

// enrol begins the attempt of an account that has no certificate yet.
func (m *Machine) enrol(now time.Time, a *account) {
	if _, ok := m.enrolmentServer(); !ok {
		m.enrolmentFailed(now, a, messages.ClassBadCredentials, errNoEnrolment)
		return
	}
	a.epoch, a.stage = m.memory.nextEpoch(), stageResolving
	a.answered()
	at, by := m.enrolsAt()
	m.spawnEnrolment(a, messages.BeginEnrolment{Epoch: a.epoch, Deadline: a.attempt.share(now), Request: a.request}, messages.Connect{
		URI: at, Credentials: by, Addresses: a.attempt.addresses, After: a.attempt.chosen,
	})
	m.do(core.SetTimer{Timer: guardTimer(a.Peer), After: a.attempt.deadline.Sub(now) + guardGrace})
}

// enrolmentFailed ends the attempt of an account for a reason of our own.
func (m *Machine) enrolmentFailed(now time.Time, a *account, class messages.Class, cause error) {
	m.recoverFrom(now, a, messages.Failure{Class: class, Phase: messages.PhaseEnrolment, Peer: a.Peer, Cause: cause}, false, 0)
}

// enrolmentRequested keeps a request, which is to be repeated as it is where the server asks
// for time.
func (m *Machine) enrolmentRequested(in messages.EnrolmentRequested) {
	if a := m.live(in.Epoch); a != nil {
		a.request = &in.Request
	}
	if a := m.renewalOver(in.Epoch); a != nil {
		a.renewal.request = &in.Request
	}
}

// enrolled takes a new certificate. It is used when it is on the disk: the first one at once,
// any other when the server has accepted it.
func (m *Machine) enrolled(now time.Time, in messages.Enrolled) {
	if m.stop != nil {
		return
	}
	pair := accounts.Pair{Key: in.Key, Chain: in.Chain}
	if a := m.live(in.Epoch); a != nil {
		m.retire(a)
		a.stage, a.request = stageResolving, nil
		m.writePair(a, accounts.Enrolled{Present: pair})
		return
	}
	if a := m.renewalOver(in.Epoch); a != nil {
		m.leaveRenewal(a)
		a.renewal.request, a.renewal.storing = nil, true
		m.keepPair(a, &pair)
	}
}

// keepPair writes down which pair is to replace the one in use; nil for none.
func (m *Machine) keepPair(a *account, next *accounts.Pair) {
	if e := m.pairsOf(a.Peer); e != nil {
		m.writePair(a, accounts.Enrolled{Present: e.Present, Next: next})
	}
}

func (m *Machine) writePair(a *account, e accounts.Enrolled) {
	e.Endpoint, e.Server = m.config.Endpoint, a.URI.String()
	d := m.durableOf(messages.EnrolmentPeer(a.Peer.ID))
	data, err := accounts.EncodeEnrolled(e)
	if err != nil {
		return // no certificate that was accepted is such
	}
	d.enrolled, d.onDisk = &e, true
	m.persist(d.peer, data)
}

// pairsOf returns what is durable of the certificate of an account; nil for nothing.
func (m *Machine) pairsOf(p messages.Peer) *accounts.Enrolled {
	if d := m.states.of(messages.EnrolmentPeer(p.ID)); d != nil {
		return d.enrolled
	}
	return nil
}

// pairAsked notes that the store was given a change of a record of an enrolment.
func (s *states) pairAsked(p messages.Peer) {
	if s.pairs == nil {
		s.pairs = map[messages.Peer]int{}
	}
	s.pairs[p]++
}

// pairAnswered notes an answer of the store, and reports whether it is not about the latest
// change.
func (s *states) pairAnswered(p messages.Peer) (later bool) {
	if s.pairs[p] > 0 {
		s.pairs[p]--
	}
	return s.pairs[p] > 0
}

// pairStored takes the disk's answer. What is not durable is not used: the pair of before
// stays, and another certificate is asked for by the policy.
func (m *Machine) pairStored(now time.Time, p messages.Peer, err error) {
	a := m.accounts.of(messages.ManagementPeer(p.ID))
	if p.Kind != messages.PeerEnrolment {
		return
	}
	d := m.durableOf(p)
	if later := m.states.pairAnswered(p); later || a == nil || m.stop != nil || !a.Enrols || d.enrolled == nil {
		return
	}
	first := a.Credentials.Mode == messages.SecurityEST
	switch r := a.renewal; {
	case first:
		m.firstStored(now, a, err)
	case !first && r != nil && r.storing:
		r.storing = false
		if err != nil {
			d.enrolled.Next = nil
			m.renewalFailed(now, a, messages.Failure{Class: messages.ClassStoreWrite, Cause: err})
			return
		}
		m.takeNext(a)
	}
}

// firstStored has an account register with its first certificate.
func (m *Machine) firstStored(now time.Time, a *account, err error) {
	begun := a.stage == stageResolving && a.epoch == 0
	switch {
	case err != nil:
		m.durableOf(messages.EnrolmentPeer(a.Peer.ID)).enrolled = nil
		if begun {
			m.enrolmentFailed(now, a, messages.ClassStoreWrite, err)
		}
		return
	case a.epoch != 0:
		return // it enrols once more: the client was paused meanwhile
	}
	m.use(a, m.withPair(*a.Account))
	m.renewedEvent(a)
	if !begun {
		return
	}
	a.attempt = a.attempt.next(now.Add(m.config.Budget))
	m.spawn(now, a)
}

// credentialsOf are those of an account with a pair.
func credentialsOf(acct *messages.Account, p accounts.Pair) messages.Credentials {
	c := acct.Credentials
	c.Mode, c.Certificate, c.PrivateKey = messages.SecurityX509, p.Chain, p.Key
	return c
}

// withPair returns an account with the certificate that it has enrolled for, if it has.
func (m *Machine) withPair(acct messages.Account) messages.Account {
	e := m.pairsOf(acct.Peer)
	if acct.Enrols && e != nil && e.Endpoint == m.config.Endpoint && e.Server == acct.URI.String() {
		acct.Credentials = credentialsOf(&acct, e.Present)
	}
	return acct
}

// takePairs takes the records of enrolments that a start has found. One that cannot be used
// costs an enrolment.
func (m *Machine) takePairs(found map[string]messages.StoredState) {
	if m.states.read {
		return
	}
	for name, stored := range found {
		id, ok := messages.EnrolmentOf(name)
		if !ok {
			continue
		}
		d := m.durableOf(messages.EnrolmentPeer(id))
		d.onDisk = true
		if e, err := accounts.DecodeEnrolled(stored.Data); err == nil && stored.Err == nil {
			d.enrolled = &e
		}
	}
}

// takeNext goes on with a pair that had not been proven when the process before ended.
func (m *Machine) takeNext(a *account) {
	e := m.pairsOf(a.Peer)
	if a.Enrols && a.renewal != nil && a.renewal.next == nil && !a.renewal.storing && e != nil && e.Next != nil {
		a.renewal.next = new(credentialsOf(a.Account, *e.Next))
	}
}

// tookOver notes that the next pair of an account is in use.
func (m *Machine) tookOver(a *account) {
	if e := m.pairsOf(a.Peer); a.Enrols && e != nil && e.Next != nil {
		m.writePair(a, accounts.Enrolled{Present: *e.Next})
	}
}

// dropRefused forgets the certificates that were the reason for a bootstrap: they have
// expired, or servers have refused them. Those accounts enrol anew.
func (m *Machine) dropRefused(before []*account) {
	for _, a := range before {
		last := a.outage.last
		if !a.Enrols || last == nil || !slices.Contains(refusedCredentials, last.Class) && last.Class != messages.ClassOwnCertificate {
			continue
		}
		m.forgetState(messages.EnrolmentPeer(a.Peer.ID))
		m.durableOf(messages.EnrolmentPeer(a.Peer.ID)).enrolled = nil
	}
}
