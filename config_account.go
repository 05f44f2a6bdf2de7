package holdfast

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/credfile"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
)

// configMaxIdentity bounds the identity of a pre-shared key, in bytes: RFC 7925
// section 4.2.
const configMaxIdentity = 128

// The sections that are accounts, in the names of keys.
const (
	configBootstrap = "bootstrap"
	configServer    = "server"
)

// account checks one account's section of a configuration.
func (f *configFaults) account(section string, a *Account, accountID string, c Config) {
	if a == nil {
		return
	}
	v := accountFaults{configFaults: f, section: section, account: a, queue: c.QueueMode, trustStore: c.hasTrustStore(), enrols: c.Bootstrap}
	u, ok := v.uri(accountID)
	if problem := v.otherMode(); ok && u.Secure() && problem != "" {
		v.fault("security", problem)
		return
	}
	if ok {
		v.scheme(u)
	}
	v.once()
	v.credentials()
	v.server()
	v.enrolmentServer()
}

// credentials checks that there is what the security mode needs, and nothing else.
func (v accountFaults) credentials() {
	switch v.account.Security {
	case SecurityNoSec:
		v.unused(v.keysOfPSK(), "has no use with security: nosec")
		v.unused(v.keysOfX509(), "has no use with security: nosec")
	case SecurityPSK:
		v.psk()
		v.unused(v.keysOfX509(), "has no use with security: psk")
	case SecurityX509:
		v.required(v.unlessPinned(v.keysOfX509()), "is required with security: x509")
		v.unused(v.keysOfPSK(), "has no use with security: x509")
	case SecurityRPK:
		v.required(v.unlessPinned(v.keysOfX509()[1:]), "is required with security: rpk")
		v.unused(v.keysOfPSK(), "has no use with security: rpk")
	case SecurityEST:
		v.enrolling()
	case "":
		v.fault("security", "is required: nosec, psk, x509 or rpk")
	default:
		v.fault("security", "is none of nosec, psk, x509 and rpk")
	}
}

// accountFaults checks one account.
type accountFaults struct {
	*configFaults
	section string
	account *Account
	queue   bool // a Register says that the client is in queue mode

	trustStore bool // the device has one

	enrols *Account // by whose credentials the device enrols; nil for none
}

func (v accountFaults) fault(name, problem string) { v.add(v.section+"."+name, problem) }

// accountKey is a key of the account and whether it is set.
type accountKey struct {
	name string
	set  bool
}

func (v accountFaults) keysOfPSK() []accountKey {
	a := v.account
	return []accountKey{{"psk_identity", a.PSKIdentity != ""}, {"psk_key", len(a.PSKKey) > 0}, {"psk_key_file", a.PSKKeyFile != ""}}
}

func (v accountFaults) keysOfX509() []accountKey {
	a := v.account
	return []accountKey{
		{"certificate", a.Certificate != "" || len(a.CertificateChain) > 0},
		{"private_key", a.PrivateKey != "" || a.Signer != nil},
		{"trust", a.Trust != "" || len(a.TrustAnchors) > 0},
	}
}

// unlessPinned returns keys without trust, where pins take its place.
func (v accountFaults) unlessPinned(keys []accountKey) []accountKey {
	if len(v.account.Pins) > 0 {
		return keys[:len(keys)-1]
	}
	return keys
}

// server checks what is said of the server beside who may prove it.
func (v accountFaults) server() {
	a := v.account
	if !slices.Contains([]SecurityMode{SecurityNoSec, SecurityPSK, SecurityX509, SecurityRPK, SecurityEST}, a.Security) {
		return // which is a fault already
	}
	v.pins()
	if a.Usage != "" {
		v.usage()
	}
	if a.ServerName == "" {
		return
	}
	v.require(a.Security != SecurityNoSec, v.section+".server_name", "has no use with security: nosec")
	v.require(accounts.ValidServerName(a.ServerName), v.section+".server_name", "is not a name in ASCII of at most 253 bytes")
}

