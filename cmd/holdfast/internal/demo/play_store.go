package demo

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Endpoints of the scenarios that need a start of their own.
const (
	keylessName  = "demo-key-file"
	preparedName = "demo-damaged-before"
	damagedName  = "demo-damaged"
)

// records matches the generations of the credentials in a state directory.
// Their numbers have a fixed width, so that the names sort by age.
const records = "credentials.*.rec"

// errNoRecord says that a state directory has no credentials.
var errNoRecord = errors.New("the state directory holds no credentials")

// newestRecord returns the path of the newest credentials of a state
// directory.
func newestRecord(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, records))
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errNoRecord
	}
	return slices.Max(found), nil
}

// castWithoutKey makes a device whose configuration names a key file that is
// empty.
func castWithoutKey(_ context.Context, l *lab) (*device, error) {
	path := l.dir(keylessName + ".key")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return nil, err
	}
	account := *l.factory
	account.PSKKey, account.PSKKeyFile = nil, path
	return l.newDevice(keylessName, l.dir(keylessName), &account)
}

// playKeyFileEmpty starts it, and then writes the key into the file.
func playKeyFileEmpty(ctx context.Context, t *take) error {
	t.say("a gateway starts whose configuration names an empty key file")
	t.enrol(t.device.endpoint)
	if err := t.device.client.Start(ctx); err != nil {
		return err
	}
	unusable := failure(holdfast.ErrInvalidCredentials)
	if err := t.expect(ctx, unusable, unusable); err != nil {
		return err
	}
	t.say("the key is written into the file; the gateway goes on running")
	path := t.dir(keylessName + ".key")
	if err := replaceFile(path, []byte(hex.EncodeToString(t.factory.PSKKey))); err != nil {
		return err
	}
	if err := t.expect(ctx, registered); err != nil {
		return err
	}
	return t.device.close(ctx)
}

// replaceFile puts a file in the place of another one at once, so that no
// reader sees half of it.
func replaceFile(path string, data []byte) error {
	temp := path + ".new"
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// playDiskFails takes the state directory away just before the bootstrap
// server says Finish, so that the new credentials cannot be stored.
func playDiskFails(ctx context.Context, t *take) error {
	t.say("the server sends the gateway to bootstrap; before Finish, its disk is gone")
	var once sync.Once
	t.deliver(t.device.endpoint, func(_ context.Context, step lwm2mtest.BootstrapStep) (err error) {
		if step.Kind == lwm2mtest.StepFinish {
			once.Do(func() { err = t.displaceDirectory(t.device.dir) })
		}
		return err
	})
	if err := t.execute(ctx, t.device.endpoint, bootstrapTrigger); err != nil {
		return err
	}
	if err := t.expect(ctx, failure(holdfast.ErrStoreCredentials)); err != nil {
		return err
	}
	t.say("the disk is back, with the credentials that it had")
	if err := t.restoreDirectory(t.device.dir); err != nil {
		return err
	}
	return t.expect(ctx, bootstrapped, registered)
}

// castDamaged makes a device whose disk holds two generations of credentials,
// of which the newer one is damaged.
func castDamaged(ctx context.Context, l *lab) (*device, error) {
	dir := l.dir(damagedName)
	l.enrol(preparedName)
	d, err := l.startDevice(ctx, preparedName, dir, l.factory)
	if err != nil {
		return nil, err
	}
	if err := d.bootstrapAgain(ctx, l); err != nil {
		return nil, err
	}
	if err := d.close(ctx); err != nil {
		return nil, err
	}
	if err := flipByte(dir); err != nil {
		return nil, err
	}
	return l.newDevice(damagedName, dir, l.factory)
}

// bootstrapAgain waits until the device is registered, bootstraps it once
// more, and waits again.
func (d *device) bootstrapAgain(ctx context.Context, l *lab) error {
	if err := d.settle(ctx); err != nil {
		return err
	}
	mark := d.events.last()
	if err := l.execute(ctx, d.endpoint, bootstrapTrigger); err != nil {
		return err
	}
	_, err := d.events.await(ctx, mark, registered)
	return err
}

// flipByte damages the newest credentials of a state directory.
func flipByte(dir string) error {
	record, err := newestRecord(dir)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(record)
	if err != nil {
		return err
	}
	data[len(data)/2] ^= 0xff
	return os.WriteFile(record, data, 0o600)
}

// playRecordDamaged starts it: the generation before is used, and the damaged
// one is kept for inspection.
func playRecordDamaged(ctx context.Context, t *take) error {
	t.say("a gateway starts; one byte of its newest credentials on disk was flipped")
	t.enrol(t.device.endpoint)
	if err := t.device.client.Start(ctx); err != nil {
		return err
	}
	if err := t.expect(ctx, failure(holdfast.ErrReadCredentials), registered); err != nil {
		return err
	}
	return t.device.close(ctx)
}
