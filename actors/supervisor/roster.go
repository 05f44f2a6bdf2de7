package supervisor

import (
	"slices"

	"github.com/holdfast-iot/holdfast/messages"
)

// roster has the accounts in order, the bootstrap account first: effects do not depend on
// chance. There is one or there are a few, which takes no map. It is never changed in
// place: who goes through one while accounts come and go sees those that there were.
type roster []*account

// of returns the account of a peer; nil for none.
func (r roster) of(p messages.Peer) *account {
	if at, found := r.search(p); found {
		return r[at]
	}
	return nil
}

func (r roster) search(p messages.Peer) (at int, found bool) {
	return slices.BinarySearchFunc(r, p, func(a *account, p messages.Peer) int { return a.Peer.Compare(p) })
}

// with returns the roster with an account, in place of the one before of the same number.
func (r roster) with(a *account) roster {
	at, found := r.search(a.Peer)
	rest := r[at:]
	if found {
		rest = rest[1:]
	}
	return slices.Concat(r[:at], roster{a}, rest)
}

// without returns the roster without the account of a peer.
func (r roster) without(p messages.Peer) roster {
	at, found := r.search(p)
	if !found {
		return r
	}
	return slices.Concat(r[:at], r[at+1:])
}

// those returns the accounts for which is holds, in a slice of its own.
func (r roster) those(is func(*account) bool) (some []*account) {
	for _, a := range r {
		if is(a) {
			some = append(some, a)
		}
	}
	return some
}

// servers returns the management accounts.
func (r roster) servers() roster {
	if len(r) > 0 && r[0].bootstrap() {
		return r[1:]
	}
	return r
}
