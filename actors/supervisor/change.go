package supervisor

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/access"
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// change is something that a management server changes of objects 1 and 2.
type change struct {
	peer     messages.Peer
	epoch    messages.Epoch
	id       uint64
	deadline time.Time // by which it has to begin
	access   bool      // it is a ChangeAccess
	done     bool      // what it follows from has happened, and it counts without the link
	allowed  func(*lwm2m.Tree, *access.Table) *refusal
	apply    func(*accounts.Transaction) error
}

// ofWrite is a Write to an instance of object 1 or 2.
func ofWrite(in messages.WriteModel) change {
	return change{
		peer: in.Peer, epoch: in.Epoch, id: in.ID, deadline: in.Deadline,
		apply: func(t *accounts.Transaction) error { return t.Update(in.Path, in.Payload, in.Replace) },
		allowed: func(tree *lwm2m.Tree, rights *access.Table) *refusal {
			switch {
			case !rights.Of(in.Peer.ID, in.Path.Object(), in.Path.Instance()).Has(access.Write):
				return refusedRight
			case !tree.HasInstance(in.Path.Object(), in.Path.Instance()):
				return refusedInstance
			}
			return nil
		},
	}
}

// ofAccess is what the creation, or the deletion, of an object instance changes of
// object 2. A deletion has been carried out already, by whatever right.
func ofAccess(in messages.ChangeAccess) change {
	c := change{peer: in.Peer, epoch: in.Epoch, id: in.ID, deadline: in.Deadline, access: true}
	if in.Deleted {
		c.done = true
		c.apply = func(t *accounts.Transaction) error { t.Withdraw(in.Instance); return nil }
		return c
	}
	c.apply = func(t *accounts.Transaction) error { return t.Grant(in.Peer.ID, in.Instance) }
	c.allowed = func(_ *lwm2m.Tree, rights *access.Table) *refusal {
		if !rights.MayCreate(in.Peer.ID, in.Instance.Object()) {
			return refusedRight
		}
		return nil
	}
	return c
}

// unauthorized says why a server may not make a change. Management has judged that
// already, by objects 1 and 2 as it knew them.
func (m *Machine) unauthorized(in change) *refusal {
	switch a := m.live(in.epoch); {
	case m.tree == nil:
		return refusedRight
	case in.done:
		return nil
	case a == nil || a.Peer != in.peer:
		return refusedRight
	}
	return in.allowed(m.tree, access.New(m.tree, accounts.Managements(m.tree)))
}
