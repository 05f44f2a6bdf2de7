package supervisor

import (
	"errors"
	"reflect"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// LoadBound is how long the store has to answer a LoadAccounts. When nothing was
// reported by then, the look at store and files has found nothing wrong.
const LoadBound = 30 * time.Second

var errNoAnswer = errors.New("the store does not answer")

func (m *Machine) start(now time.Time) {
	if m.state != "" {
		return
	}
	m.enter(messages.StateStarting)
	m.restarted(now)
	m.load(now)
}

// load reads everything that accounts come from.
func (m *Machine) load(now time.Time) {
	m.do(
		core.Tell{To: core.Store, Message: messages.LoadAccounts{Token: m.loader.ask(), States: !m.states.read}},
		core.SetTimer{Timer: timerLoad, After: LoadBound},
	)
}

// lookAgain reads once more, or reports that the store has not answered: a
// lost message or a disk that hangs must not strand the client.
func (m *Machine) lookAgain(now time.Time) {
	if !m.loader.asked {
		m.load(now)
		return
	}
	m.loader.silent()
	m.loadTroubles(now, []trouble{{messages.ClassStoreRead, errNoAnswer, messages.ActionRetry, true}})
}

// loaded puts the accounts that were found into force. Those in use are not
// disturbed, unless they were a substitute for others that can now be read.
func (m *Machine) loaded(now time.Time, in messages.AccountsLoaded) {
	if m.stop != nil || !m.loader.answered(in.Token) {
		return
	}
	m.do(core.StopTimer{Timer: timerLoad})
	if m.place = nil; in.Place != (accounts.Digest{}) {
		m.place = new(accounts.Digest(in.Place))
	}
	if in.FactoryErr == nil && in.Factory != nil {
		m.factory = in.Factory
	}
	m.takePairs(in.States)
	found := judge(in, m.factory, m.inUse())
	if !m.loader.outdated { // else what was read is older than what is in use
		m.takeWritten(in, &found)
		m.adopt(found.tree, found.origin)
	}
	m.restore(now, in.States, in.Sessions)
	if len(m.accounts) == 0 {
		m.tree = nil
		found.troubles = []trouble{nothingUsable(in, m.factory)}
	}
	m.loader.failures++
	if !found.again() {
		m.loader.failures = 0
	}
	m.loadTroubles(now, found.troubles)
	m.goOn(now)
	m.startIdle(now)
}

// inUse returns the objects in force where a management account comes from them.
func (m *Machine) inUse() *lwm2m.Tree {
	if len(m.servers()) == 0 {
		return nil
	}
	return m.tree
}

// loadTroubles reports what cannot be read or used, each with when it is looked
// at again.
func (m *Machine) loadTroubles(now time.Time, all []trouble) {
	if m.loader.failures > 0 {
		m.lookIn(now, m.config.Policy.Delay(uint64(m.loader.failures)-1))
	}
	for _, t := range all {
		e := m.troubleEvent(t)
		if t.again && t.action != messages.ActionRegister && t.action != messages.ActionBootstrap { // these come at once
			e.RetryInMS = new(m.loader.lookAt.Sub(now).Milliseconds())
		}
		m.do(Emit{Event: e})
	}
}

// lookIn plans the next look at store and files.
func (m *Machine) lookIn(now time.Time, delay time.Duration) {
	m.loader.lookAt = now.Add(delay)
	m.do(core.SetTimer{Timer: timerLoad, After: delay})
}

// adopt puts tree into force and tells the servers what concerns them.
func (m *Machine) adopt(tree *lwm2m.Tree, o origin) {
	m.putInForce(tree, o)
	m.announce(false)
}

// putInForce puts tree into force, with the factory's bootstrap account.
func (m *Machine) putInForce(tree *lwm2m.Tree, o origin) {
	m.tree = accounts.WithBootstrapOf(m.factory, tree)
	decoded, _ := accounts.FromTree(m.tree) // the unusable ones are left out; Check has named them
	used := m.within(decoded)
	if m.origin.makeshift() && (o == fromStore || o == asConfigured) {
		m.replace(used)
	}
	if o != fromUse {
		m.origin = o
	}
	for _, acct := range used {
		acct.Queue = acct.Queue || m.sleepsAt(acct)
		acct = m.withPair(acct)
		if known := m.accounts.of(acct.Peer); known != nil {
			m.use(known, known.spared(acct))
			continue
		}
		m.admit(m.newAccount(acct))
	}
	m.do(core.Tell{To: core.Management, Message: messages.ModelChanged{Tree: m.tree.Clone()}})
}

// use has an account used as it is from now on.
func (m *Machine) use(a *account, acct messages.Account) {
	if a.Account != nil && !sameServer(*a.Account, acct) {
		m.dropSession(a)
		a.secured.outdated = a.epoch != 0
	}
	a.use(acct)
	m.watchCertificate(a)
}

// replace drops the management accounts that a start would not use now. One that
// leads to the same server with the same credentials stays, and its registration
// with it.
func (m *Machine) replace(used []messages.Account) {
	for _, a := range m.servers() {
		kept := false
		for _, acct := range used {
			kept = kept || acct.Peer == a.Peer && sameServer(acct, *a.Account)
		}
		if !kept {
			m.forget(a)
		}
	}
}

// sameServer reports whether two accounts lead to the same server with the same
// credentials.
func sameServer(a, b messages.Account) bool {
	return a.URI.String() == b.URI.String() && reflect.DeepEqual(a.Credentials, b.Credentials)
}

// announce tells every registration, also one that is under way, what its server
// should know from now on; an Update follows where that is something new. It is paced
// where that may go on and on: a server's Write has changed it, or the application.
func (m *Machine) announce(paced bool) {
	for _, a := range m.servers() {
		if a.epoch != 0 {
			m.do(Order{Epoch: a.epoch, To: core.Owner, Message: messages.ObjectsChanged{
				Epoch: a.epoch, Objects: m.config.Objects(m.tree), Lifetime: a.Lifetime, Queue: a.Queue, Triggered: paced,
			}})
		}
	}
}

// startIdle begins the accounts that have not been started: the management
// accounts in registration order, or a bootstrap where there is none.
func (m *Machine) startIdle(now time.Time) {
	if m.paused {
		return
	}
	b := m.bootstrapAccount()
	if b != nil && b.reloaded() {
		m.begin(now, b)
	}
	if len(m.servers()) > 0 {
		m.startServers(now)
		return
	}
	if b != nil && b.ready() {
		m.startAfter(now, b, m.holdOff(b, 0))
	}
}

// startServers begins every management account: those without a priority at
// once, the others one after the other (/1/x/13).
func (m *Machine) startServers(now time.Time) {
	var ready []*account
	for _, a := range m.servers() {
		if a.ready() {
			ready = append(ready, a)
		}
	}
	current := m.accounts.of(m.order.current)
	busy := current != nil && current.open() && !current.ready()
	for _, a := range m.order.arrange(ready, busy) {
		m.startAfter(now, a, m.order.delay(a))
	}
	if !busy {
		m.nextInOrder(now)
	}
}

// nextInOrder begins the next account of the registration order (/1/x/13).
func (m *Machine) nextInOrder(now time.Time) {
	peer, _ := m.order.next()
	if a := m.accounts.of(peer); a != nil {
		m.startAfter(now, a, m.order.delay(a))
	}
}

// turnOver begins the next account of the registration order when the turn of
// the current one is over, or lets it block the others for a while (/1/x/15).
func (m *Machine) turnOver(now time.Time, a *account, succeeded bool) {
	switch {
	case m.order.over(a, succeeded):
		m.nextInOrder(now)
	case a.Peer == m.order.current && m.order.blocked.IsZero() && len(m.order.waiting) > 0:
		m.order.blocked = now.Add(m.config.Policy.Max)
		m.blockUntil(now, m.order.blocked)
	}
}

// blockUntil sets when an account blocks those behind it no longer, if one does.
func (m *Machine) blockUntil(now, until time.Time) {
	if !m.order.blocked.IsZero() {
		m.order.blocked = until
		m.do(core.SetTimer{Timer: timerOrder, After: max(until.Sub(now), 0)})
	}
}

// unblock ends the turn of an account that has blocked the others for so long.
func (m *Machine) unblock(now time.Time) {
	if !m.paused && m.stop == nil && !m.order.blocked.IsZero() && !now.Before(m.order.blocked) {
		m.nextInOrder(now)
	}
}

func (m *Machine) startAfter(now time.Time, a *account, delay time.Duration) {
	if delay <= 0 {
		m.begin(now, a)
		return
	}
	a.stage, a.pending.first = stageWaiting, true
	m.wait(now, a, delay, Retry)
}
