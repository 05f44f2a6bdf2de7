package holdfast

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/credfile"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/validity"
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
// it reports, as this user sees it, that others could change what is in it; it
// makes and changes nothing there.
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
	return append(clockFaults(configBootstrap, c.Bootstrap, clock), clockFaults(configServer, c.Server, clock)...)
}

func clockFaults(section string, a *Account, clock validity.Clock) (faults []Fault) {
	if a == nil || a.Security != SecurityX509 {
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
	faults := c.stateDirFaults()
	var list *CredentialsError
	if _, err := c.factoryTree(); errors.As(err, &list) {
		faults = append(faults, list.Faults...)
	}
	if len(faults) > 0 {
		return credentialsError(&CredentialsError{Faults: faults})
	}
	return nil
}

// stateDirFaults says why the state directory is not to be trusted.
func (c Config) stateDirFaults() []Fault {
	err := store.Check(c.withDefaults().StateDir)
	if err == nil {
		return nil
	}
	problem := err.Error()
	var distrust *store.DistrustError
	if errors.As(err, &distrust) {
		problem = distrust.Error()
	}
	return []Fault{{Key: "state_dir", Problem: problem, Err: err}}
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
		if a == nil || a.Security != SecurityX509 {
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
	}
	mode, secured := modes[a.Security]
	if !secured {
		mode = messages.SecurityNoSec
	}
	return credfile.Source{
		Mode: mode, Identity: a.PSKIdentity, Key: messages.Secret(a.PSKKey), KeyFile: a.PSKKeyFile,
		Certificate: a.Certificate, PrivateKey: a.PrivateKey, Trust: a.Trust,
		Chain: a.CertificateChain, Signer: a.Signer, Anchors: a.TrustAnchors,
	}
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
	case id == objects.SecuritySecretKey && keys:
		return "private_key"
	case id == objects.SecuritySecretKey:
		return "psk_key"
	}
	return "security"
}
