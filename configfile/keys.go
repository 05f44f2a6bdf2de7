package configfile

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// key is one key of the configuration: its path, and how the text of a value
// becomes the field. The file, the environment and overrides all go through it,
// so that they agree on what a value means.
type key struct {
	path string
	// set returns what is wrong with the text, or "". It never repeats it.
	set func(f *File, text string) string
	// value returns the field, for a comparison. It may make an account.
	value func(f *File) any
	// from returns a value whose path, if it is a relative one, starts from a
	// folder. Nil: the value has no path.
	from func(folder, text string) string
	// read takes a list, with all that is wrong with it. Nil: the key takes one value.
	read func(f *File, s Setting) *list
}

// at returns the key as one whose value has a path.
func (k key) at(from func(folder, text string) string) key {
	k.from = from
	return k
}

// located returns the text of a setting with its path in place.
func (k key) located(s Setting) string {
	if k.from == nil || s.Text == "" {
		return s.Text
	}
	return k.from(s.folder, s.Text)
}

// The sections that are accounts.
const (
	sectionBootstrap = "bootstrap"
	sectionServer    = "server"
)

// Keys returns every key that a configuration may have, as paths such as
// "coap.ack_timeout", in the order of the documentation.
func Keys() []string {
	var paths []string
	for _, k := range allKeys() {
		paths = append(paths, k.path)
	}
	return paths
}

// Changes returns the keys of which two configurations have different values, in the
// order of [Keys]: for a program that reads its configuration anew, and says what
// it cannot take over as it runs.
func Changes(a, b File) []string {
	var changed []string
	for _, k := range allKeys() {
		if k.value(a.apart()) != k.value(b.apart()) {
			changed = append(changed, k.path)
		}
	}
	return changed
}

// apart returns a copy whose sections may be made and replaced.
func (f File) apart() *File {
	if w := f.Config.Firmware; w != nil {
		f.Config.Firmware = new(*w) // a section of its own may be made in it
	}
	return &f
}

func allKeys() []key {
	return slices.Concat(
		[]key{
			text("endpoint", func(f *File) *string { return &f.Config.Endpoint }),
			text("account_id", func(f *File) *string { return &f.Config.AccountID }),
			chosen("state_dir", func(f *File) *string { return &f.Config.StateDir },
				"is empty: name a directory, or leave it out for "+holdfast.DefaultStateDir).at(pathFrom),
			duration("lifetime", func(f *File) *time.Duration { return &f.Config.Lifetime }),
			chosen("lwm2m_version", func(f *File) *string { return &f.Config.LwM2MVersion }, "is neither 1.0 nor 1.1"),
			yesOrNo("queue_mode", func(f *File) *bool { return &f.Config.QueueMode }),
		},
		accountKeys(sectionBootstrap),
		accountKeys(sectionServer),
		[]key{text("trust_store", func(f *File) *string { return &f.Config.TrustStore }).at(trustStoreFrom)},
		timingKeys(),
		[]key{
			notNo("dtls.cid", func(f *File) *bool { return &f.Config.DTLS.WithoutCID }),
			notNo("dtls.keep_sessions", func(f *File) *bool { return &f.Config.DTLS.ForgetSessions }),
			text("dns.server", func(f *File) *string { return &f.Config.DNS.Server }),
			textsKey("network.interface", func(f *File) *[]string { return &f.Config.Network.Interfaces }, func(string, []string) {}),
			watchKey(),
			size("limits.bootstrap_bytes", func(f *File) *int { return &f.Config.Limits.BootstrapBytes }),
			count("limits.queued_messages", func(f *File) *int { return &f.Config.Limits.QueuedMessages }, "is not a whole number"),
			count("limits.accounts", func(f *File) *int { return &f.Config.Limits.Accounts }, "is not a whole number"),
			count("limits.observations", func(f *File) *int { return &f.Config.Limits.Observations }, "is not a whole number"),
			chosen("device.manufacturer", func(f *File) *string { return &f.Config.Device.Manufacturer },
				"is empty: give a name, or leave it out for "+holdfast.DefaultManufacturer),
			text("device.model", func(f *File) *string { return &f.Config.Device.Model }),
			text("device.serial", func(f *File) *string { return &f.Config.Device.Serial }),
			text("device.firmware", func(f *File) *string { return &f.Config.Device.Firmware }),
		},
		gatewayKeys(),
		firmwareKeys(),
		[]key{
			listKey(keyObjects, itemsOf, takeObjects, func(f *File) any { return fmt.Sprintf("%#v", f.Objects) }),
			textsKey(keyDefinitions, func(f *File) *[]string { return &f.Definitions }, pathsFrom),
			text("control.listen", func(f *File) *string { return &f.Control.Listen }).at(addressFrom),
			text("control.group", func(f *File) *string { return &f.Control.Group }),
			text("control.metrics", func(f *File) *string { return &f.Control.Metrics }).at(addressFrom),
			text("log.level", func(f *File) *string { return &f.Log.Level }),
			text("log.format", func(f *File) *string { return &f.Log.Format }),
		},
	)
}

