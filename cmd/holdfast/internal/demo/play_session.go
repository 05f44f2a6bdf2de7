package demo

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Endpoints of the gateways whose DTLS sessions outlive what happens to them.
const (
	movedName     = "demo-moved"
	restartedName = "demo-restarted"
)

// Events that show what it has cost to go on.
var (
	updatedByKept    = ofCost(updated, "kept")
	registeredByKept = ofCost(registered, "kept")
)

// ofCost expects an event that says what the link has cost.
func ofCost(e expectation, cost string) expectation {
	return expectation{e.what + " at the cost \"" + cost + "\"", func(event holdfast.Event) bool {
		return e.match(event) && event.Session == cost
	}}
}

// openMovable opens a management service that gives its clients Connection IDs, behind a
// relay, and returns the account of an endpoint there.
func (l *lab) openMovable(endpoint string) (holdfast.Account, error) {
	pc, err := listen(netip.AddrPortFrom(loopback, 0))
	if err != nil {
		return holdfast.Account{}, err
	}
	key := newKey()
	security := lwm2mtest.PSK(endpoint, key)
	security.ConnectionID = true
	service := l.server.ServeManagement(pc, security)
	if l.relay != nil {
		l.relay.close()
	}
	if l.relay, err = newRelay(service.Addr()); err != nil {
		return holdfast.Account{}, err
	}
	return holdfast.Account{
		URI:      fmt.Sprintf("coaps://%s:%d", managementHost, l.relay.port()),
		Security: holdfast.SecurityPSK, PSKIdentity: endpoint, PSKKey: key,
	}, nil
}

// castMoved starts a gateway whose server gives it a Connection ID.
func castMoved(ctx context.Context, l *lab) (*device, error) {
	account, err := l.openMovable(movedName)
	if err != nil {
		return nil, err
	}
	cfg := l.settings(movedName, l.dir(movedName), nil)
	cfg.Server = &account
	d, err := l.startConfigured(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return d, d.settle(ctx)
}

// playMoved has the gateway come from another port, in the midst of its session.
func playMoved(ctx context.Context, t *take) error {
	t.say("the NAT between them forgets its mapping: the gateway comes from another port by now")
	if err := t.relay.rebind(); err != nil {
		return err
	}
	t.provoked = time.Now()
	if err := t.device.client.RegisterUpdate(ctx); err != nil {
		return err
	}
	if err := t.expect(ctx, updatedByKept); err != nil {
		return err
	}
	return t.device.close(ctx)
}

// castRestarted starts such a gateway in a process of its own.
func castRestarted(ctx context.Context, l *lab) (*device, error) {
	if l.command == nil {
		return nil, errNoCommand
	}
	account, err := l.openMovable(restartedName)
	if err != nil {
		return nil, err
	}
	cfg := settings()
	data, err := json.Marshal(map[string]any{
		"endpoint": restartedName, "state_dir": l.dir(restartedName), "dns": map[string]any{"server": l.names.address},
		"registration_timeout": cfg.RegistrationTimeout.String(), "log": map[string]any{"level": "disabled"},
		"device": map[string]any{"model": cfg.Device.Model, "machine": false},
		"server": map[string]any{
			"uri": account.URI, "security": "psk", "psk_identity": account.PSKIdentity, "psk_key": hex.EncodeToString(account.PSKKey),
		},
	})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(l.restartedConfig(), data, 0o600); err != nil {
		return nil, err
	}
	d := &device{endpoint: restartedName, dir: l.dir(restartedName), events: newEventLog()}
	if err := l.launch(d, l.restartedConfig()); err != nil {
		return nil, err
	}
	l.devices = append(l.devices, d)
	return d, d.settle(ctx)
}

func (l *lab) restartedConfig() string { return l.dir(restartedName + ".yaml") }

// updateTrigger is what a server executes to be told that a client is there (LwM2M object 1,
// resource 8).
const updateTrigger = "/1/0/8"

// playRestarted kills the process of the gateway and starts it again.
func playRestarted(ctx context.Context, t *take) error {
	t.say("the server asks for an Update: by then the session is on the disk")
	if err := t.execute(ctx, t.device.endpoint, updateTrigger); err != nil {
		return err
	}
	if err := t.expect(ctx, updatedByKept); err != nil {
		return err
	}
	t.say("the gateway's process is killed (SIGKILL) while it is registered, and started again")
	t.device.process.kill()
	t.cursor = t.device.events.last()
	t.provoked = time.Now()
	if err := t.launch(t.device, t.restartedConfig()); err != nil {
		return err
	}
	if err := t.expect(ctx, registeredByKept); err != nil {
		return err
	}
	return t.device.close(ctx)
}
