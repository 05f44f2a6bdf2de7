package property_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/actors/registration"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
)

// model is the schedule that a client has to keep, as far as its events
// announce it: which attempt may begin when. It is fed with the entries of
// one life, in order, and notes what breaks the rules.
//
// It judges by what the client says and sends, and keeps no copy of its state. What
// it knows of the policy, for each account by itself: the first attempt is made at
// once; after a failure the next one comes exactly when the event said; a hint ends
// the wait, at most once in 5 s, and never a wait that a server asked for; an Update
// is sent when the lifetime wants it, and not before unless somebody asks for it.
//
// What the accounts share: a Register follows a bootstrap at once, on every
// management account, and none of them begins to count anew; an account whose
// time comes while a bootstrap is under way waits for that, and begins at once when
// that fails; the account that asked for the bootstrap waits for its own delay once
// more; waits that end at one instant end in order, the bootstrap account's first. A
// bootstrap that waits is called off when all management accounts are registered.
// Those that have a priority begin one after the other (order_test.go), and all
// attempts together keep within the budget of a client (budget_test.go).
type model struct {
	plan      schedule
	servers   []*track // the management accounts
	b         track    // the bootstrap account
	wires     map[whom]*wire
	order     order
	shelf     shelf // the store
	budget    budget
	hinted    time.Time
	askedAt   time.Time // of the latest RegisterUpdate, or waking
	paused    bool
	resumedAt time.Time // when the latest pause ended
	seq       uint64
	attempts  int
	faults    []string
}

// track is what the model knows of one account.
type track struct {
	whom       whom
	begun      bool      // since the start, the latest pause or the latest bootstrap
	open       bool      // an attempt is under way
	opened     time.Time // when the latest attempt began
	own        bool      // it began by the account's own wait
	tried      int       // addresses in this attempt
	kept       bool      // the present one was tried with a session of before: it may be tried again without
	requests   int       // since the latest answer
	failures   uint64    // consecutive
	registered bool      // the latest news is that its server knows the client
	up         bool      // the same, or an Update that was refused is to be repeated
	usable     bool      // the latest failure left the link in use
	due        time.Time // when the next attempt has to begin; zero when it depends on something else
	wanted     time.Time // the same, by the policy alone
	floor      time.Time // a server asked for quiet until then
	forBoot    bool      // the next attempt is a bootstrap
	yields     bool      // the next attempt waits for a bootstrap that is under way by then
	reads      time.Time // when the store was read before its attempt
	ladder     bool      // the latest failure led to an attempt at once
	updated    uint64    // number of the latest event of an accepted Update
	before     uint64    // how many failures that one ended
	parked     bool      // its time came while a bootstrap was under way
	renewal    time.Time // when the next Update has to be sent; zero while one is under way, or there is no registration
}

// Limits of one attempt: the addresses of a name, and the requests within the
// budget: an Update and the Register that follows its refusal, in two versions,
// or the exchanges of at least 62 s each that fit into 3 minutes, and one for
// what the wait for an answer ends.
const maxRequests = 8

func newModel(p schedule) *model {
	m := &model{plan: p, b: track{whom: boot}, wires: map[whom]*wire{boot: {}, first: {}, second: {}}}
	for i := range p.Setup.servers() {
		m.servers = append(m.servers, &track{whom: whom(i)})
	}
	return m
}

func (m *model) failf(e entry, format string, args ...any) {
	m.faults = append(m.faults, fmt.Sprintf("at %v, %s: ", e.at.Format(instant), e)+fmt.Sprintf(format, args...))
}

func (m *model) of(e entry) *track {
	switch {
	case e.whom == boot:
		return &m.b
	case int(e.whom) < len(m.servers):
		return m.servers[e.whom]
	}
	m.failf(e, "there is no such account")
	return &track{}
}

// everyone returns all accounts, in the order in which waits of one instant end.
func (m *model) everyone() []*track { return slices.Insert(slices.Clone(m.servers), 0, &m.b) }

// check judges one life, which finds the store as the former one left it.
func (m *model) check(entries []entry, found memory) {
	m.shelf.memory = found
	for _, e := range entries {
		m.advance(e)
		m.watch(e)
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
	case entryAsked:
		m.asked(e)
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
		m.bootstrap(e)
	case entryBegin:
		m.attempt(e)
	case entryNext:
		m.nextAddress(e)
	case entryLookup, entryDial:
		m.seen(e)
	case entryRequest:
		m.request(e)
	default:
		m.told(e)
	}
}