func (v accountFaults) pins() {
	a := v.account
	if len(a.Pins) == 0 {
		return
	}
	switch _, _, problem := credfile.ParsePins(a.Pins); {
	case !a.Security.certified() && a.Security != SecurityRPK:
		v.fault("pin", "has no use with security: "+string(a.Security))
	case a.Trust != "" || len(a.TrustAnchors) > 0:
		v.fault("pin", "excludes trust: give one of the two")
	case problem != "":
		v.fault("pin", problem)
	case a.Security.certified() && a.Usage == "":
		v.fault("usage", "is required beside pin: dane-ee if the pin is of the server's own key, dane-ta if it is of its authority's")
	}
}

func (v accountFaults) usage() {
	usage, ok := v.account.Usage.number()
	switch {
	case !v.account.Security.certified():
		v.fault("usage", "has no use with security: "+string(v.account.Security))
	case !ok:
		v.fault("usage", "is none of pkix-ta, pkix-ee, dane-ta and dane-ee, nor 0 to 3")
	case usage.NeedsTrustStore() && !v.trustStore:
		v.add("trust_store", "is required with "+v.section+".usage: "+string(v.account.Usage)+": name a file with the authorities that this device trusts, or system")
	}
}

// hasTrustStore reports whether the device has authorities of its own.
func (c Config) hasTrustStore() bool { return c.TrustStore != "" || len(c.TrustStoreAnchors) > 0 }

// otherMode says that all keys of a secured account are those of another mode than
// it states, or "": then one mistake is in the mode, and not one in each of the keys.
func (v accountFaults) otherMode() string {
	a := v.account
	psk, x509 := v.keysOfPSK(), v.keysOfX509()
	ofPSK := psk[0].set && (psk[1].set || psk[2].set)
	ofCertificates := x509[1].set && (x509[2].set || len(a.Pins) > 0) // a raw public key has no certificate
	set := func(k accountKey) bool { return k.set }
	switch {
	case ofPSK && !slices.ContainsFunc(x509, set) && slices.Contains([]SecurityMode{SecurityNoSec, SecurityX509, SecurityRPK}, a.Security):
		return "is " + string(a.Security) + ", and all the rest is for psk: write psk, or correct the rest"
	case ofCertificates && !slices.ContainsFunc(psk, set) && slices.Contains([]SecurityMode{SecurityNoSec, SecurityPSK}, a.Security):
		return "is " + string(a.Security) + ", and all the rest is for x509 or rpk: write one of them, or correct the rest"
	}
	return ""
}

func (v accountFaults) unused(keys []accountKey, problem string) {
	for _, k := range keys {
		if k.set {
			v.fault(k.name, problem)
		}
	}
}

func (v accountFaults) required(keys []accountKey, problem string) {
	for _, k := range keys {
		if !k.set {
			v.fault(k.name, problem)
		}
	}
}

func (v accountFaults) psk() {
	a := v.account
	v.required(v.keysOfPSK()[:1], "is required with security: psk")
	v.require(len(a.PSKIdentity) <= configMaxIdentity, v.section+".psk_identity", "is longer than 128 bytes")
	v.require(utf8.ValidString(a.PSKIdentity), v.section+".psk_identity", "is not UTF-8")
	v.require(len(a.PSKKey) <= credfile.MaxPSK, v.section+".psk_key", "is longer than 64 bytes")
	switch inline, file := len(a.PSKKey) > 0, a.PSKKeyFile != ""; {
	case inline && file:
		v.fault("psk_key_file", "excludes psk_key: give one of the two")
	case !inline && !file:
		v.fault("psk_key", "is required with security: psk, unless there is a psk_key_file")
	}
}

// once refuses credentials that are given both as a file and in memory.
func (v accountFaults) once() {
	a := v.account
	for _, twice := range []struct {
		key, field   string
		file, memory bool
	}{
		{"certificate", "CertificateChain", a.Certificate != "", len(a.CertificateChain) > 0},
		{"private_key", "Signer", a.PrivateKey != "", a.Signer != nil},
		{"trust", "TrustAnchors", a.Trust != "", len(a.TrustAnchors) > 0},
	} {
		if twice.file && twice.memory {
			v.fault(twice.key, "excludes "+twice.field+": give one of the two")
		}
	}
}