// watchKey is true unless something else is written.
func watchKey() key {
	k := yesOrNo("network.watch", func(f *File) *bool { return &f.Config.Network.Unwatched })
	set := k.set
	k.set = func(f *File, text string) string {
		problem := set(f, text)
		f.Config.Network.Unwatched = text == "false"
		return problem
	}
	return k
}

func timingKeys() []key {
	return []key{
		chosen("reconnect.policy", func(f *File) *holdfast.ReconnectPolicy { return &f.Config.Reconnect.Policy },
			"is none of auto, exponential and lwm2m"),
		duration("reconnect.initial_min", func(f *File) *time.Duration { return &f.Config.Reconnect.InitialMin }),
		duration("reconnect.initial_max", func(f *File) *time.Duration { return &f.Config.Reconnect.InitialMax }),
		duration("reconnect.max", func(f *File) *time.Duration { return &f.Config.Reconnect.Max }),
		duration("registration_timeout", func(f *File) *time.Duration { return &f.Config.RegistrationTimeout }),
		duration("bootstrap_timeout", func(f *File) *time.Duration { return &f.Config.BootstrapTimeout }),
		{path: "renew_at", set: setRenewAt, value: func(f *File) any { return f.Config.RenewAt }},
		duration("object_timeout", func(f *File) *time.Duration { return &f.Config.ObjectTimeout }),
		duration("coap.ack_timeout", func(f *File) *time.Duration { return &f.Config.CoAP.AckTimeout }),
		{path: "coap.ack_random_factor", set: setAckRandomFactor, value: func(f *File) any { return f.Config.CoAP.AckRandomFactor }},
		{path: "coap.max_retransmit", set: setMaxRetransmit, value: func(f *File) any { return f.Config.CoAP.MaxRetransmit }},
		count("coap.nstart", func(f *File) *int { return &f.Config.CoAP.NStart }, "is not a whole number from 1 to 255"),
	}
}

// accountKeys returns the keys of one account's section.
func accountKeys(section string) []key {
	field := func(name string, of func(*holdfast.Account) *string) key {
		return text(section+"."+name, func(f *File) *string { return of(f.account(section)) })
	}
	file := func(name string, of func(*holdfast.Account) *string) key { return field(name, of).at(pathFrom) }
	return []key{
		field("uri", func(a *holdfast.Account) *string { return &a.URI }),
		text(section+".security", func(f *File) *holdfast.SecurityMode { return &f.account(section).Security }),
		field("psk_identity", func(a *holdfast.Account) *string { return &a.PSKIdentity }),
		pskKey(section, func(f *File) *holdfast.Secret { return &f.account(section).PSKKey }),
		file("psk_key_file", func(a *holdfast.Account) *string { return &a.PSKKeyFile }),
		file("certificate", func(a *holdfast.Account) *string { return &a.Certificate }),
		file("private_key", func(a *holdfast.Account) *string { return &a.PrivateKey }),
		file("trust", func(a *holdfast.Account) *string { return &a.Trust }),
		text(section+".usage", func(f *File) *holdfast.CertificateUsage { return &f.account(section).Usage }),
		textsKey(section+".pin", func(f *File) *[]string { return &f.account(section).Pins }, asTheyAre),
		field("server_name", func(a *holdfast.Account) *string { return &a.ServerName }),
		field("est", func(a *holdfast.Account) *string { return &a.EST }),
	}
}

// trustStoreFrom puts the path of a trust store in place. The word system is none, and
// what was a path does not become it.
func trustStoreFrom(folder, text string) string {
	if text == holdfast.TrustStoreSystem {
		return text
	}
	path := pathFrom(folder, text)
	if path == holdfast.TrustStoreSystem {
		path = "." + string(filepath.Separator) + path
	}
	return path
}
