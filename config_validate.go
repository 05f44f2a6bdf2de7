package holdfast

import (
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/internal/requests"
)

// Bounds of a configuration's values.
const (
	configMaxName          = requests.MaxEndpoint // bytes of endpoint and account_id
	configMaxDevice        = 255                  // bytes of each field of device
	configMaxLifetime      = math.MaxUint32 * time.Second
	configMaxAckTimeout    = 10 * time.Minute
	configMaxRandomFactor  = 10
	configMaxRetransmit    = 16
	configMaxNStart        = 255
	configNoControls       = "must be UTF-8 without control characters"
	configRequired         = "is required"
	configMustBePositive   = "must be a positive duration"
	configUnknownLogLevel  = "is none of trace, debug, info, warn, error, fatal, panic and disabled"
	configUnknownLogFormat = "is neither console nor json"
)

// Validate reports everything that is wrong with the configuration, zero
// fields standing for their defaults, as a [*ConfigError]. It looks at no file
// and no store.
func (c Config) Validate() error {
	if faults := c.withDefaults().faults(); len(faults) > 0 {
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

// faults checks a configuration in which all defaults are filled in: here a
// zero is a value like any other.
func (c Config) faults() []Fault {
	var f configFaults
	f.require(c.Endpoint != "", "endpoint", configRequired)
	f.text("endpoint", c.Endpoint, configMaxName)
	f.text("account_id", c.AccountID, configMaxName)
	f.stateDir(c.StateDir)
	f.lifetime(c.Lifetime)
	f.require(c.LwM2MVersion == "1.0" || c.LwM2MVersion == "1.1", "lwm2m_version", "is neither 1.0 nor 1.1")
	f.account(configBootstrap, c.Bootstrap, c.AccountID)
	f.account(configServer, c.Server, c.AccountID)
	f.reconnect(c.Reconnect)
	f.require(c.RegistrationTimeout > 0, "registration_timeout", configMustBePositive)
	f.coap(c.CoAP)
	f.require(c.DNS.Server == "" || configIsHostPort(c.DNS.Server), "dns.server", "is not host:port, such as 192.0.2.53:53 or [2001:db8::53]:53")
	f.limits(c.Limits)
	f.device(c.Device)
	f.control(c.Control)
	f.log(c.Log)
	return f
}

// text checks what a server will see or a person will read.
func (f *configFaults) text(key, value string, limit int) {
	f.require(len(value) <= limit, key, "is longer than "+strconv.Itoa(limit)+" bytes")
	f.require(utf8.ValidString(value) && !strings.ContainsFunc(value, unicode.IsControl), key, configNoControls)
}

func (f *configFaults) stateDir(path string) {
	f.require(path != "", "state_dir", "is empty: name a directory, or leave it out for "+DefaultStateDir)
	f.require(!strings.ContainsRune(path, 0), "state_dir", "has a zero byte")
}

func (f *configFaults) lifetime(d time.Duration) {
	inRange := d >= time.Second && d <= configMaxLifetime && d%time.Second == 0
	f.require(inRange, "lifetime", "must be whole seconds, from 1s to 4294967295s")
}

func (f *configFaults) reconnect(r ReconnectConfig) {
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
	if positive {
		f.require(r.InitialMin <= r.InitialMax, "reconnect.initial_min", "is above reconnect.initial_max ("+r.InitialMax.String()+")")
		f.require(r.InitialMax <= r.Max, "reconnect.max", "is below reconnect.initial_max ("+r.InitialMax.String()+")")
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

func (f *configFaults) device(d DeviceConfig) {
	f.require(d.Manufacturer != "", "device.manufacturer", "is empty: give a name, or leave it out for "+DefaultManufacturer)
	f.text("device.manufacturer", d.Manufacturer, configMaxDevice)
	f.text("device.model", d.Model, configMaxDevice)
	f.text("device.serial", d.Serial, configMaxDevice)
	f.text("device.firmware", d.Firmware, configMaxDevice)
}

func (f *configFaults) log(l LogConfig) {
	levels := []string{"trace", "debug", "info", "warn", "error", "fatal", "panic", "disabled"}
	f.require(slices.Contains(levels, l.Level), "log.level", configUnknownLogLevel)
	f.require(l.Format == "console" || l.Format == "json", "log.format", configUnknownLogFormat)
}
