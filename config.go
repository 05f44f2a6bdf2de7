package holdfast

import (
	"bytes"
	"cmp"
	"crypto"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-iot/holdfast/actors/management"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// Config is the configuration of one client. A zero field means the default that
// its comment names. Package configfile reads one from a file and the
// environment; the keys there are the fields in snake case (network.interface is
// Network.Interfaces, pin is Pins, and network.watch, dtls.cid and dtls.keep_sessions are
// the opposites of Network.Unwatched, DTLS.WithoutCID and DTLS.ForgetSessions; but for
// CertificateChain, Signer, TrustAnchors, TrustStoreAnchors, TrustKeys and Installer, which
// only code can set, and Objects, which it makes of what the file says).
//
// A Config is a plain value: clients copy what they need, and nothing is
// checked or read before [New] and [Client.Start].
type Config struct {
	// Endpoint is the endpoint client name: 1 to 64 bytes of UTF-8 without
	// control characters. Required.
	Endpoint string
	// AccountID becomes the argument aid of every server URI that has none: at
	// most 64 bytes of UTF-8 without control characters. Empty: no argument.
	AccountID string
	// StateDir is the directory of credentials and state, created with mode
	// 0700; relative to the working directory. Default DefaultStateDir.
	StateDir string
	// Lifetime is the registration lifetime of the configured server account:
	// whole seconds, 1 s to 2^32-1 s. Default DefaultLifetime. Accounts that a
	// bootstrap delivers bring their own.
	Lifetime time.Duration
	// LwM2MVersion is the highest version to offer, "1.0" or "1.1". Default
	// DefaultLwM2MVersion.
	LwM2MVersion string
	// QueueMode says that the device sleeps between its exchanges: every server is told
	// to keep its requests until it hears from the client (LwM2M Core section 6.2.3).
	// Without it that holds for an account whose binding (/1/x/7) has a Q. The client
	// itself never sleeps; EventAsleep and EventAwake say when the network is not needed.
	QueueMode bool
	// Bootstrap is the bootstrap server's account; nil for none.
	Bootstrap *Account
	// Server is a management server's account that is known from the factory;
	// nil for none. Without either, the store must have accounts.
	Server *Account
	// TrustStore names a file, PEM or DER, with the authorities that this device trusts,
	// at most 1000, or is TrustStoreSystem. Certificate usages 0 and 1 need it, those
	// of accounts that a bootstrap delivers included: without it such an account is
	// refused. Nothing else trusts what is in it. It is read anew for every handshake
	// that needs it. Empty: none.
	TrustStore string
	// TrustStoreAnchors takes the place of TrustStore for authorities in memory, in DER.
	TrustStoreAnchors [][]byte
	// Reconnect is the reconnection policy.
	Reconnect ReconnectConfig
	// RegistrationTimeout bounds one attempt to register or to reach a
	// bootstrap server, connecting included: positive. Default
	// DefaultRegistrationTimeout.
	RegistrationTimeout time.Duration
	// BootstrapTimeout bounds one bootstrap from the beginning of the attempt to
	// an accepted Bootstrap-Finish, whatever the server does meanwhile, connecting
	// included: positive.
	// Until the server has answered, RegistrationTimeout counts, too. Default
	// DefaultBootstrapTimeout.
	BootstrapTimeout time.Duration
	// CoAP holds the transmission parameters.
	CoAP CoAPConfig
	// RenewAt is the part of the life of a certificate of the client's own after which it is
	// renewed: above 0 and at most 1, which is at its end. Default DefaultRenewAt.
	RenewAt float64
	// DNS says who resolves names.
	DNS DNSConfig
	// DTLS says how sessions are kept.
	DTLS DTLSConfig
	// Network says by which of the machine's interfaces servers are reached.
	Network NetworkConfig
	// Limits are the declared budgets.
	Limits LimitsConfig
	// Device fills the Device object.
	Device DeviceConfig
	// Objects are what the application offers to management servers beside the
	// client's own objects, in any order. IDs are unique, and none of 0, 1, 2, 21 and
	// 23, which belong to the client; an object with ID 3 takes the place of Device.
	// What an object may do, and on which goroutines it is called, package
	// lwm2m/object says.
	Objects []object.Object
	// ObjectTimeout is how long objects have for one request of a server, which is
	// answered 5.00 then: positive. Default DefaultObjectTimeout.
	ObjectTimeout time.Duration
	// Firmware has updates of the firmware served; nil for none.
	Firmware *Firmware
}

// TrustStoreSystem as Config.TrustStore stands for the authorities of the operating
// system, as it has them when the first of them is needed.
const TrustStoreSystem = "system"

// Account is a server account that the configuration brings along: the
// factory's credentials. What a bootstrap has stored wins over it.
type Account struct {
	// URI of the server, coap://host[:port] or coaps://host[:port], at most
	// 255 bytes (see package lwm2m/uri) and, so that every request can carry
	// them, 55 path segments and arguments, AccountID's included (59 for a
	// bootstrap server). Required.
	URI string
	// Security is the security mode. Required; everything but NoSec needs
	// coaps.
	Security SecurityMode

	// PSKIdentity is the identity of the pre-shared key: 1 to 128 bytes of
	// UTF-8. Only with SecurityPSK, required there.
	PSKIdentity string
	// PSKKey is the pre-shared key: 1 to 64 bytes, hexadecimal in a file. It
	// never prints. Only with SecurityPSK, where either this or PSKKeyFile is
	// required.
	PSKKey Secret
	// PSKKeyFile names a file that holds the key in hexadecimal digits; white
	// space around them is ignored.
	PSKKeyFile string

	// Certificate names a file, PEM or DER, with the client's certificate chain, at
	// most 10. It is shown in the order in which the certificates have issued each
	// other, from that of the private key on. With SecurityX509 either this or
	// CertificateChain is required, either PrivateKey or Signer, and either Trust
	// or TrustAnchors or Pins; two of them are a fault. With SecurityEST only the last three. With SecurityRPK it holds the
	// client's PUBLIC KEY, or a CERTIFICATE of which nothing but the key counts,
	// and may be left out: the private key implies it. No other mode has a use
	// for it.
	Certificate string
	// PrivateKey names a file, PEM or DER, with the ECDSA key of that certificate, as
	// PKCS #8 or SEC 1, not encrypted. With SecurityRPK it is on P-256 or P-384.
	PrivateKey string
	// Trust names a file, PEM or DER, with certificates, at most 10, of which Usage
	// says what they are: trust anchors for the server's certificate unless it says
	// otherwise. With SecurityRPK it holds the server's one PUBLIC KEY, or a
	// CERTIFICATE of which nothing but the key counts: the server must prove that key.
	Trust string
	// Usage says what the server's certificate has to be (LwM2M Core, /0/x/15). Only
	// with SecurityX509. Default UsageDANETA; with Pins it is required.
	Usage CertificateUsage
	// Pins take the place of Trust: digests, at most 10, of the SubjectPublicKeyInfo
	// or of the certificate in DER, of which one has to match what Trust would have
	// to. One is written as the name of a hash function (sha256, sha384 or sha512; the
	// same in all), a slash, and the digest in Base64. That of a key stays good when
	// the certificate is renewed. With SecurityRPK they are of the server's key.
	Pins []string
	// EST is the server that enrols this device with SecurityEST, coaps://host[:port]; it is
	// reached by the credentials of Config.Bootstrap. Default: the bootstrap server.
	EST string
	// ServerName is what the server's certificate has to be issued for, and what the
	// server is told in the handshake (SNI; an address never is): at most 253 bytes of
	// ASCII. Not with SecurityNoSec. Default: the host of the URI.
	ServerName string

	// CertificateChain, Signer and TrustAnchors take the place of Certificate,
	// PrivateKey and Trust for credentials that are in memory or in hardware. In
	// a file they have no key.

	// CertificateChain is the client's certificate chain in DER, at most 10; with SecurityRPK its SubjectPublicKeyInfo
	// alone, which may be left out.
	CertificateChain [][]byte
	// Signer has the private key of that certificate, which must be one for
	// ECDSA: a key in memory, or one that never leaves a TPM or a token. It is
	// called at most once in a handshake, where the server asks for a certificate,
	// from any goroutine, and may take as long as a handshake may. At most eight
	// calls are under way at a time; a ninth fails. A call that fails, or a key that
	// is gone, is ErrInvalidCredentials, and is tried again by the policy. The key
	// itself is never stored: in its place the state directory has its public half,
	// by which an account of a bootstrap server may refer to it (/0/x/5).
	Signer crypto.Signer
	// TrustAnchors are what Trust would name, in DER, at most 10: certificates, or with
	// usages 1 and 3 SubjectPublicKeyInfos in their place; with SecurityRPK the
	// server's one SubjectPublicKeyInfo.
	TrustAnchors [][]byte
}

// SecurityMode is how a link to a server is protected.
type SecurityMode string

// The security modes.
const (
	SecurityNoSec SecurityMode = "nosec" // plain CoAP
	SecurityPSK   SecurityMode = "psk"   // DTLS with a pre-shared key
	SecurityX509  SecurityMode = "x509"  // DTLS with certificates
	SecurityRPK   SecurityMode = "rpk"   // DTLS with raw public keys (RFC 7250)
	// SecurityEST is DTLS with a certificate that is enrolled for (RFC 9148), with a key made
	// on this device: for Config.Server only, beside a Config.Bootstrap with security, whose
	// credentials the enrolment takes. Of Certificate, PrivateKey, Signer and
	// CertificateChain there is none.
	SecurityEST SecurityMode = "est"
)

// certified reports whether the two sides prove who they are by certificates.
func (s SecurityMode) certified() bool { return s == SecurityX509 || s == SecurityEST }

// CertificateUsage is what a server's certificate has to be (RFC 6698 section 2.1.1,
// RFC 7671). Its number, "0" to "3", means the same.
type CertificateUsage string

// The certificate usages. All but UsageDANEEE demand a certificate that is valid now,
// meant for servers and signatures, and issued for the server's name.
const (
	// UsagePKIXTA (0) demands a chain to the trust store that has one of the stored
	// authorities.
	UsagePKIXTA CertificateUsage = "pkix-ta"
	// UsagePKIXEE (1) demands a chain to the trust store, and the stored certificate.
	UsagePKIXEE CertificateUsage = "pkix-ee"
	// UsageDANETA (2) demands a chain to one of the stored authorities. One that is
	// known by a pin the server has to show.
	UsageDANETA CertificateUsage = "dane-ta"
	// UsageDANEEE (3) demands the stored certificate, and looks at nothing else in it.
	UsageDANEEE CertificateUsage = "dane-ee"
)

// number returns the value of /0/x/15; it is not ok for what is no usage.
func (u CertificateUsage) number() (n messages.CertificateUsage, ok bool) {
	names := []CertificateUsage{UsagePKIXTA, UsagePKIXEE, UsageDANETA, UsageDANEEE}
	for i, name := range names {
		if u == name || string(u) == strconv.Itoa(i) {
			return messages.CertificateUsage(i), true
		}
	}
	return 0, false
}

// Secret is key material. However it is printed or encoded, only its length
// shows.
type Secret []byte

// String returns the length, never the content.
func (s Secret) String() string { return messages.Secret(s).String() }

// GoString returns the same as String, for %#v.
func (s Secret) GoString() string { return s.String() }

// Format makes every verb print what String returns.
func (s Secret) Format(f fmt.State, verb rune) { messages.Secret(s).Format(f, verb) }

// MarshalJSON writes what String returns.
func (s Secret) MarshalJSON() ([]byte, error) { return messages.Secret(s).MarshalJSON() }

// ReconnectPolicy decides how long to wait between attempts.
type ReconnectPolicy string

// The reconnection policies.
const (
	// PolicyAuto is PolicyExponential, unless a server has written retry
	// resources for its account.
	PolicyAuto ReconnectPolicy = "auto"
	// PolicyExponential doubles the delay from a random first one up to a cap.
	PolicyExponential ReconnectPolicy = "exponential"
	// PolicyLwM2M is that of LwM2M Core section 6.2.1.2: the retry resources
	// of a server account, or their defaults. Where it would stop, attempts
	// go on at the cap.
	PolicyLwM2M ReconnectPolicy = "lwm2m"
)

// ReconnectConfig is the reconnection policy: the first delay is drawn
// uniformly from [InitialMin, InitialMax], each further one doubles it, up to
// Max. All are positive, and InitialMin <= InitialMax <= Max.
type ReconnectConfig struct {
	Policy     ReconnectPolicy // default PolicyAuto
	InitialMin time.Duration   // default DefaultReconnectInitialMin
	InitialMax time.Duration   // default DefaultReconnectInitialMax
	Max        time.Duration   // default DefaultReconnectMax
}

// CoAPConfig holds the transmission parameters of RFC 7252 section 4.8.
type CoAPConfig struct {
	// AckTimeout is ACK_TIMEOUT: positive, at most 10 minutes. Default
	// DefaultAckTimeout.
	AckTimeout time.Duration
	// AckRandomFactor is ACK_RANDOM_FACTOR: 1 to 10. Default
	// DefaultAckRandomFactor.
	AckRandomFactor float64
	// MaxRetransmit is MAX_RETRANSMIT: 1 to 16, or NoRetransmit for none,
	// which a file writes as 0. Default DefaultMaxRetransmit.
	MaxRetransmit int
	// NStart is NSTART, the number of requests under way to one server: 1 to
	// 255. Default DefaultNStart.
	NStart int
}

// NoRetransmit as CoAPConfig.MaxRetransmit means that nothing is resent.
const NoRetransmit = -1

// DNSConfig says who resolves names.
type DNSConfig struct {
	// Server is the host:port of the one name server to ask. Empty: the
	// system's resolver.
	Server string
}

// DTLSConfig says how DTLS sessions are kept. The zero value is what a gateway wants: as
// long as a server knows a session, the client goes on with it, also from another address
// and after a restart.
type DTLSConfig struct {
	// WithoutCID offers no Connection ID (RFC 9146): a change of the client's address
	// costs a handshake. In a file it is cid: false.
	WithoutCID bool
	// ForgetSessions keeps sessions out of the state directory: a restart costs a
	// handshake. It is for machines whose whole file system may be put back to what it
	// was, such as by a snapshot, which no client can tell: a session that goes on twice
	// uses its nonces twice. In a file it is keep_sessions: false.
	ForgetSessions bool
}

// NetworkConfig says by which of the machine's interfaces servers are reached. On Linux the
// client follows the interfaces, addresses and default routes of its machine: when something
// comes by which a server may be reached again it tries at once, as with [Client.NetworkUp],
// and a link whose address has gone, or that would now take another interface, goes on over
// a new socket ([EventMoved]).
type NetworkConfig struct {
	// Interfaces are the names of the interfaces to use, the best first, at most 16, each 1 to
	// 15 bytes without white space, "/" and ":". The first one is used that is up, has an
	// address beyond its link, and a default route, or, where none has one, the first
	// without; a better one is returned to when it has been good for 30 s, and for longer
	// where it comes and goes. One that is not there is waited for. Sockets are bound to it:
	// those of servers and downloads, and those that ask name servers, but not what leads to
	// this machine itself, nor names that the system's own resolver looks up. Linux only.
	// Empty: whatever the routes say.
	Interfaces []string
	// Unwatched leaves the machine's interfaces unwatched: hints come from
	// [Client.NetworkUp] only. Not with Interfaces.
	Unwatched bool
}

// DeviceConfig fills the Device object (/3), each at most 255 bytes of UTF-8
// without control characters. Empty fields are left out of it.
type DeviceConfig struct {
	Manufacturer string // default DefaultManufacturer: always present
	Model        string
	Serial       string
	Firmware     string // version of the device's firmware
}

// LimitsConfig holds the declared budgets. Exceeding one ends the step that
// did, with [ErrMemory]; the client goes on and tries again by the
// policy.
type LimitsConfig struct {
	// BootstrapBytes bounds one message of a bootstrap server, and everything
	// that a bootstrap leaves in the store, in bytes as stored, the bootstrap
	// account included: 256 to 1 MiB. What was stored under a larger limit
	// stays in use. Default DefaultBootstrapBytes.
	BootstrapBytes int
	// QueuedMessages is how many requests of the client may wait for one
	// server: 1 to 65536. Default DefaultQueuedMessages.
	QueuedMessages int
	// Accounts is how many management accounts the client has at most, the
	// bootstrap account not counted: 1 to 1000. A bootstrap that would leave
	// more is refused; of more that are stored already, those with the lowest
	// short server IDs are used. Default DefaultAccounts.
	Accounts int
	// Observations is how many observations there are at most, of all servers
	// together: 1 to 10000. What a server wants to observe beyond that is read, and
	// the answer tells it that it is not observed. Default DefaultObservations.
	Observations int
}

// The defaults of a [Config].
const (
	DefaultStateDir            = "./state"
	DefaultLifetime            = 24 * time.Hour
	DefaultLwM2MVersion        = "1.1"
	DefaultReconnectInitialMin = 2 * time.Second
	DefaultReconnectInitialMax = 10 * time.Second
	DefaultReconnectMax        = 7 * 24 * time.Hour
	DefaultRegistrationTimeout = 3 * time.Minute
	DefaultBootstrapTimeout    = 15 * time.Minute
	DefaultAckTimeout          = 2 * time.Second
	DefaultAckRandomFactor     = 1.5
	DefaultRenewAt             = 0.9
	DefaultMaxRetransmit       = 4
	DefaultNStart              = 1
	DefaultBootstrapBytes      = 64 << 10
	DefaultQueuedMessages      = 64
	DefaultAccounts            = 8
	DefaultObservations        = management.DefaultObservations
	DefaultObjectTimeout       = management.DefaultDeadline
	DefaultManufacturer        = "Holdfast"
)

// withDefaults returns a copy in which every zero field that has a default has
// it. It shares nothing with the original.
func (c Config) withDefaults() Config {
	c.StateDir = cmp.Or(c.StateDir, DefaultStateDir)
	c.Lifetime = cmp.Or(c.Lifetime, DefaultLifetime)
	c.LwM2MVersion = cmp.Or(c.LwM2MVersion, DefaultLwM2MVersion)
	c.Bootstrap = c.Bootstrap.clone()
	c.Server = c.Server.clone()
	c.TrustStoreAnchors = cloneAll(c.TrustStoreAnchors)
	c.Reconnect = c.Reconnect.withDefaults()
	c.RegistrationTimeout = cmp.Or(c.RegistrationTimeout, DefaultRegistrationTimeout)
	c.BootstrapTimeout = cmp.Or(c.BootstrapTimeout, DefaultBootstrapTimeout)
	c.CoAP = c.CoAP.withDefaults()
	c.RenewAt = cmp.Or(c.RenewAt, DefaultRenewAt)
	c.Limits = c.Limits.withDefaults()
	c.Device.Manufacturer = cmp.Or(c.Device.Manufacturer, DefaultManufacturer)
	c.Network.Interfaces = slices.Clone(c.Network.Interfaces)
	c.Objects = slices.Clone(c.Objects)
	c.ObjectTimeout = cmp.Or(c.ObjectTimeout, DefaultObjectTimeout)
	c.Firmware = c.Firmware.withDefaults(c.Device.Firmware)
	return c
}

func (r ReconnectConfig) withDefaults() ReconnectConfig {
	r.Policy = cmp.Or(r.Policy, PolicyAuto)
	r.InitialMin = cmp.Or(r.InitialMin, DefaultReconnectInitialMin)
	r.InitialMax = cmp.Or(r.InitialMax, DefaultReconnectInitialMax)
	r.Max = cmp.Or(r.Max, DefaultReconnectMax)
	return r
}

func (p CoAPConfig) withDefaults() CoAPConfig {
	p.AckTimeout = cmp.Or(p.AckTimeout, DefaultAckTimeout)
	p.AckRandomFactor = cmp.Or(p.AckRandomFactor, DefaultAckRandomFactor)
	p.MaxRetransmit = cmp.Or(p.MaxRetransmit, DefaultMaxRetransmit)
	p.NStart = cmp.Or(p.NStart, DefaultNStart)
	return p
}

// Format prints an account for every verb, but shows of a Signer its type only:
// a key in memory would print in full.
func (a Account) Format(f fmt.State, verb rune) {
	type plain Account
	a.Signer = hide(a.Signer)
	fmt.Fprintf(f, fmt.FormatString(f, verb), plain(a))
}

// MarshalJSON hides the Signer as Format does.
func (a Account) MarshalJSON() ([]byte, error) {
	type plain Account
	a.Signer = hide(a.Signer)
	return json.Marshal(plain(a))
}

// hiddenSigner prints as the type of a signer, whatever the verb.
type hiddenSigner struct {
	crypto.Signer
	name string
}

func hide(s crypto.Signer) crypto.Signer {
	if s == nil {
		return nil
	}
	return hiddenSigner{name: fmt.Sprintf("%T", s)}
}

// Format implements fmt.Formatter.
func (s hiddenSigner) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.name) }

// MarshalJSON implements json.Marshaler.
func (s hiddenSigner) MarshalJSON() ([]byte, error) { return json.Marshal(s.name) }

func (l LimitsConfig) withDefaults() LimitsConfig {
	l.BootstrapBytes = cmp.Or(l.BootstrapBytes, DefaultBootstrapBytes)
	l.QueuedMessages = cmp.Or(l.QueuedMessages, DefaultQueuedMessages)
	l.Accounts = cmp.Or(l.Accounts, DefaultAccounts)
	l.Observations = cmp.Or(l.Observations, DefaultObservations)
	return l
}

func (a *Account) clone() *Account {
	if a == nil {
		return nil
	}
	b := *a
	b.PSKKey = bytes.Clone(a.PSKKey)
	b.CertificateChain = cloneAll(a.CertificateChain)
	b.TrustAnchors = cloneAll(a.TrustAnchors)
	b.Pins = slices.Clone(a.Pins)
	return &b
}

func cloneAll(list [][]byte) [][]byte {
	var all [][]byte
	for _, der := range list {
		all = append(all, bytes.Clone(der))
	}
	return all
}
