package holdfast

import (
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// configKey is one key of the configuration: its path, and how the text of a
// value becomes the field. The file, the environment and overrides all go
// through it, so that they agree on what a value means.
type configKey struct {
	path string
	// set returns what is wrong with the text, or "". It never repeats it.
	set func(c *Config, text string) string
}

// The sections that are accounts.
const (
	configBootstrap = "bootstrap"
	configServer    = "server"
)

// ConfigKeys returns every key that a configuration may have, as paths such as
// "coap.ack_timeout", in the order of the documentation.
func ConfigKeys() []string {
	var paths []string
	for _, k := range configKeys() {
		paths = append(paths, k.path)
	}
	return paths
}

func configKeys() []configKey {
	return slices.Concat(
		[]configKey{
			configText("endpoint", func(c *Config) *string { return &c.Endpoint }),
			configText("account_id", func(c *Config) *string { return &c.AccountID }),
			configText("state_dir", func(c *Config) *string { return &c.StateDir }),
			configDuration("lifetime", func(c *Config) *time.Duration { return &c.Lifetime }),
			configText("lwm2m_version", func(c *Config) *string { return &c.LwM2MVersion }),
		},
		configAccountKeys(configBootstrap),
		configAccountKeys(configServer),
		configTimingKeys(),
		[]configKey{
			configText("dns.server", func(c *Config) *string { return &c.DNS.Server }),
			{"limits.bootstrap_bytes", func(c *Config, text string) string { return setSize(&c.Limits.BootstrapBytes, text) }},
			{"limits.queued_messages", func(c *Config, text string) string { return setCount(&c.Limits.QueuedMessages, text) }},
			{"limits.accounts", func(c *Config, text string) string { return setCount(&c.Limits.Accounts, text) }},
			configText("device.manufacturer", func(c *Config) *string { return &c.Device.Manufacturer }),
			configText("device.model", func(c *Config) *string { return &c.Device.Model }),
			configText("device.serial", func(c *Config) *string { return &c.Device.Serial }),
			configText("device.firmware", func(c *Config) *string { return &c.Device.Firmware }),
			configText("control.listen", func(c *Config) *string { return &c.Control.Listen }),
			configText("log.level", func(c *Config) *string { return &c.Log.Level }),
			configText("log.format", func(c *Config) *string { return &c.Log.Format }),
		},
	)
}

func configTimingKeys() []configKey {
	return []configKey{
		configText("reconnect.policy", func(c *Config) *ReconnectPolicy { return &c.Reconnect.Policy }),
		configDuration("reconnect.initial_min", func(c *Config) *time.Duration { return &c.Reconnect.InitialMin }),
		configDuration("reconnect.initial_max", func(c *Config) *time.Duration { return &c.Reconnect.InitialMax }),
		configDuration("reconnect.max", func(c *Config) *time.Duration { return &c.Reconnect.Max }),
		configDuration("registration_timeout", func(c *Config) *time.Duration { return &c.RegistrationTimeout }),
		configDuration("coap.ack_timeout", func(c *Config) *time.Duration { return &c.CoAP.AckTimeout }),
		{"coap.ack_random_factor", setAckRandomFactor},
		{"coap.max_retransmit", setMaxRetransmit},
		{"coap.nstart", setNStart},
	}
}

// configAccountKeys returns the keys of one account's section.
func configAccountKeys(section string) []configKey {
	text := func(name string, field func(*Account) *string) configKey {
		return configText(section+"."+name, func(c *Config) *string { return field(c.account(section)) })
	}
	return []configKey{
		text("uri", func(a *Account) *string { return &a.URI }),
		configText(section+".security", func(c *Config) *SecurityMode { return &c.account(section).Security }),
		text("psk_identity", func(a *Account) *string { return &a.PSKIdentity }),
		{section + ".psk_key", func(c *Config, text string) string { return c.account(section).setPSKKey(text) }},
		text("psk_key_file", func(a *Account) *string { return &a.PSKKeyFile }),
		text("certificate", func(a *Account) *string { return &a.Certificate }),
		text("private_key", func(a *Account) *string { return &a.PrivateKey }),
		text("trust", func(a *Account) *string { return &a.Trust }),
	}
}

const configNoValue = "has no value: give one, or leave the key out"

// account returns the account of a section and makes it if need be.
func (c *Config) account(section string) *Account {
	field := &c.Server
	if section == configBootstrap {
		field = &c.Bootstrap
	}
	if *field == nil {
		*field = &Account{}
	}
	return *field
}

func configText[T ~string](path string, field func(*Config) *T) configKey {
	return configKey{path, func(c *Config, text string) string {
		*field(c) = T(text)
		return ""
	}}
}

func configDuration(path string, field func(*Config) *time.Duration) configKey {
	return configKey{path, func(c *Config, text string) string {
		if text == "" {
			return configNoValue
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return "is not a duration such as 90s, 3m or 24h"
		}
		*field(c) = d
		return ""
	}}
}

func setAckRandomFactor(c *Config, text string) string {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) {
		return "is not a number such as 1.5"
	}
	c.CoAP.AckRandomFactor = f
	return ""
}

// setMaxRetransmit takes 0 for what it says, although a zero field means the
// default.
func setMaxRetransmit(c *Config, text string) string {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return "is not a whole number from 0 to 16"
	}
	c.CoAP.MaxRetransmit = int(n)
	if n == 0 {
		c.CoAP.MaxRetransmit = NoRetransmit
	}
	return ""
}

func setNStart(c *Config, text string) string {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return "is not a whole number from 1 to 255"
	}
	c.CoAP.NStart = int(n)
	return ""
}

// setPSKKey never shows what it was given.
func (a *Account) setPSKKey(text string) string {
	if text == "" {
		return "is empty: give the key in hexadecimal digits, or leave it out"
	}
	key, err := hex.DecodeString(text)
	if err != nil {
		return "is not hexadecimal: give two of the digits 0-9 and a-f for each byte"
	}
	a.PSKKey = key
	return ""
}

// configEnvName returns the environment variable of a key:
// HOLDFAST_COAP_ACK_TIMEOUT for coap.ack_timeout.
func configEnvName(path string) string {
	return "HOLDFAST_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}
