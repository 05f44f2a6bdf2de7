package supervisor

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/decay"
	"github.com/holdfast-iot/holdfast/messages"
)

// Memory is what outlives a supervisor that has crashed: plain values, which the
// shell hands from one machine to the next. A machine writes it at the end of a
// step only, so that a step that panics leaves what the one before it knew. The
// zero value is that of a client that begins.
type Memory struct {
	// epoch counts up for the life of the client, whatever else is lost: a late
	// message from a link of a machine before never fits one of the next.
	epoch  messages.Epoch
	paused bool
	looks  uint32 // consecutive looks at the store that found something amiss

	accounts keeping
	order    order
	budget   Budget
	rates    rates
	siblings map[core.Role]decay.Decay
	unused   []messages.Peer // accounts that are reported as beyond the limit
	fetch    *pastFetch      // the download under way, or the one before; nil for none
	setAside uint64          // crashes until the memory was set aside; 0 when it was not
	states   states
	roaming  *roaming // what others have said of it, without a hint
}

// setAsideDetail says what a supervisor does that crashes again with what it
// remembered.
const setAsideDetail = "the supervisor crashed again after its counts, pauses and Locations had been restored: " +
	"they are set aside, and it begins anew"

// kept is what is remembered of one account.
type kept struct {
	account      *messages.Account // never changed
	outage       outage
	pending      pending
	chosen       netip.AddrPort // the address that was tried last
	registration *messages.Registration
	changes      changes
	disabled     disabling
	waiting      bool // for the end of a delay
	registered   bool // on a link that has gone down with the machine
}

// nextEpoch returns an epoch that there has never been.
func (m *Memory) nextEpoch() messages.Epoch {
	m.epoch++
	return m.epoch
}

// SetAside returns what a machine may begin with when the memory itself may be
// what the one before crashed over: a number and a switch. crashes is how many
// there have been.
func (m Memory) SetAside(crashes uint64) Memory {
	return Memory{epoch: m.epoch, paused: m.paused, setAside: crashes, roaming: m.roaming}
}

// remember writes down what a machine after this one has to know. It does so at the
// end of every step, and so into the memory that is there.
func (m *Machine) remember() {
	mem := m.memory
	mem.paused, mem.rates, mem.setAside = m.paused, m.rates, 0
	mem.roaming = m.roaming.heeded(time.Time{})
	mem.looks, mem.unused = m.loader.failures, m.unused
	if mem.fetch = m.past; m.fetch != nil {
		mem.fetch = m.fetch.past()
	}
	mem.order.copy(&m.order)
	mem.budget.copy(&m.budget)
	mem.states.copy(&m.states)
	mem.rememberSiblings(m.siblings)
	mem.rememberAccounts(m)
}

func (mem *Memory) rememberSiblings(siblings map[core.Role]decay.Decay) {
	if len(siblings) == 0 {
		mem.siblings = nil
		return
	}
	mem.siblings = maps.Clone(siblings)
}

func (mem *Memory) rememberAccounts(m *Machine) {
	for _, k := range m.kept {
		mem.accounts.put(k)
	}
	for _, a := range m.accounts {
		mem.accounts.put(a.keep())
	}
	if len(m.kept) == 0 && len(mem.accounts) == len(m.accounts) {
		return // those, and no other
	}
	mem.accounts = slices.DeleteFunc(mem.accounts, func(k *kept) bool {
		_, unread := m.kept[k.account.Peer]
		return m.accounts.of(k.account.Peer) == nil && !unread
	})
}

// keeping has what is remembered of accounts, in their order.
type keeping []*kept

func (all keeping) search(p messages.Peer) (at int, found bool) {
	return slices.BinarySearchFunc(all, p, func(k *kept, p messages.Peer) int { return k.account.Peer.Compare(p) })
}

// put writes what is remembered of an account from now on where what was before is.
func (all *keeping) put(k kept) {
	at, found := all.search(k.account.Peer)
	if found {
		*(*all)[at] = k
		return
	}
	*all = slices.Insert(*all, at, new(k))
}

func (a *account) keep() kept {
	return kept{
		account: a.Account, outage: a.outage, pending: a.pending, chosen: a.attempt.chosen,
		registration: a.registration, changes: a.changes, disabled: a.disabled,
		waiting: a.stage == stageWaiting || !a.pending.due.IsZero(), registered: a.stage == stageRegistered,
	}
}

// recall begins with what a machine before this one knew. Its accounts are
// recalled when they have been read from the store.
func (m *Machine) recall() {
	m.paused, m.rates = m.memory.paused, m.memory.rates
	if len(m.memory.accounts) > 0 {
		m.kept = make(map[messages.Peer]kept, len(m.memory.accounts))
	}
	for _, k := range m.memory.accounts {
		m.kept[k.account.Peer] = *k
	}
	if m.roaming = m.memory.roaming; m.roaming == nil {
		m.roaming = nowhere
	}
	m.order.copy(&m.memory.order)
	m.budget.copy(&m.memory.budget)
	m.states.copy(&m.memory.states)
	m.loader.failures, m.unused = m.memory.looks, m.memory.unused
	if m.config.Update {
		m.past = m.memory.fetch
	}
	m.states.distrusted = m.memory.setAside > 0
	m.siblings = maps.Clone(m.memory.siblings)
}

// restarted begins the life of a machine, which may not be the client's first:
// registrations that were up have lost their links.
func (m *Machine) restarted(now time.Time) {
	for peer, k := range m.kept {
		if k.registered {
			k.outage.lost(now)
			m.kept[peer] = k
		}
	}
	if m.memory.setAside > 0 {
		m.degraded(core.Supervisor.String(), float64(m.memory.setAside), setAsideDetail)
	}
}

// newAccount returns an account with what is remembered of it. A new server of
// the same number inherits the count only, and new credentials are not those that
// the server has registered.
func (m *Machine) newAccount(acct messages.Account) *account {
	a := &account{}
	m.use(a, acct)
	k, known := m.kept[acct.Peer]
	if !known {
		return a
	}
	delete(m.kept, acct.Peer)
	a.outage = k.outage
	if a.URI.String() != k.account.URI.String() {
		return a
	}
	a.pending, a.attempt.chosen, a.changes, a.disabled = k.pending, k.chosen, k.changes, k.disabled
	a.pending.due, a.recalled = time.Time{}, k.waiting
	if sameServer(acct, *k.account) {
		a.knows(k.registration)
	}
	return a
}

// goOn lets accounts that were recalled wait for the rest of their delay, in the
// order in which they were to begin.
func (m *Machine) goOn(now time.Time) {
	if m.paused {
		return
	}
	m.blockUntil(now, m.order.blocked)
	recalled := m.accounts.those(func(a *account) bool { return a.recalled })
	slices.SortStableFunc(recalled, func(a, b *account) int { return a.pending.wanted.Compare(b.pending.wanted) })
	for _, a := range recalled {
		a.recalled, a.stage = false, stageWaiting
		m.waitOn(now, a)
	}
}

// waitOn waits for the rest of a delay. Links are gone: what was to be repeated
// on one takes an attempt.
func (m *Machine) waitOn(now time.Time, a *account) {
	step, rest := a.pending.step, max(later(a.pending.wanted, a.pending.floor).Sub(now), 0)
	if step != Bootstrap && (step != Reload || rest == 0) {
		step = Retry
	}
	if rest == 0 && m.turnAfter(now, a, 0) == 0 {
		a.pending.step = step
		m.due(now, a)
		return
	}
	m.wait(now, a, rest, step)
}
