package supervisor

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// loadBound is how long the store has to answer a LoadAccounts.
const loadBound = 30 * time.Second

// Causes of failures that the supervisor finds itself.
var (
	errStranded  = errors.New("the attempt ended without a report")
	errNoAnswer  = errors.New("the store does not answer")
	errNoAccount = errors.New("neither the configuration nor the store has a usable account")
)

func (m *Machine) start(now time.Time) {
	if m.state != "" {
		return
	}
	m.enter(messages.StateStarting)
	m.load(now)
}

// load reads everything that accounts come from. What a bootstrap has stored
// wins over the factory's account.
func (m *Machine) load(now time.Time) {
	m.loading++
	m.asked, m.lookAt = true, time.Time{}
	m.do(
		core.Tell{To: core.Store, Message: messages.LoadAccounts{Token: m.loading}},
		core.SetTimer{Timer: timerLoad, After: loadBound},
	)
}

// lookAgain reads once more, or reports that the store has not answered: a
// lost message or a disk that hangs must not strand the client. An answer that
// comes late counts, unless a newer one has been asked for.
func (m *Machine) lookAgain(now time.Time) {
	if !m.asked {
		m.load(now)
		return
	}
	m.asked = false
	m.loads++
	m.loadTrouble(messages.ClassStoreRead, errNoAnswer, messages.ActionRetry, new(m.loadAgain(now)))
}

// loaded decides which accounts the client uses. A store that cannot be read is
// no reason to stay offline: the factory's account is used meanwhile, and damaged
// files stay where they are.
func (m *Machine) loaded(now time.Time, in messages.AccountsLoaded) {
	if in.Token != m.loading || m.stop != nil {
		return
	}
	m.asked, m.lookAt = false, time.Time{}
	m.do(core.StopTimer{Timer: timerLoad})
	if in.FactoryErr == nil && in.Factory != nil {
		m.factory = in.Factory
	}
	tree, storedErr := m.stored(in)
	origin := fromStore
	if tree == nil {
		tree, origin = m.wayBack(in, storedErr)
	}
	m.adopt(tree)
	if len(m.accounts) == 0 {
		m.nothingUsable(now, in, storedErr)
		return
	}
	m.reportLoad(now, in, storedErr, origin)
	m.startIdle(now, false)
}

// stored decodes the record of credentials; nil means that none is usable.
func (m *Machine) stored(in messages.AccountsLoaded) (*lwm2m.Tree, error) {
	if in.StoredErr != nil || in.Stored == nil {
		return nil, in.StoredErr
	}
	tree, err := accounts.Decode(in.Stored)
	if err != nil {
		return nil, err
	}
	if err := accounts.Check(m.withFactoryBootstrap(tree)); err != nil {
		return nil, err
	}
	return tree, nil
}

// reportLoad reports what could not be read, while the client goes on with
// what could; files that the configuration names are looked at again by the
// policy.
func (m *Machine) reportLoad(now time.Time, in messages.AccountsLoaded, storedErr error, o origin) {
	switch {
	case storedErr != nil:
		m.loadTrouble(messages.ClassStoreRead, &unreadError{storedErr, o}, o.action(), nil)
	case in.FellBack:
		m.loadTrouble(messages.ClassStoreRead, &unreadError{in.Cause, o}, o.action(), nil)
	}
	if in.FactoryCause != nil {
		m.loadTrouble(messages.ClassStoreRead, in.FactoryCause, messages.ActionNone, nil)
	}
	if in.FactoryErr == nil {
		m.loads = 0
		return
	}
	m.loads++
	m.loadTrouble(in.FactoryClass, in.FactoryErr, messages.ActionUser, new(m.loadAgain(now)))
}

// nothingUsable reports, once, why there is no account, and looks again by the
// policy. No packet leaves.
func (m *Machine) nothingUsable(now time.Time, in messages.AccountsLoaded, storedErr error) {
	m.tree = nil
	m.loads++
	retry := new(m.loadAgain(now))
	switch {
	case storedErr != nil:
		m.loadTrouble(messages.ClassStoreRead, storedErr, messages.ActionRetry, retry)
	case in.FactoryErr != nil:
		m.loadTrouble(in.FactoryClass, in.FactoryErr, messages.ActionUser, retry)
	default:
		m.loadTrouble(messages.ClassBadCredentials, errNoAccount, messages.ActionUser, retry)
	}
}

