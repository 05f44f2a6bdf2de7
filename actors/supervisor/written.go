package supervisor

import (
	"errors"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// What servers write to the factory's accounts is a record of its own, which is
// applied to them at a start.

// replaceWritten puts what is configured now in the place of what servers have written
// to accounts that were configured otherwise. One write does that at once: to remove
// the record takes one for each generation, and a process that is killed in between
// would leave an older one.
func (m *Machine) replaceWritten(configured *lwm2m.Tree) {
	data, err := accounts.EncodeWritten(accounts.WrittenOn(configured, m.writes.basis))
	if err != nil {
		m.voidWritten()
		return
	}
	m.writes.unread = false
	m.writes.effects = append(m.writes.effects, core.Persist{Token: tokenVoid, Record: messages.RecordServer, Data: data})
}

// voidWritten removes what servers have written to accounts that a bootstrap has
// replaced. Where the record, or a part of it, comes back, it still has no say: the
// credentials of the bootstrap do.
func (m *Machine) voidWritten() {
	if m.writes.onDisk {
		m.writes.onDisk, m.writes.unread = false, false
		m.writes.effects = append(m.writes.effects, core.Persist{Token: tokenVoid, Record: messages.RecordServer})
	}
}

// takeWritten applies to the factory's accounts what servers have written to them.
// A configuration that cannot be read as a whole does not say that it has changed.
func (m *Machine) takeWritten(in messages.AccountsLoaded, found *finding) {
	m.writes.onDisk = in.Written.Data != nil || in.Written.Err != nil || in.StoredErr != nil
	if !found.origin.configured() {
		if found.origin == fromStore { // a bootstrap has replaced them
			m.voidWritten()
		}
		return
	}
	was := m.writes.basis
	m.writes.basis = accounts.BasisOf(found.tree)
	known := m.inUse() != nil && m.origin.configured() && was == m.writes.basis && !m.writes.unread
	m.writes.unread = in.Written.Unread && !known
	found.unread = m.writes.unread
	tree, err := restored(in.Written, found.tree)
	switch {
	case err == nil:
		found.tree, m.writes.told = tree, false
	case errors.Is(err, accounts.ErrVoid):
		if in.FactoryErr == nil && in.FactoryCause == nil {
			m.replaceWritten(found.tree)
		}
	case known: // it was read before
		found.tree = accounts.WrittenOn(m.tree, was).Apply(found.tree)
	case in.StoredErr == nil: // else that is reported
		m.writtenTrouble(err)
	}
}

// restored returns the factory's accounts as servers have written them, if they
// have.
func restored(written messages.StoredState, factory *lwm2m.Tree) (*lwm2m.Tree, error) {
	if written.Err != nil || written.Data == nil {
		return factory, written.Err
	}
	return accounts.Restore(factory, written.Data)
}

// writtenTrouble reports, once, that what servers have written cannot be used. No
// credential is lost: the servers find what the configuration says.
func (m *Machine) writtenTrouble(err error) {
	if m.writes.told {
		return
	}
	m.writes.told = true
	detail := "what servers have written cannot be used, so that the configuration counts: "
	if m.writes.unread {
		detail = "what servers have written cannot be read, so that the configuration counts until it can: "
	}
	m.do(Emit{Event: messages.Event{
		Type: messages.EventDegraded, Actor: core.Store.String(), Cause: err, Detail: detail + oneLine(err.Error()),
	}})
}
