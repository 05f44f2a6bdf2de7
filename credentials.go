package holdfast

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
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
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

// configServerID is the short server ID of the configured management account.
const configServerID = 1

// CheckFiles is Validate that also reads the files that the configuration names
// and reports everything that is wrong with them: missing, unreadable,
// unparsable, expired, or a key that does not belong to its certificate. An
// account that is not valid in itself is left out of that. Of the state directory
// and that of images it reports, as this user sees it, that others could change what
// is in it; it makes and changes nothing there. The program that installs an image must be
// there.
//
// The error is nil, an [*Error] whose cause is what Validate returns, or one of
// the code that [CredentialsError.Code] names, whose cause is a
// [*CredentialsError]; or it joins the two.
func (c Config) CheckFiles() error {
	invalid, ok := errors.AsType[*ConfigError](c.Validate())
	if !ok {
		return c.checkNamed()
	}
	for _, f := range invalid.Faults {
		switch section, _, _ := strings.Cut(f.Key, "."); section {
		case configBootstrap:
			c.Bootstrap = nil
		case configServer:
			c.Server = nil
		case configFirmware:
			c.Firmware = nil
		}
	}
	wrong := codeError(CodeInvalidParameters, PhaseConfig, invalid)
	if err := c.checkNamed(); err != nil {
		return errors.Join(wrong, err)
	}
	return wrong
}

// ClockFaults says which certificates of the files that a configuration names nothing
// is against but this machine's clock: they are not valid yet, or expired only by a
// clock that is known to be wrong. The configuration is as good as without them: a
// client starts with it, and waits until they are valid, or the clock is set. Files
// that cannot be used are for [Config.CheckFiles].
func (c Config) ClockFaults() []Fault {
	clock := clockNow()
	faults := append(clockFaults(configBootstrap, c.Bootstrap, clock), clockFaults(configServer, c.Server, clock)...)
	if c.Firmware != nil && c.Firmware.Download != nil {
		faults = append(faults, clockFaults(configDownload, c.Firmware.Download.account(), clock)...)
	}
	return faults
}

func clockFaults(section string, a *Account, clock validity.Clock) (faults []Fault) {
	if a == nil || !a.Security.certified() {
		return nil
	}
	named, _ := credfile.Read(a.source(), clock)
	if says := clock.Blamed(true, named.Certificate); says != "" {
		faults = append(faults, Fault{Key: section + ".certificate", Problem: says})
	}
	if says := clock.Blamed(false, named.ServerCertificates); says != "" {
		faults = append(faults, Fault{Key: section + ".trust", Problem: says})
	}
	return faults
}

// checkNamed looks at what a configuration names whose accounts are valid.
func (c Config) checkNamed() error {
	faults := dirFaults("state_dir", c.withDefaults().StateDir)
	var list *CredentialsError
	if _, err := c.factoryTree(); errors.As(err, &list) {
		faults = append(faults, list.Faults...)
	}
	faults = append(faults, c.firmwareFaults(clockNow())...)
	if c.hasTrustStore() {
		_, wrong := c.readTrustStore()
		faults = append(faults, wrong...)
	}
	if len(faults) > 0 {
		return credentialsError(&CredentialsError{Faults: faults})
	}
	return nil
}

// factoryTree reads the named files and returns objects 0 and 1 of the
// configured accounts, for a valid configuration. The error is a
// [*CredentialsError]; beside it stand the accounts that are not at fault, nil
// for none.
func (c Config) factoryTree() (*lwm2m.Tree, error) {
	return c.factoryTreeAt(clockNow())
}

func (c Config) factoryTreeAt(now validity.Clock) (*lwm2m.Tree, error) {
	c = c.withDefaults()
	now.Known = validity.Later(now.Known, c.newestCertificate(now))
	bootstrap, faults := c.factoryAccount(configBootstrap, c.Bootstrap, now)
	server, more := c.factoryAccount(configServer, c.Server, now)
	tree := treeOf(slices.Concat(bootstrap, server))
	if faults = append(faults, more...); len(faults) > 0 {
		return tree, &CredentialsError{Faults: faults}
	}
	if tree == nil {
		return accounts.ToTree(nil), nil
	}
	return tree, nil
}

// newestCertificate returns when the newest certificate that the configuration names
// begins to be valid: what one account's say of the clock counts for the other's.
func (c Config) newestCertificate(now validity.Clock) (newest time.Time) {
	for _, a := range []*Account{c.Bootstrap, c.Server} {
		if a == nil || !a.Security.certified() {
			continue
		}
		named, _ := credfile.Read(a.source(), now) // faults are found when it is used
		newest = validity.Later(newest, validity.Begun(named.Certificate, named.ServerCertificates))
	}
	return newest
}

// configured is an account of the configuration that can be used, and objects 0 and
// 1 as they are where it is the only one.
type configured struct {
	messages.Account
	tree *lwm2m.Tree
}

// treeOf returns objects 0 and 1 of accounts; nil where there are none.
func treeOf(usable []configured) *lwm2m.Tree {
	switch len(usable) {
	case 0:
		return nil
	case 1:
		return usable[0].tree
	}
	accts := make([]messages.Account, len(usable))
	for i := range usable {
		accts[i] = usable[i].Account
	}
	return accounts.ToTree(accts)
}

