package holdfast

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/actors/storage"
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/clientview"
	"github.com/holdfast-iot/holdfast/internal/credfile"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/internal/wallclock"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// Provision writes the accounts of a configuration into its state directory,
// as a factory does. It first checks the configuration with its URIs, then the
// certificates, the keys, and that they match, and reports all faults of a step
// together. A client whose configuration has neither bootstrap nor server then
// starts from them, and a factory reset goes back to them. What a bootstrap stored
// there before is removed. A directory in use is an error for which errors.Is(err,
// ErrStoreInUse) holds; for one that cannot be used for another reason, such as
// that it belongs to another user, errors.Is(err, ErrStore) does.
func Provision(ctx context.Context, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return codeError(CodeInvalidParameters, PhaseConfig, err)
	}
	if cfg.Bootstrap == nil && cfg.Server == nil {
		return codeError(CodeInvalidCredentials, PhaseStore, errNothingToProvision)
	}
	cfg = cfg.withDefaults()
	tree, err := cfg.factoryTree()
	if err != nil {
		return credentialsError(err)
	}
	record, err := accounts.EncodeWithin(tree, accounts.Limits{})
	if err != nil {
		return codeError(CodeStoreCredentials, PhaseStore, err)
	}
	return withStore(ctx, cfg.StateDir, func(s *store.Store) error {
		if _, err := s.Save(messages.RecordFactory, record); err != nil {
			return err
		}
		return storage.Forget(s)
	})
}

var errNothingToProvision = errors.New("the configuration has neither a bootstrap nor a server section")

// FactoryReset removes what a bootstrap and servers have left in a state directory
// that no client uses: credentials, and what is known of registrations. For one in use, call [Client.FactoryReset] or the control
// API.
func FactoryReset(ctx context.Context, stateDir string) error {
	return withStore(ctx, stateDir, func(s *store.Store) error { return storage.Forget(s) })
}

// withStore opens a state directory for one write.
func withStore(ctx context.Context, dir string, write func(*store.Store) error) error {
	s, err := store.Open(ctx, store.Options{Dir: dir, MaxRecord: accounts.MaxRecord, Check: accounts.CheckRecord})
	if err != nil {
		return storeError(err)
	}
	if err := errors.Join(write(s), s.Close()); err != nil {
		return codeError(CodeStoreCredentials, PhaseStore, err)
	}
	return nil
}

// factory reads the factory's accounts anew: those of the configuration
// (developer mode), else the provisioned ones (factory mode). Beside an error it
// returns what can be used all the same, nil for nothing.
func (c *Client) factory() (*lwm2m.Tree, error) {
	if c.config.Bootstrap != nil || c.config.Server != nil {
		c.certificates.look(c.config.byPeer())
		tree, err := c.config.factoryTreeAt(c.clock())
		return tree, classified(err)
	}
	record, err := c.store.Load(messages.RecordFactory)
	if errors.Is(err, store.ErrNotExist) {
		return lwm2m.NewTree(), nil
	}
	if err != nil {
		return nil, &provisionError{err}
	}
	tree, err := accounts.Decode(record.Data)
	switch {
	case err != nil:
		return nil, &provisionError{err}
	case record.FellBack:
		return tree, &provisionError{&fellBackError{record.Cause}}
	}
	return tree, nil
}

// fellBackError says that the accounts of an earlier provisioning are used.
type fellBackError struct{ cause error }

func (e *fellBackError) Error() string {
	return "the newest generation cannot be used (" + e.cause.Error() + "); the one before is used"
}

func (e *fellBackError) Unwrap() error { return e.cause }

// FellBack tells the error from one that leaves nothing to use.
func (e *fellBackError) FellBack() bool { return true }

// provisionError says that the provisioned accounts cannot be read, or none of
// them used.
type provisionError struct{ err error }

func (e *provisionError) Error() string { return "provisioned accounts: " + e.err.Error() }

func (e *provisionError) Unwrap() error { return e.err }

// Code classifies the error for the recovery table.
func (e *provisionError) Code() messages.ErrorCode {
	if _, unusable := errors.AsType[*accounts.Fault](e.err); unusable {
		return messages.ConnectorInvalidCredentials
	}
	return messages.ConnectorFailedToReadCredentials
}

// certificates knows when the own certificates of the configuration expire, also of
// accounts that cannot be used for just that.
type certificates struct {
	mu      sync.Mutex
	expires map[messages.Peer]time.Time
}

// look reads them. It is called whenever the named files are read, by whoever does
// that.
func (c *certificates) look(accounts map[messages.Peer]*Account) {
	var expires map[messages.Peer]time.Time // nil for clients without one, of which a process may have many
	for peer, a := range accounts {
		at := credfile.Expires(a.source())
		if at.IsZero() {
			continue
		}
		if expires == nil {
			expires = map[messages.Peer]time.Time{}
		}
		expires[peer] = at
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expires = expires
}

func (c *certificates) of(peer messages.Peer) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.expires[peer]
}

// byPeer returns the accounts of a configuration.
func (c Config) byPeer() map[messages.Peer]*Account {
	all := map[messages.Peer]*Account{}
	if c.Bootstrap != nil {
		all[messages.BootstrapPeer()] = c.Bootstrap
	}
	if c.Server != nil {
		all[messages.ManagementPeer(configServerID)] = c.Server
	}
	return all
}

// Configured implements clientview.Client.
func (v view) Configured() []clientview.Account {
	var list []clientview.Account
	for peer, a := range v.config.byPeer() {
		server := a.URI
		if u, err := a.serverURI(v.config.AccountID); err == nil {
			server = cmp.Or(a.written(u), u.String())
		}
		list = append(list, clientview.Account{Peer: peer, Server: server, CertificateExpires: v.certificates.of(peer)})
	}
	return list
}

// clockNow is what is known of the time without a state directory.
func clockNow() validity.Clock { return validity.Clock{Now: time.Now(), Known: wallclock.Built()} }

// built returns when the program was built. A simulated network has a simulated
// clock, which has nothing to do with that.
func (c *Client) built() time.Time {
	if c.settings.Transport != nil {
		return time.Time{}
	}
	return wallclock.Built()
}

// clock is what is known of the time, with what the records of state say where
// there is a certificate to judge by it.
func (c *Client) clock() validity.Clock {
	clock := validity.Clock{Now: c.wall().At(time.Now()), Known: c.built()}
	if c.config.certified() {
		clock.Known = validity.Later(clock.Known, storage.Newest(c.store, c.built()))
	}
	return clock
}

// certified reports whether an account of the configuration has certificates.
func (c Config) certified() bool {
	for _, a := range []*Account{c.Bootstrap, c.Server} {
		if a != nil && a.Security == SecurityX509 {
			return true
		}
	}
	return false
}

// wall says what the wall clock shows.
func (c *Client) wall() validity.Wall { return c.settings.Wall }
