package supervisor

import (
	"errors"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// What a management server changes of objects 1 and 2 goes through the transaction
// that a bootstrap goes through, and is answered when it is durable
// (docs/design.md, Durable state). One change is carried out at a time: each begins
// with what the one before has left.

// Tokens of the records of this file; those of records of state are keys of peers,
// which are larger.
const (
	tokenWrite = iota + 1 // the Write under way
	tokenVoid             // the removal, or replacement, of what servers have written
)

// writes are the changes of management servers that have no answer yet.
type writes struct {
	queue    []change                // at most one of each link; the first may be at the disk
	result   *lwm2m.Tree             // objects 0, 1 and 2 with that change; nil when none is at the disk
	answered []messages.ModelWritten // decided, and management has not said that the server knows
	effects  []core.Effect           // of the step under way, behind all but records of state

	basis  accounts.Digest // of the factory's accounts in use, as configured
	onDisk bool            // there may be a record of what servers have written to them
	unread bool            // it could not be read, but may be another time
	told   bool            // that it cannot be used
	unsure bool            // the last change has failed, and may have become durable all the same
}

// underWay reports whether a Write is at the disk.
func (w *writes) underWay() bool { return w.result != nil }

// asks reports whether a Write of the link waits already.
func (w *writes) asks(epoch messages.Epoch) bool {
	return slices.ContainsFunc(w.queue, func(in change) bool { return in.epoch == epoch })
}

// refusal says why a Write is not carried out.
type refusal struct {
	code   messages.CoAPCode
	detail string
}

var (
	refusedStopping  = &refusal{messages.ServiceUnavailable, "the client is stopping"}
	refusedBootstrap = &refusal{messages.ServiceUnavailable, "a bootstrap is under way"}
	refusedReset     = &refusal{messages.ServiceUnavailable, "a factory reset is under way"}
	refusedLoading   = &refusal{messages.ServiceUnavailable, "the stored accounts are being read"}
	refusedLate      = &refusal{messages.ServiceUnavailable, "the disk is busy"}
	refusedOne       = &refusal{messages.ServiceUnavailable, "another Write of this server is under way"}
	refusedMakeshift = &refusal{messages.ServiceUnavailable, "what is stored cannot be read at present"}
	refusedOften     = &refusal{messages.ServiceUnavailable, "too many changes within a short time"}
	refusedRight     = &refusal{messages.Unauthorized, "the server has no right to that"}
	refusedInstance  = &refusal{messages.NotFound, "the instance is gone"}
)

// changeAsked takes a change.
func (m *Machine) changeAsked(now time.Time, in change) {
	if m.writes.asks(in.epoch) {
		m.decide(in, refusedOne)
		return
	}
	m.writes.queue = append(m.writes.queue, in)
	m.nextWrite(now)
}

// nextWrite carries out the changes that wait, as far as the disk is free.
func (m *Machine) nextWrite(now time.Time) {
	for len(m.writes.queue) > 0 && !m.writes.underWay() {
		in := m.writes.queue[0]
		done, refused := m.carryOutWrite(now, in)
		if !done {
			return // at the disk
		}
		m.writes.queue = m.writes.queue[1:]
		m.decide(in, refused)
	}
}

// decide answers a change; nil for success.
func (m *Machine) decide(in change, refused *refusal) {
	answer := messages.ModelWritten{Epoch: in.epoch, ID: in.id, Access: in.access, Code: messages.Changed}
	if refused != nil {
		answer.Code, answer.Detail = refused.code, refused.detail
	}
	m.writes.answered = append(m.writes.answered, answer)
	m.do(core.Tell{To: core.Management, Message: answer})
}

// carryOutWrite does a change as far as the disk. It is done when there is nothing
// to store, or it is refused.
func (m *Machine) carryOutWrite(now time.Time, in change) (done bool, refused *refusal) {
	if refused := m.unready(now, in); refused != nil {
		return true, refused
	}
	t := accounts.Begin(m.tree, accounts.Terms{Registry: m.config.Registry, Limits: accounts.Limits{Bytes: m.config.MaxBytes}})
	if err := in.apply(t); err != nil {
		return true, refusedFor(err)
	}
	result := t.Tree()
	if result.Equal(m.tree) && !m.writes.unsure {
		return true, nil // it is stored already
	}
	if a := m.live(in.epoch); a != nil && !a.changes.take(now) {
		return true, refusedOften
	}
	record, data, err := m.recordOf(result)
	if err != nil {
		return true, refusedFor(err)
	}
	m.writes.result = result
	m.loader.deaf()
	m.writes.effects = append(m.writes.effects, core.Persist{Token: tokenWrite, Record: record, Data: data})
	return false, nil
}

// unready says why no change, or not this one, can be carried out now.
func (m *Machine) unready(now time.Time, in change) *refusal {
	switch {
	case m.stop != nil:
		return refusedStopping
	case !now.Before(in.deadline):
		return refusedLate
	}
	if refused := m.unauthorized(in); refused != nil {
		return refused
	}
	return m.busy()
}

// busy says what replaces, or may replace, what a change would begin with.
func (m *Machine) busy() *refusal {
	b := m.bootstrapAccount()
	switch {
	case b != nil && b.attempting():
		return refusedBootstrap
	case len(m.resets.callers) > 0:
		return refusedReset
	case m.loader.asked:
		return refusedLoading
	case m.origin == fromBefore, m.origin.configured() && m.writes.unread: // to store would hide what may be read another time
		return refusedMakeshift
	}
	return nil
}

// refusedFor answers what the transaction has refused, whole.
func refusedFor(err error) *refusal {
	var limit *accounts.LimitError
	if errors.As(err, &limit) {
		return &refusal{messages.RequestEntityTooLarge, err.Error()}
	}
	if is, ok := errors.AsType[*accounts.RefusedError](err); ok && is.Reason == accounts.RefusedReadOnly {
		return &refusal{messages.MethodNotAllowed, err.Error()}
	}
	return &refusal{messages.BadRequest, err.Error()}
}

// recordOf returns the record that makes a tree durable: the credentials where a
// bootstrap has delivered the accounts, else one of its own, so that later changes
// of the configuration still count.
func (m *Machine) recordOf(tree *lwm2m.Tree) (name string, data []byte, err error) {
	if m.origin.configured() {
		data, err = accounts.EncodeWritten(accounts.WrittenOn(tree, m.writes.basis))
		return messages.RecordServer, data, err
	}
	data, err = accounts.EncodeWithin(tree, accounts.Limits{})
	return messages.RecordCredentials, data, err
}

// written takes the disk's answer to the Write under way: what is durable is in
// force, and what is not has never been.
func (m *Machine) written(now time.Time, err error) {
	if !m.writes.underWay() {
		return
	}
	in, result := m.writes.queue[0], m.writes.result
	m.writes.queue, m.writes.result, m.writes.unsure = m.writes.queue[1:], nil, err != nil
	if err != nil {
		m.decide(in, &refusal{messages.InternalServerError, "the change could not be stored"})
		m.storeFailed(in.peer, err)
	} else {
		m.states.failed = false
		m.writes.onDisk = m.writes.onDisk || m.origin.configured()
		m.putInForce(result, m.origin)
		m.decide(in, nil)
	}
	m.nextWrite(now)
	m.bootstrapAfterWrite(now)
	m.finishWhenLeft()
}

// writeAnswered is called when a server has its answer: registration is told what
// has changed behind it.
func (m *Machine) writeAnswered(in messages.WriteAnswered) {
	m.writes.answered = slices.DeleteFunc(m.writes.answered, func(w messages.ModelWritten) bool {
		return w.Epoch == in.Epoch && w.ID == in.ID
	})
	m.announce(true)
}

// answerWritesAgain repeats what management may have lost in a crash, which is also
// that it has said so.
func (m *Machine) answerWritesAgain() {
	for _, answer := range m.writes.answered {
		m.do(core.Tell{To: core.Management, Message: answer})
	}
}

// bootstrapAfterWrite begins the attempt that has waited for a Write to be stored: a
// bootstrap works on what the Write has left, and replaces it.
func (m *Machine) bootstrapAfterWrite(now time.Time) {
	if b := m.bootstrapAccount(); b != nil && b.stage == stageResolving && b.epoch == 0 && !m.writes.underWay() {
		b.attempt = b.attempt.next(now.Add(m.config.Budget))
		m.spawn(now, b)
	}
}