// uri checks the server's URI by itself; it is not ok where it cannot be read.
func (v accountFaults) uri(accountID string) (u uri.URI, ok bool) {
	key := v.section + ".uri"
	if v.account.URI == "" {
		v.add(key, "is required, such as coaps://host:5684")
		return u, false
	}
	u, err := v.account.serverURI(accountID)
	if err != nil {
		*v.configFaults = append(*v.configFaults, Fault{Key: key, Problem: configURIProblem(err), Err: err})
		return u, false
	}
	if err := v.room(u, v.queue); err != nil {
		problem := "leaves no room for a request: " + err.Error()
		if v.room(u, false) == nil {
			problem += " in queue mode: shorten it, or leave queue_mode out"
		}
		*v.configFaults = append(*v.configFaults, Fault{Key: key, Problem: problem, Err: err})
	}
	return u, true
}

// scheme checks the URI against the security mode.
func (v accountFaults) scheme(u uri.URI) {
	key := v.section + ".uri"
	switch mode := v.account.Security; {
	case mode == SecurityNoSec && u.Secure():
		v.add(key, "is coaps, which needs keys: write coap://, or security: psk, x509 or rpk")
	case slices.Contains([]SecurityMode{SecurityPSK, SecurityX509, SecurityRPK, SecurityEST}, mode) && !u.Secure():
		v.add(key, "is coap, which has no keys: write coaps://, or security: nosec")
	}
}

// room tells whether every request to the server can be sent, in queue mode or not.
func (v accountFaults) room(u uri.URI, queue bool) error {
	if v.section == configBootstrap {
		return requests.CheckBootstrap(u)
	}
	return requests.CheckManagement(u, queue)
}

// configURIProblem puts the part of the URI first that is wrong.
func configURIProblem(err error) string {
	var wrong *uri.Error
	if errors.As(err, &wrong) {
		return "the " + string(wrong.Field) + " " + string(wrong.Reason)
	}
	return "is not a server URI"
}

// serverURI parses the URI and adds the account as the argument aid, unless it
// has one.
func (a *Account) serverURI(accountID string) (uri.URI, error) {
	u, err := uri.Parse(a.URI)
	if err != nil {
		return uri.URI{}, err
	}
	if accountID != "" && !slices.ContainsFunc(u.Query, isAID) {
		u.Query = append(u.Query, "aid="+accountID)
	}
	if len(u.String()) > uri.MaxLength {
		return uri.URI{}, &uri.Error{Field: uri.FieldURI, Reason: uri.ReasonTooLong}
	}
	return u, nil
}

func isAID(argument string) bool {
	name, _, _ := strings.Cut(argument, "=")
	return name == "aid"
}

// enrolling checks an account whose certificate is enrolled for: who enrols this device, and
// that nobody has made a key for it.
func (v accountFaults) enrolling() {
	keys := v.keysOfX509()
	v.unused(keys[:2], "has no use with security: est, which makes a key on this device")
	v.unused(v.keysOfPSK(), "has no use with security: est")
	switch {
	case v.section != configServer:
		v.fault("security", "is est, which only server can have: nobody would enrol this device for another account")
		return
	case v.enrols == nil:
		v.fault("security", "is est, and there is no bootstrap section: its server enrols this device, or its credentials do at server.est")
	case v.enrols.Security == SecurityNoSec:
		v.fault("security", "is est, and bootstrap.security is nosec: nobody knows this device there, so that it could be enrolled")
	}
	v.required(v.unlessPinned(keys)[2:], "is required with security: est")
}

// enrolmentServer checks the server that enrols this device, where that is not the bootstrap
// server.
func (v accountFaults) enrolmentServer() {
	if v.account.EST == "" {
		return
	}
	switch u, err := uri.Parse(v.account.EST); {
	case v.account.Security != SecurityEST:
		v.fault("est", "has no use without security: est")
	case err != nil:
		*v.configFaults = append(*v.configFaults, Fault{Key: v.section + ".est", Problem: configURIProblem(err), Err: err})
	case !u.Secure():
		v.fault("est", "is coap, where nobody would know this device: write coaps://")
	case len(u.Path)+len(u.Query) > 0:
		v.fault("est", "has a path or arguments: give the host, and the port if it is not 5684")
	}
}

// enrolAt returns the server that enrols this device; nil for the bootstrap server.
func (c Config) enrolAt() *uri.URI {
	if c.Server == nil || c.Server.EST == "" {
		return nil
	}
	u, err := uri.Parse(c.Server.EST)
	if err != nil {
		return nil // which Validate has refused
	}
	return &u
}
