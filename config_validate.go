package holdfast

import (
	"errors"
	"io/fs"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/linkwatch"
	"github.com/holdfast-iot/holdfast/internal/offer"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/internal/store"
)

// Bounds of a configuration's values.
const (
	configMaxName         = requests.MaxEndpoint // bytes of endpoint and account_id
	configMaxDevice       = 255                  // bytes of each field of device
	configMaxLifetime     = math.MaxUint32 * time.Second
	configMaxAckTimeout   = 10 * time.Minute
	configMaxRandomFactor = 10
	configMaxRetransmit   = 16
	configMaxNStart       = 255
	configMinBootstrap    = 256                // bytes
	configMaxBootstrap    = accounts.MaxRecord // bytes
	configMaxQueued       = 1 << 16
	configMaxObservations = 10_000
	configMaxAccounts     = 1000
	configMaxInterfaces   = 16
	configMaxInterface    = 15 // bytes of a name
	configNoControls      = "must be UTF-8 without control characters"
	configRequired        = "is required"
	configMustBePositive  = "must be a positive duration"
)

// Validate reports everything that is wrong with the configuration, zero
// fields standing for their defaults, as a [*ConfigError]. It looks at no file
// and no store.
func (c Config) Validate() error {
	if faults := c.faults(); len(faults) > 0 {
		return &ConfigError{Faults: faults}
	}
	return nil
}

// configFaults collects what is wrong.
type configFaults []Fault

func (f *configFaults) add(key, problem string) {
	*f = append(*f, Fault{Key: key, Problem: problem})
}

// require adds a fault unless ok holds.
func (f *configFaults) require(ok bool, key, problem string) {
	if !ok {
		f.add(key, problem)
	}
}

// faults checks a configuration with its defaults.
func (c Config) faults() []Fault {
	var f configFaults
	written := c.Reconnect
	c = c.withDefaults()
	f.require(c.Endpoint != "", "endpoint", configRequired)
	f.text("endpoint", c.Endpoint, configMaxName)
	f.text("account_id", c.AccountID, configMaxName)
	f.require(!strings.ContainsRune(c.StateDir, 0), "state_dir", "has a zero byte")
	f.lifetime(c.Lifetime)
	f.require(c.LwM2MVersion == "1.0" || c.LwM2MVersion == "1.1", "lwm2m_version", "is neither 1.0 nor 1.1")
	accountID := c.AccountID
	if len(accountID) > configMaxName {
		accountID = "" // it is at fault, and not the URIs that have no room for it
	}
	f.account(configBootstrap, c.Bootstrap, accountID, c)
	f.account(configServer, c.Server, accountID, c)
	f.require(c.TrustStore == "" || len(c.TrustStoreAnchors) == 0, "trust_store", "excludes TrustStoreAnchors: give one of the two")
	f.reconnect(written, c.Reconnect)
	f.require(c.RegistrationTimeout > 0, "registration_timeout", configMustBePositive)
	f.require(c.BootstrapTimeout > 0, "bootstrap_timeout", configMustBePositive)
	f.coap(c.CoAP)
	f.require(c.RenewAt > 0 && c.RenewAt <= 1, "renew_at", "must be a number above 0 and at most 1")
	f.require(c.DNS.Server == "" || configIsHostPort(c.DNS.Server), "dns.server", "is not host:port, such as 192.0.2.53:53 or [2001:db8::53]:53")
	f.network(c.Network, linkwatch.Supported)
	f.limits(c.Limits)
	f.device(c.Device)
	offered := offer.Check(c.Objects)
	for _, p := range offered {
		f.add("objects["+strconv.Itoa(p.At)+"]", p.Text)
	}
	f.require(c.ObjectTimeout > 0, "object_timeout", configMustBePositive)
	f.firmware(c)
	if len(offered) == 0 { // else an object may not even say what it is
		f.served(c.Objects, c.Firmware)
	}
	return f
}

