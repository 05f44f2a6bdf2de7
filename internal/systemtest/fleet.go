package systemtest

import (
	"fmt"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/messages"
)

// MemberName is the endpoint of the i-th client of a fleet, i from 0.
func MemberName(i int) string { return fmt.Sprintf("gw-%04d", i) }

// MemberKeys are the keys of the first n clients of a fleet, by identity.
func MemberKeys(n int) map[string]messages.Secret {
	keys := make(map[string]messages.Secret, n)
	for i := range n {
		keys[MemberName(i)] = Key
	}
	return keys
}

// Member starts the i-th client of a fleet, with random draws of its own.
func (w *World) Member(rt *holdfast.Runtime, base holdfast.Config, i int) *Client {
	w.T.Helper()
	cfg := base
	cfg.Endpoint = MemberName(i)
	cfg.StateDir = w.T.TempDir()
	account := *base.Server
	if account.Security == holdfast.SecurityPSK {
		account.PSKIdentity = cfg.Endpoint
	}
	cfg.Server = &account
	cfg.Reconnect = holdfast.ReconnectConfig{}
	client, err := rt.New(cfg)
	if err != nil {
		w.T.Fatal(err)
	}
	return startRecorded(w.T, client, 256)
}
