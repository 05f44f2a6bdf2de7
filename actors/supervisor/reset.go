package supervisor

import (
	"maps"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// resets are the factory resets that the store has not answered yet.
type resets struct {
	newest  uint64 // token of the newest ForgetCredentials
	callers map[uint64]chan<- messages.Answered
}

// add returns the token of a new factory reset.
func (r *resets) add(caller chan<- messages.Answered) uint64 {
	r.newest++
	if r.callers == nil {
		r.callers = map[uint64]chan<- messages.Answered{}
	}
	r.callers[r.newest] = caller
	return r.newest
}

// take returns who waits for the answer with the token; false when nobody does.
func (r *resets) take(token uint64) (caller chan<- messages.Answered, ok bool) {
	caller, ok = r.callers[token]
	delete(r.callers, token)
	return caller, ok
}

func (r *resets) tokens() []uint64 { return slices.Sorted(maps.Keys(r.callers)) }

// factoryReset removes what a bootstrap has stored. It is allowed in every state,
// being a person's last resort.
func (m *Machine) factoryReset(in messages.CallRequest) {
	m.states.read = true // what is stored of registrations goes with the credentials
	m.do(core.Tell{To: core.Store, Message: messages.ForgetCredentials{Token: m.resets.add(in.Answer)}})
}

// forgotten ends a factory reset: everything begins anew from the factory's
// accounts.
func (m *Machine) forgotten(now time.Time, in messages.CredentialsForgotten) {
	caller, ok := m.resets.take(in.Token)
	switch {
	case !ok:
		return
	case in.Err != nil:
		m.resetFailed(caller, in.Err)
		return
	}
	m.answer(caller, messages.Answered{})
	if m.stop != nil {
		return
	}
	m.endLinger()
	m.interruptFetch()
	for _, a := range m.accounts {
		m.forget(a)
	}
	m.states.removed()
	m.writes.onDisk = false
	m.tree, m.origin, m.order, m.kept = nil, fromStore, order{}, nil
	m.loader.failures = 0
	m.load(now)
}

func (m *Machine) resetFailed(caller chan<- messages.Answered, err error) {
	f := messages.Failure{Class: messages.ClassStoreWrite, Phase: messages.PhaseStore, Cause: err}
	e := errorEvent(Lookup(&f, false), &f)
	e.Attempt, e.Action = 1, messages.ActionUser
	m.answer(caller, messages.Answered{Code: e.Code, Cause: err})
	m.do(Emit{Event: e})
}
