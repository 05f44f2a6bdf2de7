package property_test

import (
	"fmt"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
)

// model is the schedule that a client has to keep, as far as its events
// announce it: which attempt may begin when. It is fed with the entries of
// one life, in order, and notes what breaks the rules.
//
// It judges by what the client says and sends, and keeps no copy of its state. What
// it knows of the policy: the
// first attempt is made at once; after a failure the next one comes exactly
// when the event said; a hint ends the wait, at most once in 5 s, and never a
// wait that a server asked for; a Register follows a bootstrap at once; an
// account whose time comes while a bootstrap is under way waits for that, and
// begins at once when that fails; the account that asked for the bootstrap
// waits for its own delay once more. All attempts together keep within the
// budget of a client.
type model struct {
	plan        schedule
	m, b        track // the management account and the bootstrap account
	off         track // the bootstrap account's as it was before a bootstrap was called off
	shelf       shelf // the store
	budget      budget
	hinted      time.Time
	updateAt    time.Time // of the latest RegisterUpdate
	bootstrapAt time.Time // of the latest call of Bootstrap
	paused      bool
	resumedAt   time.Time // when the latest pause ended
	seq         uint64
	attempts    int
	faults      []string
}

// track is what the model knows of one account.
type track struct {
	name       string
	open       bool      // an attempt is under way
	opened     time.Time // when the latest attempt began
	dials      int       // of this attempt
	requests   int       // since the latest answer
	failures   uint64    // consecutive
	registered bool
	usable     bool      // the latest failure left the link in use
	due        time.Time // when the next attempt has to begin; zero when it depends on something else
	floor      time.Time // a server asked for quiet until then
	forBoot    bool      // the next attempt is a bootstrap
	ladder     bool      // the latest failure led to an attempt at once
	updated    uint64    // number of the latest event of an accepted Update
	before     uint64    // how many failures that one ended
	parked     bool      // its time came while a bootstrap was under way
	tied       time.Time // its time came when a bootstrap began: until then it waits, or for that
	later      time.Time // when its attempt has to begin unless it does when it is due
}

// Limits of one attempt: the addresses of a name, and the requests within the
// budget: an Update and the Register that follows its refusal, in two versions,
// or the exchanges of at least 62 s each that fit into 3 minutes, and one for
// what the wait for an answer ends.
const maxRequests = 8

func newModel(p schedule) *model {
	return &model{plan: p, m: track{name: "management"}, b: track{name: "bootstrap"}}
}

func (m *model) failf(e entry, format string, args ...any) {
	m.faults = append(m.faults, fmt.Sprintf("at %v, %s: ", e.at.Format("2006-01-02 15:04:05.000000"), e)+fmt.Sprintf(format, args...))
}

func (m *model) of(e entry) *track {
	if e.bootstrap {
		return &m.b
	}
	return &m.m
}

// check judges one life, which finds the store as the former one left it.
func (m *model) check(entries []entry, found memory) {
	m.shelf.memory = found
	for _, e := range entries {
		m.advance(e)
		m.step(e)
		if e.kind == entryClose {
			break
		}
	}
	if m.b.open {
		m.shelf.unknown, m.shelf.record = true, nil
	}
}

func (m *model) step(e entry) {
	switch e.kind {
	case entryStart:
		m.shelf.due = e.at
	case entryLoaded:
		m.loaded(e)
	case entrySaved:
		m.saved(e)
	case entryRefused:
		m.refused(e)
	case entryKept:
		m.shelf.mute = false
	case entryLost:
		m.lost(e)
	case entryBootstrap:
		m.bootstrapAt = e.at
	case entryLookup:
		m.attempt(e)
	case entryDial:
		m.dial(e)
	case entryRequest:
		m.request(e)
	case entryHint:
		m.hint(e)
	case entryPause:
		m.pause()
	case entryResume:
		m.resumed(e)
	case entryWoke:
		m.woke(e)
	case entryUpdate:
		m.updateAt = e.at
	case entryEvent:
		m.event(e)
	}
}

// advance lets the time pass up to an entry: what was due before has to have
// happened.
func (m *model) advance(e entry) {
	m.overdue(e)
	if t := &m.b; !t.due.IsZero() && t.due.Before(e.at) && !m.putOff(t) {
		m.failf(e, "no bootstrap began at %v", m.b.due)
		m.b.due = time.Time{}
	}
	for !m.m.due.IsZero() && m.m.due.Before(e.at) {
		m.missed(e)
	}
}

// missed excuses an attempt of the management account that did not come.
func (m *model) missed(e entry) {
	t := &m.m
	switch {
	case m.putOff(t):
	case !t.later.IsZero():
		t.due, t.later = t.later, time.Time{}
	case m.b.open:
		t.parked, t.due = true, time.Time{}
	case t.forBoot && !m.b.due.IsZero():
		// The bootstrap waits for its own delay: the account tries itself.
		t.due, t.forBoot = t.due.Add(m.delayOf(t)), false
	default:
		m.failf(e, "no attempt began at %v", t.due)
		t.due = time.Time{}
	}
}