// loadAgain arms the next look at store and files.
func (m *Machine) loadAgain(now time.Time) time.Duration {
	delay := m.config.Policy.Delay(m.loads - 1)
	m.lookIn(now, delay)
	return delay
}

func (m *Machine) lookIn(now time.Time, delay time.Duration) {
	m.lookAt = now.Add(delay)
	m.do(core.SetTimer{Timer: timerLoad, After: delay})
}

// loadTrouble reports a store or a file that cannot be read or used.
func (m *Machine) loadTrouble(class messages.Class, cause error, action messages.Action, retry *time.Duration) {
	f := messages.Failure{Class: class, Phase: messages.PhaseStore, Cause: cause}
	e := errorEvent(Lookup(&f, false), &f)
	e.Attempt, e.Action = max(m.loads, 1), action
	if retry != nil {
		e.RetryInMS = new(retry.Milliseconds())
	}
	m.do(Emit{Event: e})
}

// adopt puts tree into force, with the factory's bootstrap account in place of
// the stored one, which no bootstrap may write.
func (m *Machine) adopt(tree *lwm2m.Tree) {
	m.tree = m.withFactoryBootstrap(tree)
	decoded, _ := accounts.FromTree(m.tree) // the unusable ones are left out; Check has named them
	for _, acct := range m.within(decoded) {
		if known := m.accounts[acct.Peer]; known != nil {
			known.Account = acct
			continue
		}
		m.accounts[acct.Peer] = &account{Account: acct}
	}
	m.do(core.Tell{To: core.Management, Message: messages.ModelChanged{Tree: m.tree.Clone()}})
	m.announce()
}

// announce tells every registration what its server should know from now on; an
// Update follows where that is something new.
func (m *Machine) announce() {
	for _, a := range m.servers() {
		if a.stage == stageRegistered {
			m.do(Order{Epoch: a.epoch, To: core.Owner, Message: messages.ObjectsChanged{
				Epoch: a.epoch, Objects: m.config.Objects(m.tree), Lifetime: a.Lifetime,
			}})
		}
	}
}

// withFactoryBootstrap returns tree with the factory's bootstrap account,
// where there is one.
func (m *Machine) withFactoryBootstrap(tree *lwm2m.Tree) *lwm2m.Tree {
	merged := tree.Clone()
	for _, id := range m.factory.Instances(objects.Security) {
		if bootstrapInstance(m.factory, id) {
			instance, _ := m.factory.Instance(objects.Security, id)
			merged.PutInstance(objects.Security, instance)
		}
	}
	return merged
}

func bootstrapInstance(tree *lwm2m.Tree, id uint16) bool {
	r, ok := tree.Resource(lwm2m.PathOf(objects.Security, id, objects.SecurityBootstrapServer))
	return ok && r.Value.Bool()
}

// startIdle begins the accounts that have not been started: the management
// accounts in registration order, or a bootstrap where there is none.
func (m *Machine) startIdle(now time.Time, bootstrapped bool) {
	if m.paused {
		return
	}
	servers := m.servers()
	b := m.accounts[messages.BootstrapPeer()]
	if b != nil && b.reloaded() {
		m.begin(now, b)
	}
	if len(servers) > 0 {
		m.startServers(now, servers, bootstrapped)
		return
	}
	if b != nil && b.ready() {
		m.startAfter(now, b, m.holdOff(b, 0))
	}
}

// ready reports whether an account can begin now.
func (a *account) ready() bool {
	return a.stage == stageIdle || a.reloaded()
}

// reloaded reports whether an account waits for its credentials to be read.
func (a *account) reloaded() bool {
	return a.stage == stageWaiting && a.intent == intentReload && a.due.IsZero()
}

// startServers begins every management account: those without a priority at
// once, the others one after the other (/1/x/13).
func (m *Machine) startServers(now time.Time, servers []*account, bootstrapped bool) {
	m.line, m.turn, m.unproven = nil, messages.Peer{}, bootstrapped
	for _, a := range servers {
		switch {
		case !a.ready():
		case a.Retry.Priority == nil:
			m.startAfter(now, a, m.initialDelay(a))
		default:
			m.line = append(m.line, a.Peer)
		}
	}
	slices.SortStableFunc(m.line, func(x, y messages.Peer) int {
		return cmp.Compare(*m.accounts[x].Retry.Priority, *m.accounts[y].Retry.Priority)
	})
	m.nextInLine(now)
}

