package supervisor

import (
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// origin is where the accounts in force come from, in order of preference: none
// of the earlier ones could be used.
type origin uint8

const (
	fromStore            origin = iota // the newest usable generation of the credentials
	fromBefore                         // one before the newest, which may be read another time
	fromUse                            // what was in use when the store was read again
	fromFactory                        // a management account of the factory
	fromFactoryBootstrap               // the factory's bootstrap account alone
	fromRefused                        // the bootstrap account of a record that cannot be used otherwise
	asConfigured                       // nothing is stored: the factory's accounts, with what servers have written to them
)

// String says what is used, for a person.
func (o origin) String() string {
	names := [...]string{
		"the generation before is used", "the generation before is used", "what was read before stays in use", "the factory's account is used",
		"the factory's bootstrap account is used", "its bootstrap account is used", "the factory's accounts are used",
	}
	if int(o) < len(names) {
		return names[o]
	}
	return "invalid"
}

// action is what the client does next.
func (o origin) action() messages.Action {
	switch o {
	case fromFactory:
		return messages.ActionRegister
	case fromFactoryBootstrap, fromRefused:
		return messages.ActionBootstrap
	case fromUse, fromBefore:
		return messages.ActionRetry // of the look at the store
	}
	return messages.ActionNone
}

// unreadError says what is wrong with the newest credentials, and what is used
// in their place.
type unreadError struct {
	cause error
	used  origin
}

func (e *unreadError) Error() string {
	if e.cause == nil {
		return "the newest credentials cannot be used; " + e.used.String()
	}
	return "the newest credentials cannot be used; " + e.used.String() + ": " + e.cause.Error()
}

func (e *unreadError) Unwrap() error { return e.cause }

// heldError says that the credentials in use are not on the disk, and why.
type heldError struct{ cause error }

func (e *heldError) Error() string {
	return "the newest credentials are in memory only, and end with this process: " + e.cause.Error()
}

func (e *heldError) Unwrap() error { return e.cause }

// makeshift reports whether the accounts are a substitute: used only because the
// store has some that could not be read.
func (o origin) makeshift() bool {
	return o == fromBefore || o == fromFactory || o == fromFactoryBootstrap || o == fromRefused
}

// configured reports whether the accounts are the factory's, over which the
// configuration has the say.
func (o origin) configured() bool { return o == fromFactory || o == asConfigured }

// wayBack finds the accounts to use where the store has none that can be used. If
// it should have some, those already in use come first, then the factory's, even
// if only some of them are usable, and last any bootstrap account that can be
// found, because a bootstrap brings new ones.
func wayBack(in messages.AccountsLoaded, storedErr error, factory, inUse *lwm2m.Tree) (*lwm2m.Tree, origin) {
	switch {
	case storedErr == nil:
		return factory, asConfigured
	case inUse != nil:
		return inUse, fromUse
	}
	for _, tree := range []*lwm2m.Tree{factory, orEmpty(in.Factory)} {
		if usable, _ := accounts.FromTree(tree); len(usable) > 0 {
			return tree, factoryOrigin(usable)
		}
	}
	content := in.Refused
	if in.Stored != nil {
		content = in.Stored
	}
	return orEmpty(accounts.BootstrapOnly(content)), fromRefused
}

func orEmpty(tree *lwm2m.Tree) *lwm2m.Tree {
	if tree == nil {
		return lwm2m.NewTree()
	}
	return tree
}

// factoryOrigin says whether the factory's accounts include a management account;
// they are sorted, the bootstrap account first.
func factoryOrigin(usable []messages.Account) origin {
	if usable[len(usable)-1].Peer == messages.BootstrapPeer() {
		return fromFactoryBootstrap
	}
	return fromFactory
}