// putOff lets an account wait that has no turn when it is due: what was to
// follow at once, such as a Register after a bootstrap.
func (m *model) putOff(t *track) bool {
	at := m.turnOf(t, t.due)
	later := at.After(t.due)
	t.due = at
	return later
}

// delayOf is how long an account waits that was to bootstrap and has to try itself:
// the doubling delay after its latest failure, whatever its policy.
func (m *model) delayOf(t *track) time.Duration {
	return systemtest.Delay(m.plan.R0, max(t.failures, 1)-1)
}

// policy is the delay after the n-th consecutive failure of an account, n from 1.
func (m *model) policy(t *track, n uint64) time.Duration {
	if !m.plan.OMA {
		return systemtest.Delay(m.plan.R0, n-1)
	}
	return series(n, m.mayBootstrap(t))
}

// mayBootstrap reports whether a bootstrap can be the remedy for an account.
func (m *model) mayBootstrap(t *track) bool {
	return t == &m.m && m.plan.Setup == bootstrapServer
}

// series is OMA's policy with its defaults (LwM2M Core section 6.2.1.2): five
// attempts, a minute apart and then twice as long each time. After the fifth
// comes a bootstrap at once, and then the series again; where there is none, the
// longest delay for ever.
func series(n uint64, bootstrap bool) time.Duration {
	const attempts = 5
	switch last := n % attempts; {
	case !bootstrap && n >= attempts:
		return systemtest.Week
	case last == 0:
		return 0
	default:
		return time.Minute << (last - 1)
	}
}

// attempt takes the first sign of an attempt on the wire.
func (m *model) attempt(e entry) {
	t := m.of(e)
	if t.open {
		m.failf(e, "an attempt began within another")
	}
	if e.bootstrap && t.due.IsZero() && m.off.due.Equal(e.at) {
		*t = m.off // it had begun at this very instant, and connects only now
	}
	switch {
	case t.due.Equal(e.at):
		m.tie(e)
	case e.bootstrap && m.m.forBoot && m.m.due.Equal(e.at):
		m.m.parked, m.m.due = true, time.Time{}
	case e.bootstrap && m.bootstrapAt.Equal(e.at) && !e.at.Before(t.floor):
	default:
		m.failf(e, "an attempt out of turn; due at %v", t.due)
	}
	m.attempts++
	m.begins(e, t)
	*t = track{name: t.name, open: true, opened: e.at, failures: t.failures, ladder: t.ladder}
}

// tie takes a bootstrap that begins by its own delay at the very instant when
// the management account wants one. No order is promised between two timers of
// one instant: either the account finds the bootstrap under way and waits for
// it, or it finds it waiting, and tries itself after its own delay.
func (m *model) tie(e entry) {
	if t := &m.m; e.bootstrap && t.forBoot && t.due.Equal(e.at) {
		t.tied, t.due = e.at.Add(m.delayOf(t)), time.Time{}
	}
}

func (m *model) dial(e entry) {
	t := m.of(e)
	addresses := 1
	switch {
	case !m.plan.Named:
		m.attempt(e)
	case !e.bootstrap:
		addresses += m.plan.Decoys
	}
	if !t.open {
		m.failf(e, "a connect outside an attempt")
	}
	if t.dials++; t.dials > addresses {
		m.failf(e, "%d connects in one attempt", t.dials)
	}
}

// request takes a request that was handed to the message layer.
func (m *model) request(e entry) {
	t := m.of(e)
	if e.what == "deregister" {
		return
	}
	onCall := m.updateAt.Equal(e.at) && !e.at.Before(t.floor)
	switch {
	case t.open:
	case t.due.Equal(e.at) && t.usable, onCall && t.usable && !t.due.IsZero():
		t.due, t.floor = time.Time{}, time.Time{}
		m.begins(e, t)
	case (t.registered || t.usable) && t.due.IsZero():
	default:
		m.failf(e, "a request out of turn; due at %v", t.due)
	}
	if t.requests++; t.requests > maxRequests {
		m.failf(e, "%d requests without an end", t.requests)
	}
}

// hint takes NetworkUp: the bootstrap account's wait ends first.
func (m *model) hint(e entry) {
	if m.paused || !m.hinted.IsZero() && e.at.Sub(m.hinted) < 5*time.Second {
		return
	}
	m.hinted = e.at
	if m.m.tied.After(e.at) {
		m.m.tied = e.at
	}
	if !m.shelf.due.IsZero() {
		m.shelf.due = e.at
	}
	for _, t := range []*track{&m.b, &m.m} {
		until := e.at
		if t.floor.After(until) {
			until = t.floor
		}
		if t.due.After(until) {
			t.due = until
		}
	}
}