// nextInLine begins the next account of the registration order (/1/x/13).
func (m *Machine) nextInLine(now time.Time) {
	if len(m.line) == 0 {
		m.turn = messages.Peer{}
		return
	}
	m.turn, m.line = m.line[0], m.line[1:]
	if a := m.accounts[m.turn]; a != nil {
		m.startAfter(now, a, m.initialDelay(a))
	}
}

// initialDelay is /1/x/14, which counts until the first success after a
// bootstrap.
func (m *Machine) initialDelay(a *account) time.Duration {
	if !m.unproven {
		return 0
	}
	return min(or(a.Retry.InitialDelay, 0), Week)
}

func (m *Machine) startAfter(now time.Time, a *account, delay time.Duration) {
	if delay <= 0 {
		m.begin(now, a)
		return
	}
	a.stage = stageWaiting
	m.wait(now, a, delay, intentAttempt)
}

// lineMoves begins the next account of the registration order when the current
// one has succeeded, or has failed and does not block the others (/1/x/15).
func (m *Machine) lineMoves(now time.Time, a *account, succeeded bool) {
	if succeeded {
		m.unproven = false
	}
	if a.Peer != m.turn || a.bootstrap() {
		return
	}
	if succeeded || !or(a.Retry.FailureBlock, false) {
		m.nextInLine(now)
	}
}

// stopAll stops the client: registered accounts are de-registered, the others
// torn down.
func (m *Machine) stopAll(now time.Time, in messages.Stop) {
	if m.stop != nil {
		return
	}
	m.stop = &messages.Stopped{Code: messages.ConnectNotRegistered}
	m.enter(messages.StateStopping)
	m.endLinger()
	m.do(core.StopTimer{Timer: timerLoad})
	leaving := false
	for _, a := range m.everyone() {
		m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
		if a.stage == stageRegistered {
			a.stage, leaving = stageLeaving, true
			m.do(Order{Epoch: a.epoch, To: core.Owner, Message: messages.Deregister{Epoch: a.epoch}})
			continue
		}
		m.retire(a)
		a.stage = stageIdle
	}
	if !leaving {
		m.do(Emit{Event: messages.Event{
			Type: messages.EventError, Code: m.stop.Code, Name: m.stop.Code.String(),
			Phase: messages.PhaseClose.String(), Attempt: 1, Action: messages.ActionNone,
			Detail: "there was no registration to end",
		}})
		m.finish()
		return
	}
	m.stop.Code = 0
	m.do(core.SetTimer{Timer: timerStop, After: in.Deadline.Sub(now)})
}

func (m *Machine) deregistered(in messages.Deregistered) {
	a := m.live(in.Epoch)
	if a == nil || a.stage != stageLeaving {
		return
	}
	if in.Failure != nil {
		m.failedWhileLeaving(a, *in.Failure)
		return
	}
	m.do(Emit{Event: messages.Event{Type: messages.EventUnregistered, Server: a.server()}})
	m.left(a)
}

// failedWhileLeaving reports code 14; the teardown goes on.
func (m *Machine) failedWhileLeaving(a *account, f messages.Failure) {
	if a.stage != stageLeaving {
		return
	}
	m.stop.Code, m.stop.Cause = messages.ConnectorUnregistrationFailed, &f
	m.do(Emit{Event: messages.Event{
		Type: messages.EventError, Code: m.stop.Code, Name: m.stop.Code.String(), Server: a.server(),
		Phase: messages.PhaseClose.String(), Attempt: 1, Action: messages.ActionNone, Detail: f.Error(),
		CoAP: answerText(f.Answer), Cause: f.Cause, Remedy: "Nothing needs to be done: the server forgets the registration when its lifetime ends.",
	}})
	m.left(a)
}

func (m *Machine) left(a *account) {
	a.stage = stageIdle
	m.retire(a)
	for _, other := range m.servers() {
		if other.stage == stageLeaving {
			return
		}
	}
	m.finish()
}

// stopOverdue ends the wait for the answers to de-registrations.
func (m *Machine) stopOverdue() {
	for _, a := range m.servers() {
		if a.stage == stageLeaving {
			m.failedWhileLeaving(a, messages.Failure{Class: messages.ClassSilence, Phase: messages.PhaseClose})
		}
	}
}

func (m *Machine) finish() {
	m.enter(messages.StateStopped)
	m.do(core.StopTimer{Timer: timerStop}, Finish{Stopped: *m.stop})
}
