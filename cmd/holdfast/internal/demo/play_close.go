package demo

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Endpoints of the scenarios that end their client; a client cannot be started
// twice, and events are told apart by their endpoint.
const (
	strandedName = "demo-close-early"
	leavingName  = "demo-leaving"
	againSuffix  = "-again"
)

// castStranded makes a device that has never been started.
func castStranded(_ context.Context, l *lab) (*device, error) {
	return l.newDevice(strandedName, l.dir(strandedName), l.factory)
}

// playCloseEarly closes a client that has nothing to de-register, and starts
// another one on its directory.
func playCloseEarly(ctx context.Context, t *take) error {
	t.say("a new gateway starts; the bootstrap server does not answer it, and it is closed")
	t.server.Misbehave(t.device.endpoint, lwm2mtest.BootstrapRequest, -1, lwm2mtest.Behaviour{Silent: true})
	t.enrol(t.device.endpoint)
	if err := t.device.client.Start(ctx); err != nil {
		return err
	}
	if err := t.device.await(ctx, holdfast.Bootstrapping); err != nil {
		return err
	}
	if err := t.device.close(ctx); !errors.Is(err, holdfast.ErrNotRegistered) {
		return fmt.Errorf("the close returned %w, not ErrNotRegistered", err)
	}
	return t.startAgain(ctx)
}

// castLeaving returns a device that is registered.
func castLeaving(ctx context.Context, l *lab) (*device, error) {
	l.enrol(leavingName)
	d, err := l.startDevice(ctx, leavingName, l.dir(leavingName), l.factory)
	if err != nil {
		return nil, err
	}
	return d, d.settle(ctx)
}

// settle waits until the device is registered and its events have said so.
func (d *device) settle(ctx context.Context) error {
	_, err := d.events.await(ctx, 0, registered)
	return err
}

// playSilentFarewell closes a client whose server does not answer any more.
// Everything is torn down nevertheless, in the time that Close was given.
func playSilentFarewell(ctx context.Context, t *take) error {
	t.say("another gateway is closed; the server does not answer its de-registration")
	t.server.Misbehave(t.device.endpoint, lwm2mtest.Deregister, -1, lwm2mtest.Behaviour{Silent: true})
	bounded, cancel := limited(ctx)
	defer cancel()
	if err := t.device.close(bounded); !errors.Is(err, holdfast.ErrUnregistration) {
		return fmt.Errorf("the close returned %w, not ErrUnregistration", err)
	}
	return t.startAgain(ctx)
}

// startAgain shows that Close had no effect on what comes next: a new client
// on the same state directory registers.
func (t *take) startAgain(ctx context.Context) error {
	endpoint := t.device.endpoint + againSuffix
	t.enrol(endpoint)
	d, err := t.startDevice(ctx, endpoint, t.device.dir, t.factory)
	if err != nil {
		return err
	}
	if err := d.settle(ctx); err != nil {
		return err
	}
	t.say("its state directory is free: a new start registers")
	return d.close(ctx)
}
