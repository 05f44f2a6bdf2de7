package supervisor

import (
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// loader knows when store and files are looked at, and whether they have
// answered.
type loader struct {
	token    uint64    // of the newest LoadAccounts
	asked    bool      // it has not been answered yet
	outdated bool      // a bootstrap has stored other accounts since it was asked
	failures uint32    // consecutive looks that found something to look at again
	lookAt   time.Time // when that is done; zero when it is not planned
}

// ask returns the token of a new LoadAccounts.
func (l *loader) ask() uint64 {
	l.token++
	l.asked, l.outdated, l.lookAt = true, false, time.Time{}
	return l.token
}

// answered reports whether an answer counts: it is the one to the newest
// question.
func (l *loader) answered(token uint64) bool {
	if token != l.token {
		return false
	}
	l.asked, l.lookAt = false, time.Time{}
	return true
}

// deaf ignores answers that come late from now on: what is in use is about to be
// newer.
func (l *loader) deaf() { l.token++ }

// silent notes that the newest question has not been answered in time. An answer
// that comes late counts, unless a newer one has been asked for.
func (l *loader) silent() {
	l.asked = false
	l.failures++
}

// finding is what an answer of the store comes to.
type finding struct {
	tree     *lwm2m.Tree // objects 0, 1 and 2 to use
	origin   origin
	troubles []trouble // what is reported, in order
	unread   bool      // what servers have written could not be read, but may be another time
}

// trouble is something that cannot be read or used.
type trouble struct {
	class  messages.Class
	cause  error
	action messages.Action
	again  bool // looking again, by the policy, can find it mended
}

// again reports whether there is something to look at again.
func (f *finding) again() bool {
	for _, t := range f.troubles {
		if t.again {
			return true
		}
	}
	return f.unread
}

// errNoAccount is why a client without any trouble does nothing.
var errNoAccount = errors.New("neither the configuration nor the store has a usable account")

// judge decides which accounts the client uses: what a bootstrap has stored wins
// over the factory's. A store that cannot be read is no reason to stay offline.
// inUse are the objects of the accounts in use, nil when there is none but the
// bootstrap account.
func judge(in messages.AccountsLoaded, factory, inUse *lwm2m.Tree) finding {
	tree, storedErr := stored(in, factory)
	if tree != nil {
		origin := fromStore
		if in.Unread {
			origin = fromBefore
		}
		return finding{tree: tree, origin: origin, troubles: troubles(in, nil, origin)}
	}
	tree, origin := wayBack(in, storedErr, factory, inUse)
	return finding{tree: tree, origin: origin, troubles: troubles(in, storedErr, origin)}
}

// stored decodes the record of credentials; nil means that none is usable.
func stored(in messages.AccountsLoaded, factory *lwm2m.Tree) (*lwm2m.Tree, error) {
	if in.StoredErr != nil || in.Stored == nil {
		return nil, in.StoredErr
	}
	tree, err := accounts.Decode(in.Stored)
	if err != nil {
		return nil, err
	}
	if err := accounts.Check(accounts.WithBootstrapOf(factory, tree)); err != nil {
		return nil, err
	}
	return tree, nil
}

// troubles lists what cannot be read, while the client goes on with what can. A
// store that cannot be read, and files that the configuration names, are looked
// at again: what they have wins when it can be used.
func troubles(in messages.AccountsLoaded, storedErr error, o origin) (all []trouble) {
	switch {
	case in.Held != nil:
		all = append(all, trouble{messages.ClassStoreWrite, &heldError{in.Held}, messages.ActionRetry, true})
	case storedErr != nil:
		all = append(all, trouble{messages.ClassStoreRead, &unreadError{storedErr, o}, o.action(), true})
	case in.FellBack:
		all = append(all, trouble{messages.ClassStoreRead, &unreadError{in.Cause, o}, o.action(), in.Unread})
	}
	if in.FactoryCause != nil {
		all = append(all, trouble{messages.ClassStoreRead, in.FactoryCause, messages.ActionNone, false})
	}
	if in.FactoryErr != nil {
		all = append(all, trouble{in.FactoryClass, in.FactoryErr, messages.ActionUser, true})
	}
	return all
}

// nothingUsable says, once, why there is no account at all. No packet leaves.
func nothingUsable(in messages.AccountsLoaded, factory *lwm2m.Tree) trouble {
	_, storedErr := stored(in, factory)
	switch {
	case storedErr != nil:
		return trouble{messages.ClassStoreRead, storedErr, messages.ActionRetry, true}
	case in.FactoryErr != nil:
		return trouble{in.FactoryClass, in.FactoryErr, messages.ActionUser, true}
	}
	return trouble{messages.ClassBadCredentials, errNoAccount, messages.ActionUser, true}
}