// text checks what a server will see or a person will read.
func (f *configFaults) text(key, value string, limit int) {
	f.require(len(value) <= limit, key, "is longer than "+strconv.Itoa(limit)+" bytes")
	f.require(utf8.ValidString(value) && !strings.ContainsFunc(value, unicode.IsControl), key, configNoControls)
}

func (f *configFaults) lifetime(d time.Duration) {
	inRange := d >= time.Second && d <= configMaxLifetime && d%time.Second == 0
	f.require(inRange, "lifetime", "must be whole seconds, from 1s to 4294967295s")
}

// reconnect checks the policy r. Of two values that contradict each other the one that
// was written is at fault, and not a default.
func (f *configFaults) reconnect(written, r ReconnectConfig) {
	switch r.Policy {
	case PolicyAuto, PolicyExponential, PolicyLwM2M:
	default:
		f.add("reconnect.policy", "is none of auto, exponential and lwm2m")
	}
	positive := true
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"reconnect.initial_min", r.InitialMin}, {"reconnect.initial_max", r.InitialMax}, {"reconnect.max", r.Max},
	} {
		f.require(d.value > 0, d.key, configMustBePositive)
		positive = positive && d.value > 0
	}
	if !positive {
		return
	}
	switch ordered := r.InitialMin <= r.InitialMax; {
	case !ordered && written.InitialMin == 0:
		f.add("reconnect.initial_max", "is below reconnect.initial_min ("+r.InitialMin.String()+")")
	case !ordered:
		f.add("reconnect.initial_min", "is above reconnect.initial_max ("+r.InitialMax.String()+")")
	}
	switch ordered := r.InitialMax <= r.Max; {
	case !ordered && written.Max == 0:
		f.add("reconnect.initial_max", "is above reconnect.max ("+r.Max.String()+")")
	case !ordered:
		f.add("reconnect.max", "is below reconnect.initial_max ("+r.InitialMax.String()+")")
	}
}

func (f *configFaults) coap(p CoAPConfig) {
	f.require(p.AckTimeout > 0 && p.AckTimeout <= configMaxAckTimeout, "coap.ack_timeout", "must be a positive duration of at most 10m")
	f.require(p.AckRandomFactor >= 1 && p.AckRandomFactor <= configMaxRandomFactor, "coap.ack_random_factor", "must be a number from 1 to 10")
	resends := p.MaxRetransmit == NoRetransmit || p.MaxRetransmit >= 1 && p.MaxRetransmit <= configMaxRetransmit
	f.require(resends, "coap.max_retransmit", "must be a whole number from 0 to 16")
	f.require(p.NStart >= 1 && p.NStart <= configMaxNStart, "coap.nstart", "must be a whole number from 1 to 255")
}

// configIsHostPort accepts a name or an address with a port number.
func configIsHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// network checks interfaces, which a system may not be able to bind sockets to.
func (f *configFaults) network(n NetworkConfig, supported bool) {
	const key = "network.interface"
	f.require(len(n.Interfaces) <= configMaxInterfaces, key, "names more than 16 interfaces")
	seen := map[string]bool{}
	for i, name := range n.Interfaces {
		at := key + "[" + strconv.Itoa(i) + "]"
		f.require(configIsInterface(name), at, "is no name of an interface: 1 to 15 bytes without white space, / and :")
		f.require(!seen[name], at, "names an interface twice")
		seen[name] = true
	}
	if len(n.Interfaces) > 0 {
		f.require(!n.Unwatched, "network.watch", "is false, but network.interface needs the machine's interfaces watched: leave it out")
		f.require(supported, key, "is for Linux only: leave it out, and the routes decide")
	}
}

// configIsInterface accepts what Linux does (dev_valid_name).
func configIsInterface(name string) bool {
	bad := func(r rune) bool { return r == '/' || r == ':' || unicode.IsSpace(r) || unicode.IsControl(r) }
	return name != "" && name != "." && name != ".." && len(name) <= configMaxInterface && utf8.ValidString(name) && !strings.ContainsFunc(name, bad)
}

