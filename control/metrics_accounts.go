package control

import (
	"runtime/debug"
	"slices"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/clientview"
	"github.com/holdfast-iot/holdfast/messages"
)

// account is a server account as the metrics show it.
type account struct {
	holdfast.Connection
	bootstrap bool
	// unused says that it stands in the configuration only: its files have not been
	// read yet, or cannot be used.
	unused bool
}

// accountsOf returns the accounts in use, and those of the configuration that would
// be in use if they could: whoever watches a gateway wants to see that it is not
// registered also when its certificate has expired, or its disk hangs.
func accountsOf(e holdfast.Explanation, configured []clientview.Account) (accounts []account) {
	var bootstraps, manages bool
	for _, c := range e.Connections {
		a := account{Connection: c, bootstrap: c.Account == messages.BootstrapPeer().String()}
		bootstraps, manages = bootstraps || a.bootstrap, manages || !a.bootstrap
		accounts = append(accounts, a)
	}
	for _, c := range configured {
		bootstrap := c.Peer.Kind == messages.PeerBootstrap
		// What a bootstrap has delivered takes the place of the configured management
		// account.
		if bootstrap && bootstraps || !bootstrap && manages {
			continue
		}
		accounts = append(accounts, account{
			Connection: holdfast.Connection{Account: c.Peer.String(), Server: c.Server, CertificateExpires: c.CertificateExpires},
			bootstrap:  bootstrap, unused: true,
		})
	}
	return accounts
}

// distinct returns the first account of each server: two may have one URI, and a
// metric must not come twice.
func distinct(accounts []account) []account {
	seen := map[string]bool{}
	var list []account
	for _, a := range accounts {
		if !seen[a.Server] {
			seen[a.Server] = true
			list = append(list, a)
		}
	}
	return list
}

// accounts emits what is true of an account.
func (s sample) accounts(accounts []account, store *holdfast.Trouble) {
	s.gauge(metricPerson, oneIf(needsPerson(store)), "", "")
	for _, a := range accounts {
		person := needsPerson(a.Trouble) || a.unused && needsPerson(store)
		s.gauge(metricPerson, oneIf(person), a.Account, a.Server)
		if !a.CertificateExpires.IsZero() {
			s.gauge(metricCertificate, float64(a.CertificateExpires.Unix()), a.Account, a.Server)
		}
	}
	managed := slices.DeleteFunc(slices.Clone(accounts), func(a account) bool { return a.bootstrap })
	for _, a := range distinct(managed) {
		s.gauge(metricRegistered, oneIf(a.State == holdfast.Registered), a.Server)
		s.reporting(a.Connection)
	}
}

// needsPerson reports whether a run of failures goes on until a person does
// something.
func needsPerson(t *holdfast.Trouble) bool { return t != nil && t.Error.NeedsPerson() }

// build is what the program was built from.
type build struct{ version, commit, goVersion string }

const module = "github.com/holdfast-iot/holdfast"

// builtFrom reads the build's own record. In a program that embeds the client the
// version is that of the module; the commit is the program's, and said for its own
// programs only.
func builtFrom() build {
	b := build{version: "unknown", commit: "unknown", goVersion: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.goVersion = info.GoVersion
	if info.Main.Path == module {
		b.version, b.commit = info.Main.Version, revision(info.Settings)
		return b
	}
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			b.version = dependency.Version
		}
	}
	return b
}

func revision(settings []debug.BuildSetting) string {
	for _, s := range settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "unknown"
}