// told takes what the client was told, and what it says.
func (m *model) told(e entry) {
	switch e.kind {
	case entryHint:
		m.hint(e)
	case entryPause:
		m.pause(e)
	case entryResume:
		m.resumed(e)
	case entryWoke:
		m.woke(e)
	case entryUpdate:
		m.update(e)
	case entryEvent:
		m.event(e)
	}
}

// advance lets the time pass up to an entry: what was due before has to have
// happened.
func (m *model) advance(e entry) {
	m.overdue(e)
	m.tooEarly(e)
	m.unrenewed(e)
	for t := m.next(e.at); t != nil; t = m.next(e.at) {
		at := t.due
		if m.expire(t); t.due.Equal(at) {
			m.failf(e, "no attempt began at %v of the %s account", at, t.whom)
			t.due = time.Time{}
		}
	}
}

// next returns the account whose wait ended first before an instant.
func (m *model) next(before time.Time) (first *track) {
	for _, t := range m.everyone() {
		if !t.due.IsZero() && t.due.Before(before) && (first == nil || t.due.Before(first.due)) {
			first = t
		}
	}
	return first
}

// expire ends the wait of a management account that does not begin itself: it
// waits for a bootstrap, or begins one.
func (m *model) expire(t *track) {
	at := t.due
	switch {
	case t == &m.b:
	case t.forBoot:
		t.due = time.Time{}
		if !m.b.open && m.b.due.IsZero() {
			m.book(&m.b, later(at, m.b.floor))
		}
		if t.parked = m.bootstrapping(at); !t.parked { // the bootstrap waits for its own delay
			m.again(t, at)
		}
	case t.yields && m.bootstrapping(at):
		t.parked, t.due = true, time.Time{}
	}
}

// bootstrapping reports whether a bootstrap is under way when the wait of a
// management account ends. One that reads its credentials anew is not yet.
func (m *model) bootstrapping(at time.Time) bool {
	return m.b.open || m.b.due.Equal(at) && !m.b.reads.Equal(at)
}

// again lets an account that was to bootstrap wait once more, to try itself.
func (m *model) again(t *track, now time.Time) {
	t.forBoot, t.parked = false, false
	m.book(t, now.Add(m.policy(t, max(t.failures, 1), false)))
	t.yields = true
}

// policy is the delay after the n-th consecutive failure of an account, n from 1.
func (m *model) policy(t *track, n uint64, bootstraps bool) time.Duration {
	if !m.plan.OMA {
		return systemtest.Delay(m.plan.R0, n-1)
	}
	delay := series(n, m.mayBootstrap(t))
	if delay == 0 && !bootstraps {
		return time.Minute // the first delay of the series
	}
	return delay
}

// mayBootstrap reports whether a bootstrap can be the remedy for an account.
func (m *model) mayBootstrap(t *track) bool { return t != &m.b && m.plan.Setup.boots() }

// omaAttempts is how many attempts there are in OMA's series, by its defaults.
const omaAttempts = 5

