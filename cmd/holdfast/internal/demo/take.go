package demo

import (
	"context"
	"fmt"

	"github.com/holdfast-iot/holdfast"
)

// take is one performance of a scenario: what a play works with.
type take struct {
	*lab
	device *device
	cursor uint64 // Seq of the last event that was expected
}

// expectation is an event that a play waits for.
type expectation struct {
	what  string
	match func(holdfast.Event) bool
}

// The expectations.
var (
	registered   = ofType(holdfast.EventRegistered)
	updated      = ofType(holdfast.EventRegistrationUpdated)
	bootstrapped = ofType(holdfast.EventBootstrapped)
	stopped      = expectation{"the state stopped", func(e holdfast.Event) bool { return e.State == holdfast.Stopped }}
)

func ofType(kind holdfast.EventType) expectation {
	return expectation{"the event " + string(kind), func(e holdfast.Event) bool { return e.Type == kind }}
}

// failure expects an error of the code of want.
func failure(want *holdfast.Error) expectation {
	return expectation{"the error " + want.Code.String(), func(e holdfast.Event) bool {
		return e.Type == holdfast.EventError && e.Code == want.Code
	}}
}

// expect waits for events of the device, in that order; others may come
// between.
func (t *take) expect(ctx context.Context, wanted ...expectation) error {
	for _, w := range wanted {
		e, err := t.device.events.await(ctx, t.cursor, w)
		if err != nil {
			return err
		}
		t.cursor = e.Seq
	}
	return nil
}

// say tells what the play does to the world.
func (t *take) say(format string, args ...any) { t.out.say(fmt.Sprintf(format, args...)) }

// perform plays the scenario and judges it.
func (s scenario) perform(ctx context.Context, l *lab) result {
	ctx, cancel := context.WithTimeout(ctx, scenarioBound)
	defer cancel()
	d, err := s.ready(ctx, l)
	if err != nil {
		return s.judged(l, l.gateway, 0, 0, err)
	}
	l.out.follow(d.endpoint)
	t := &take{lab: l, device: d, cursor: d.events.last()}
	mark, saw := t.cursor, l.accepted()
	err = s.play(ctx, t)
	return s.judged(l, d, mark, l.accepted()-saw, err)
}

// judged judges what a device has done since an event. What it updates has its own rules.
func (s scenario) judged(l *lab, d *device, mark uint64, saw int, err error) result {
	events := d.events.after(mark)
	switch s.about {
	case anUpdate:
		return s.judgeUpdate(d.endpoint, events, saw, l.toldBy(d.endpoint), err)
	case aSession:
		return s.judgeSession(d.endpoint, events, saw, l.provoked, err)
	}
	return s.judge(d.endpoint, events, saw, err)
}

// ready returns the device that will meet the error.
func (s scenario) ready(ctx context.Context, l *lab) (*device, error) {
	if s.cast != nil {
		return s.cast(ctx, l)
	}
	return l.gateway, l.gateway.await(ctx, holdfast.Registered)
}

// accepted returns how many Registers and Updates the server has accepted from any
// client.
func (l *lab) accepted() int { return l.server.Registers("") + l.server.Updates("") }
