package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// errNoCommand says that there is no program that could be killed.
var errNoCommand = errors.New("there is no program to start")

// castKillable starts a gateway that is a process of its own, registered, and observed.
func castKillable(ctx context.Context, l *lab) (*device, error) {
	if l.command == nil {
		return nil, errNoCommand
	}
	l.server.SetFile(imageName, image.File(imageSize))
	l.enrol(killedName)
	if err := l.writeConfig(); err != nil {
		return nil, err
	}
	d := &device{endpoint: killedName, dir: l.dir(killedName), events: newEventLog()}
	if err := l.launch(d, l.killedConfig()); err != nil {
		return nil, err
	}
	l.devices = append(l.devices, d)
	if err := d.settle(ctx); err != nil {
		return nil, err
	}
	return d, l.observeReports(ctx, killedName, firmware.ObjectUpdate)
}

func (l *lab) killedConfig() string { return l.dir(killedName + ".yaml") }
func (l *lab) installedAt() string  { return l.dir(killedName + ".installed") }

// writeConfig writes the configuration of the gateway that will be killed. YAML takes JSON.
// What installs an image is a program, which the kill does not hit.
func (l *lab) writeConfig() error {
	account, cfg := l.account(killedName), settings()
	data, err := json.Marshal(map[string]any{
		"endpoint": killedName, "state_dir": l.dir(killedName), "dns": map[string]any{"server": l.names.address},
		"registration_timeout": cfg.RegistrationTimeout.String(),
		"reconnect":            map[string]any{"initial_min": cfg.Reconnect.InitialMin.String(), "initial_max": cfg.Reconnect.InitialMax.String()},
		"coap":                 map[string]any{"ack_timeout": cfg.CoAP.AckTimeout.String(), "max_retransmit": cfg.CoAP.MaxRetransmit},
		"device":               map[string]any{"model": cfg.Device.Model, "machine": false},
		"log":                  map[string]any{"level": "disabled"},
		"server": map[string]any{
			"uri": account.URI, "security": "psk", "psk_identity": account.PSKIdentity, "psk_key": hex.EncodeToString(account.PSKKey),
		},
		"firmware": map[string]any{
			"dir": l.dir(killedName + ".images"), "install": []string{"sh", "-c", `cp "$1" "$0"`, l.installedAt()},
		},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(l.killedConfig(), data, 0o600)
}

// playKill kills the process of the gateway in the middle of a download, and starts it again.
func playKill(ctx context.Context, t *take) error {
	t.say("the server writes the URI of an image; half way the gateway's process is killed (SIGKILL)")
	if err := t.fetchHalf(ctx); err != nil {
		return err
	}
	t.device.process.kill()
	t.server.MendFiles()
	t.cursor = t.device.events.last()
	t.say("it is started again")
	if err := t.launch(t.device, t.killedConfig()); err != nil {
		return err
	}
	if err := t.finish(ctx); err != nil {
		return err
	}
	data, err := os.ReadFile(t.installedAt())
	if err != nil || sha256.Sum256(data) != image.SHA256(imageSize) {
		return errors.Join(errWrongImage, err)
	}
	return t.device.close(ctx)
}