// series is OMA's policy with its defaults (LwM2M Core section 6.2.1.2): five
// attempts, a minute apart and then twice as long each time. After the fifth
// comes a bootstrap at once, and then the series again; where there is none, the
// longest delay for ever.
func series(n uint64, bootstrap bool) time.Duration {
	switch last := n % omaAttempts; {
	case !bootstrap && n >= omaAttempts:
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
	own := t.due.Equal(e.at) && !t.reads.Equal(e.at)
	if t == &m.b {
		m.bootstrapBegins(e)
	}
	m.wires[t.whom].ordered(e)
	switch {
	case !t.due.Equal(e.at) && m.begunEarly(e, t):
	case !t.due.Equal(e.at):
		m.failf(e, "an attempt out of turn; due at %v", t.due)
	case t.forBoot:
		m.failf(e, "it was to be a bootstrap")
	case t.yields && m.barred(e.at):
		m.failf(e, "an attempt although a bootstrap is under way")
	}
	m.attempts++
	m.begins(e, t)
	*t = track{whom: t.whom, begun: true, open: true, opened: e.at, tried: 1, kept: e.kept, own: own, failures: t.failures, ladder: t.ladder}
}

// barred reports whether a bootstrap bars the attempt of a management account: one
// that was under way before, or one that was due at the same instant.
func (m *model) barred(at time.Time) bool {
	if m.b.open {
		return m.b.opened.Before(at) || m.b.own
	}
	return m.b.due.Equal(at) && !m.b.reads.Equal(at)
}

// bootstrapBegins lets the accounts wait that have asked for the bootstrap.
func (m *model) bootstrapBegins(e entry) {
	for _, t := range m.servers {
		if t.forBoot && t.due.Equal(e.at) {
			m.expire(t)
		}
	}
}

// nextAddress takes an attempt that goes on with another address.
func (m *model) nextAddress(e entry) {
	t := m.of(e)
	addresses := 1
	if m.plan.Named && t != &m.b {
		addresses += m.plan.Decoys
	}
	if !t.open {
		m.failf(e, "a connect outside an attempt")
	}
	if !t.kept {
		t.tried++
	}
	t.kept = e.kept
	if t.tried > addresses {
		m.failf(e, "%d connects in one attempt", t.tried)
	}
	m.wires[t.whom].ordered(e)
}

// wire is what the network has seen of an account. It may see the last of an
// attempt after the event that ended it, but at the same instant.
type wire struct {
	connects int       // that were ordered
	dials    int       // that were seen
	silent   time.Time // when a connect was ordered of which nothing has been seen; else zero
	active   time.Time // the latest instant within an attempt, or with a link in use
}

func (w *wire) ordered(e entry) {
	w.connects++
	w.silent, w.active = e.at, e.at
}

// watch notes which accounts are active at the instant of an entry, and demands that
// an attempt be seen on the network when it begins.
func (m *model) watch(e entry) {
	for _, t := range m.everyone() {
		w := m.wires[t.whom]
		if t.open && !w.silent.IsZero() && w.silent.Before(e.at) {
			m.failf(e, "nothing was seen on the network of the attempt of the %s account at %v", t.whom, w.silent)
			w.silent = time.Time{}
		}
		if t.open || t.registered || t.usable {
			w.active = e.at
		}
	}
}

// seen takes a lookup or a connect.
func (m *model) seen(e entry) {
	w := m.wires[m.of(e).whom]
	w.silent = time.Time{}
	if !w.active.Equal(e.at) {
		m.failf(e, "a connect outside an attempt")
	}
	if e.kind == entryLookup {
		return
	}
	if w.dials++; w.dials > w.connects {
		m.failf(e, "%d connects, and only %d attempts", w.dials, w.connects)
	}
}

// request takes a request that was handed to the message layer.
func (m *model) request(e entry) {
	t := m.of(e)
	if e.what == "deregister" {
		return
	}
	switch {
	case t.open:
	case t.due.Equal(e.at) && t.usable:
		t.due, t.floor = time.Time{}, time.Time{}
		m.begins(e, t)
	case t.registered && t.due.IsZero():
		m.renews(e, t)
	case t.usable && t.due.IsZero():
	case m.wires[t.whom].active.Equal(e.at) && !t.usable: // on a link that has ended at this instant
	default:
		m.failf(e, "a request out of turn; due at %v", t.due)
	}
	t.up = t.up && e.what == "update"
	if t.requests++; t.requests > maxRequests {
		m.failf(e, "%d requests without an end", t.requests)
	}
}

// renews takes a request of a registered account: an Update has a reason, and is
// late for none.
func (m *model) renews(e entry, t *track) {
	asked := m.askedAt.Equal(e.at)
	if e.what == "update" && !asked && !t.renewal.Equal(e.at) {
		m.failf(e, "an Update that is not due until %v", t.renewal)
	}
	t.renewal = time.Time{}
}

// nextUpdate is when the Update has to be sent that follows an accepted request.
func (m *model) nextUpdate(e entry, t *track) time.Time {
	after, finite := registration.UpdateAfter(m.plan.lifetime(t.whom))
	if !finite {
		return time.Time{}
	}
	return e.at.Add(after)
}

// unrenewed finds Updates that should have been sent before an entry.
func (m *model) unrenewed(e entry) {
	for _, t := range m.servers {
		if !t.renewal.IsZero() && t.renewal.Before(e.at) {
			m.failf(e, "no Update to the %s server was sent at %v", t.whom, t.renewal)
			t.renewal = time.Time{}
		}
	}
}

// renewNow takes a wish for Updates: every registered account sends one now, unless
// one is under way.
func (m *model) renewNow(e entry) {
	m.askedAt = e.at
	for _, t := range m.servers {
		if t.up && !t.renewal.IsZero() && !m.paused {
			t.renewal = e.at
		}
	}
}

// update takes a call of RegisterUpdate: an Update that is to be repeated is sent
// now, unless its server has asked for quiet.
func (m *model) update(e entry) {
	m.renewNow(e)
	for _, t := range m.servers {
		if t.up && !t.due.IsZero() && !e.at.Before(t.floor) && !m.paused {
			m.book(t, e.at)
		}
	}
}

// bootstrap takes a call of Bootstrap: it begins one, or ends its wait.
func (m *model) bootstrap(e entry) {
	if m.shelf.boots && !m.paused && !m.b.open && !e.at.Before(m.b.floor) {
		m.book(&m.b, e.at)
	}
}

// hint takes NetworkUp: the bootstrap account's wait ends first.
func (m *model) hint(e entry) {
	if m.paused || !m.hinted.IsZero() && e.at.Sub(m.hinted) < 5*time.Second {
		return
	}
	m.hinted = e.at
	if !m.shelf.due.IsZero() {
		m.shelf.due = e.at
	}
	for _, t := range m.everyone() {
		if until := later(e.at, t.floor); t.due.After(until) {
			m.book(t, until)
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
		// What stands beside the credentials costs no more than itself when it cannot
		// be read: a Register, or what a server has written.
		if e.event.Actor != "store" || !m.shelf.unread.Equal(e.at) {
			m.failf(e, "an actor crashed")
		}
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
	bootstraps := e.event.Action == "bootstrap"
	retry, _ := e.event.RetryIn()
	climbs := retry == 0 && !bootstraps
	if climbs && (t.ladder || t == &m.b || e.event.Code != holdfast.CodeNetwork) {
		m.failf(e, "no ladder leads from there")
	}
	usable := e.event.Phase == "update" && (e.event.CoAP != "" || e.event.Action == "register")
	floor := later(m.floorOf(e), t.floor) // a server's wish outlives a failure of another kind
	*t = track{
		whom: t.whom, begun: true, opened: t.opened, failures: e.event.Attempt, floor: floor,
		usable: usable, up: t.up && usable && e.event.Action != "register",
		forBoot: bootstraps, ladder: climbs, yields: t != &m.b && !usable && !climbs,
	}
	delay := max(m.policy(t, t.failures, bootstraps), floor.Sub(e.at))
	t.wanted = e.at.Add(delay)
	want := m.turnOf(t, t.wanted).Sub(e.at)
	t.due = e.at.Add(retry)
	switch {
	case retry == want.Truncate(time.Millisecond): // of which events say the whole milliseconds
		t.due = e.at.Add(want)
	case !climbs:
		m.failf(e, "the delay should be %v", want)
	}
	if !climbs && e.event.WaitsForTurn != (want > delay) {
		m.failf(e, "it waits for its turn: %v", want > delay)
	}
	if t == &m.b {
		m.resume(e)
	} else if !m.plan.OMA || bootstraps || t.failures%omaAttempts == 0 || t.failures > omaAttempts && !m.mayBootstrap(t) {
		m.turnOver(e, t, false)
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

// resume lets the management accounts go on after a bootstrap that failed.
func (m *model) resume(e entry) {
	for _, t := range m.servers {
		switch {
		case t.forBoot && (t.parked || t.due.Equal(e.at)):
			m.again(t, e.at)
		case t.parked:
			t.parked, t.yields = false, false
			m.book(t, e.at)
			t.yields = t.due.After(e.at)
		}
	}
}

// bootstrapped takes what a bootstrap delivered: every management account is new,
// but for its count.
func (m *model) bootstrapped(e entry) {
	if !m.b.open {
		m.failf(e, "a bootstrap ended that never began")
	}
	m.delivered(e)
	m.budget.unproven = true
	m.b, m.order = track{whom: boot}, order{}
	for _, t := range m.servers {
		*t = track{whom: t.whom, failures: t.failures}
	}
	m.start(e)
}

// updated takes an Update that was accepted. On a new link the event that ends
// the outage follows, and says how many attempts that took.
func (m *model) updated(e entry) {
	t := m.of(e)
	if !t.open && !t.registered && !t.usable {
		m.failf(e, "an update without a registration")
	}
	*t = track{whom: t.whom, begun: true, registered: true, up: t.up, updated: e.event.Seq, before: t.failures}
	t.renewal = m.nextUpdate(e, t)
}

func (m *model) registered(e entry) {
	t := m.of(e)
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
	*t = track{whom: t.whom, begun: true, registered: true, up: true}
	t.renewal = m.nextUpdate(e, t)
	m.budget.registered(t.whom)
	m.closeRanks(e)
	m.turnOver(e, t, true)
	m.callOff()
}

// callOff ends the wait of a bootstrap that was to be a recovery, once every
// management account is registered.
func (m *model) callOff() {
	for _, t := range m.servers {
		if !t.up {
			return
		}
	}
	if !m.b.open && !m.b.due.IsZero() {
		m.b = track{whom: boot, floor: m.b.floor}
	}
}