// factoryAccount returns the account of a section, if there is one that can be
// used, or what is wrong with it.
func (c Config) factoryAccount(section string, a *Account, now validity.Clock) ([]configured, []Fault) {
	if a == nil {
		return nil, nil
	}
	credentials, faults := credfile.Read(a.source(), now)
	account := messages.Account{Peer: messages.BootstrapPeer(), Credentials: credentials, Lifetime: c.Lifetime}
	if section == configServer {
		account.Peer = messages.ManagementPeer(configServerID)
	}
	u, err := a.serverURI(c.AccountID)
	if err != nil {
		faults = append(faults, credfile.Fault{Key: "uri", Problem: configURIProblem(err), Err: err})
	}
	account.URI, account.Server = u, a.written(u)
	var tree *lwm2m.Tree
	if len(faults) == 0 {
		tree = accounts.ToTree([]messages.Account{account})
		faults = checkAccount(tree, account.Credentials.Mode, now)
	}
	if len(faults) > 0 {
		return nil, faultsOfSection(section, faults)
	}
	return []configured{{account, tree}}, nil
}

// source says where the account's credentials are.
func (a *Account) source() credfile.Source {
	modes := map[SecurityMode]messages.SecurityMode{
		SecurityPSK: messages.SecurityPSK, SecurityX509: messages.SecurityX509, SecurityRPK: messages.SecurityRPK,
		SecurityEST: messages.SecurityEST,
	}
	mode, secured := modes[a.Security]
	if !secured {
		mode = messages.SecurityNoSec
	}
	return credfile.Source{
		Mode: mode, Identity: a.PSKIdentity, Key: messages.Secret(a.PSKKey), KeyFile: a.PSKKeyFile,
		Certificate: a.Certificate, PrivateKey: a.PrivateKey, Trust: a.Trust,
		Chain: a.CertificateChain, Signer: a.Signer, Anchors: a.TrustAnchors,
		Usage: a.usage(), Pins: a.Pins, ServerName: a.ServerName,
	}
}

// usage returns the certificate usage, nil for the default.
func (a *Account) usage() *messages.CertificateUsage {
	n, ok := a.Usage.number()
	if !ok {
		return nil
	}
	return &n
}

func faultsOfSection(section string, faults []credfile.Fault) []Fault {
	var list []Fault
	for _, f := range faults {
		list = append(list, Fault{Key: section + "." + f.Key, Problem: f.Problem, Err: f.Err})
	}
	return list
}

// written returns the URI as the configuration has it, unless the account ID
// was added to it.
func (a *Account) written(u uri.URI) string {
	if parsed, err := uri.Parse(a.URI); err == nil && parsed.String() == u.String() {
		return a.URI
	}
	return u.String()
}

// checkAccount holds the tree of an account that could be read against the rules
// for all accounts, wherever they come from.
func checkAccount(tree *lwm2m.Tree, mode messages.SecurityMode, now validity.Clock) (faults []credfile.Fault) {
	usable, errs := accounts.FromTree(tree)
	var expired accounts.Faults
	if errors.As(accounts.CheckExpiry(usable, now), &expired) {
		errs = append(errs, expired.Unwrap()...)
	}
	for _, err := range errs {
		var fault *accounts.Fault
		// What is in object 1 comes from keys that Validate checks.
		if errors.As(err, &fault) && fault.Path.Object() == objects.Security {
			key := configKeyOf(fault.Path, mode)
			faults = append(faults, credfile.Fault{Key: key, Problem: string(fault.Reason), Err: err})
		}
	}
	return faults
}

// configKeyOf returns the key, without its section, that a resource of the
// Security object comes from.
func configKeyOf(path lwm2m.Path, mode messages.SecurityMode) string {
	keys := mode == messages.SecurityX509 || mode == messages.SecurityRPK
	switch id := path.Resource(); {
	case id == objects.SecurityServerURI:
		return "uri"
	case id == objects.SecurityPublicKeyOrIdentity && keys:
		return "certificate"
	case id == objects.SecurityPublicKeyOrIdentity:
		return "psk_identity"
	case id == objects.SecurityServerPublicKey:
		return "trust"
	case id == objects.SecurityMatchingType:
		return "pin"
	case id == objects.SecuritySNI:
		return "server_name"
	case id == objects.SecurityCertificateUsage:
		return "usage"
	case id == objects.SecuritySecretKey && keys:
		return "private_key"
	case id == objects.SecuritySecretKey:
		return "psk_key"
	}
	return "security"
}

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
	if cfg.Server != nil && cfg.Server.EST != "" {
		return codeError(CodeInvalidParameters, PhaseConfig, &ConfigError{Faults: []Fault{{Key: "server.est", Problem: "cannot be provisioned: " +
			"a record of the factory has no place for it, and its account enrols at the bootstrap server"}}})
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
		if a != nil && a.Security.certified() {
			return true
		}
	}
	return false
}

// wall says what the wall clock shows.
func (c *Client) wall() validity.Wall { return c.settings.Wall }