func (m *model) event(e entry) {
	if m.seq++; e.event.Seq != m.seq {
		m.failf(e, "its number should be %d", m.seq)
		m.seq = e.event.Seq
	}
	switch e.event.Type {
	case holdfast.EventError:
		if err := m.possible(e.event); err != nil {
			m.failf(e, "%v", err)
		}
		m.failure(e)
	case holdfast.EventBootstrapped:
		m.bootstrapped(e)
	case holdfast.EventRegistered:
		m.registered(e)
	case holdfast.EventRegistrationUpdated:
		m.updated(e)
	case holdfast.EventDegraded:
		m.failf(e, "an actor crashed")
	}
}

// possible holds an error against the matrix of what can occur.
func (m *model) possible(e holdfast.Event) error {
	var err error
	for _, stored := range m.shelf.states(m.plan.Provisioned) {
		if err = systemtest.Possible(e, stored); err == nil {
			return nil
		}
	}
	return err
}

// failure takes an error: of the store, of an attempt, or of a call.
func (m *model) failure(e entry) {
	switch {
	case e.event.Phase == "store" && e.event.Code == holdfast.CodeStoreCredentials:
		m.unkept(e)
	case e.event.Phase == "store":
		m.unreadable(e)
	case !e.event.NextAttempt.IsZero():
		m.unstored(e)
		m.failed(e)
	}
}

// failed takes the one event of a failed attempt.
func (m *model) failed(e entry) {
	t := m.of(e)
	if !t.open && !t.registered && !t.usable {
		m.failf(e, "a failure without an attempt")
	}
	if e.event.Attempt != t.failures+1 {
		m.failf(e, "its attempt should be %d", t.failures+1)
	}
	retry, _ := e.event.RetryIn()
	climbs := retry == 0 && e.event.Action != "bootstrap"
	if climbs && t.ladder {
		m.failf(e, "a ladder after a ladder")
	}
	floor := m.floorOf(e)
	if t.floor.After(floor) {
		floor = t.floor // a server's wish outlives a failure of another kind
	}
	usable := e.event.Phase == "update" && (e.event.CoAP != "" || e.event.Action == "register")
	*t = track{
		name: t.name, opened: t.opened, failures: e.event.Attempt, due: e.at.Add(retry), usable: usable,
		forBoot: e.event.Action == "bootstrap", floor: floor,
		ladder: climbs,
	}
	if e.bootstrap {
		m.resume(e)
	}
	wanted := max(m.policy(t, t.failures), t.floor.Sub(e.at))
	want := m.turnOf(t, e.at.Add(wanted)).Sub(e.at)
	if retry != want && !climbs {
		m.failf(e, "the delay should be %v", want)
	}
	if !climbs && e.event.WaitsForTurn != (want > wanted) {
		m.failf(e, "it waits for its turn: %v", want > wanted)
	}
}

// floorOf is how long the server asked for quiet.
func (m *model) floorOf(e entry) time.Time {
	if e.event.CoAP != "4.29" && e.event.CoAP != "5.03" {
		return time.Time{}
	}
	if !m.plan.tellsMaxAge() {
		return e.at.Add(time.Minute)
	}
	return e.at.Add(max(time.Duration(m.plan.MaxAge)*time.Second, time.Second))
}

// resume lets the management account go on after a bootstrap that failed.
func (m *model) resume(e entry) {
	t := &m.m
	again := e.at.Add(m.delayOf(t))
	switch {
	case !t.tied.IsZero():
		t.due, t.later = e.at, again
		if t.tied.After(e.at) {
			t.due = t.tied
		}
		t.tied, t.forBoot = time.Time{}, false
	case t.forBoot && (t.parked || t.due.Equal(e.at)):
		t.due, t.parked, t.forBoot = again, false, false
	case t.parked:
		t.due, t.parked = e.at, false
	}
}

func (m *model) bootstrapped(e entry) {
	if !m.b.open {
		m.failf(e, "a bootstrap ended that never began")
	}
	m.delivered(e)
	m.budget.unproven = true
	m.b = track{name: m.b.name}
	m.m = track{name: m.m.name, failures: m.m.failures, due: e.at}
}

// updated takes an Update that was accepted. On a new link the event that ends
// the outage follows, and says how many attempts that took.
func (m *model) updated(e entry) {
	t := &m.m
	if !t.open && !t.registered && !t.usable {
		m.failf(e, "an update without a registration")
	}
	*t = track{name: t.name, registered: true, updated: e.event.Seq, before: t.failures}
}

func (m *model) registered(e entry) {
	t := &m.m
	if !t.open && !t.registered && !t.usable {
		m.failf(e, "a registration without an attempt")
	}
	failures := t.failures
	if t.updated == e.event.Seq-1 {
		failures = t.before
	}
	if e.event.Attempts != failures+1 {
		m.failf(e, "it took %d attempts", failures+1)
	}
	*t = track{name: t.name, registered: true}
	m.budget.registered()
	if !m.b.open { // a bootstrap that was to be a recovery is called off
		m.off = m.b
		m.b = track{name: m.b.name, floor: m.b.floor}
	}
}