func (f *configFaults) device(d DeviceConfig) {
	f.text("device.manufacturer", d.Manufacturer, configMaxDevice)
	f.text("device.model", d.Model, configMaxDevice)
	f.text("device.serial", d.Serial, configMaxDevice)
	f.text("device.firmware", d.Firmware, configMaxDevice)
}

func (f *configFaults) limits(l LimitsConfig) {
	f.require(l.BootstrapBytes >= configMinBootstrap && l.BootstrapBytes <= configMaxBootstrap,
		"limits.bootstrap_bytes", "must be from 256B to 1MiB")
	f.require(l.QueuedMessages >= 1 && l.QueuedMessages <= configMaxQueued,
		"limits.queued_messages", "must be a whole number from 1 to 65536")
	f.require(l.Accounts >= 1 && l.Accounts <= configMaxAccounts,
		"limits.accounts", "must be a whole number from 1 to 1000")
	f.require(l.Observations >= 1 && l.Observations <= configMaxObservations,
		"limits.observations", "must be a whole number from 1 to 10000")
}

// Fault is one thing that is wrong with a configuration or with a file that it
// names. It never repeats a value that may be secret.
type Fault struct {
	// Key is the configuration key, "bootstrap.uri", or the name of a variable
	// that no key has; empty when the fault concerns the configuration file as a
	// whole.
	Key string
	// Problem says what is wrong, in words that follow the key.
	Problem string
	// Source is where the value came from: "gw.yaml:7:8" (line, column),
	// "HOLDFAST_LIFETIME" or "--lifetime"; of one that is missing, where it could
	// come from; empty when not known.
	Source string
	// Err is the cause, for errors.Is and errors.As; may be nil.
	Err error
}

// String returns the fault on one line: "key: problem (source)".
func (f Fault) String() string {
	text := f.Problem
	if f.Key != "" {
		text = f.Key + ": " + text
	}
	if f.Source != "" {
		text += " (" + f.Source + ")"
	}
	return text
}

// ConfigError lists every fault of a configuration; there is at least one.
type ConfigError struct{ Faults []Fault }

// Error lists all faults, one a line.
func (e *ConfigError) Error() string { return configLines("invalid configuration", e.Faults) }

// Unwrap returns the causes that are known.
func (e *ConfigError) Unwrap() []error { return configCauses(e.Faults) }

// CredentialsError lists every fault of what a configuration names;
// there is at least one.
type CredentialsError struct{ Faults []Fault }

// Error lists all faults, one a line.
func (e *CredentialsError) Error() string { return configLines("unusable credentials", e.Faults) }

// Unwrap returns the causes that are known.
func (e *CredentialsError) Unwrap() []error { return configCauses(e.Faults) }

// Code returns [CodeReadCredentials] when nothing but I/O errors stands in the
// way, else [CodeInvalidCredentials]: a person is needed.
func (e *CredentialsError) Code() ErrorCode {
	if slices.ContainsFunc(e.Faults, func(f Fault) bool { return !configIsIO(f.Err) }) {
		return CodeInvalidCredentials
	}
	return CodeReadCredentials
}

// configIsIO tells an I/O error, which may pass, from a file that is missing
// or that this user may not read.
func configIsIO(err error) bool {
	var distrust *store.DistrustError
	if errors.As(err, &distrust) {
		return true // of the state directory, which is good or not at any time
	}
	var path *fs.PathError
	if !errors.As(err, &path) {
		return false
	}
	lasting := []error{fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG}
	return !slices.ContainsFunc(lasting, func(target error) bool { return errors.Is(err, target) })
}

func configLines(title string, faults []Fault) string {
	lines := []string{title + ":"}
	for _, f := range faults {
		lines = append(lines, "  "+f.String())
	}
	return strings.Join(lines, "\n")
}

func configCauses(faults []Fault) []error {
	var causes []error
	for _, f := range faults {
		if f.Err != nil {
			causes = append(causes, f.Err)
		}
	}
	return causes
}
