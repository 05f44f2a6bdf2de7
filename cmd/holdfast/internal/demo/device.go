package demo

import (
	"context"
	"fmt"
	"sync"

	"github.com/holdfast-iot/holdfast"
)

// eventRoom is how many events may wait for the printer; a scenario makes a
// few dozen.
const eventRoom = 4096

// device is one client of the show, with a record of its events.
type device struct {
	endpoint  string
	dir       string           // its state directory
	client    *holdfast.Client // nil where a process of its own is the client
	process   *process
	events    *eventLog
	recording sync.WaitGroup
}

// newDevice makes a client that has not been started. Two clients may have the
// same state directory, one after the other.
func (l *lab) newDevice(endpoint, dir string, bootstrap *holdfast.Account) (*device, error) {
	client, err := l.runtime.New(l.settings(endpoint, dir, bootstrap))
	if err != nil {
		return nil, err
	}
	return l.follow(endpoint, dir, client), nil
}

// settings returns the configuration of a device.
func (l *lab) settings(endpoint, dir string, bootstrap *holdfast.Account) holdfast.Config {
	cfg := settings()
	cfg.Endpoint, cfg.StateDir, cfg.Bootstrap = endpoint, dir, bootstrap
	cfg.DNS.Server = l.names.address
	return cfg
}

// follow prints and records the events of a client that has not been started.
func (l *lab) follow(endpoint, dir string, client *holdfast.Client) *device {
	d := &device{endpoint: endpoint, dir: dir, client: client, events: newEventLog()}
	events, _ := client.Events(eventRoom)
	d.recording.Go(func() {
		for e := range events {
			l.out.event(e)
			d.events.add(e)
		}
	})
	l.devices = append(l.devices, d)
	return d
}

// startDevice makes a client and starts it.
func (l *lab) startDevice(ctx context.Context, endpoint, dir string, bootstrap *holdfast.Account) (*device, error) {
	return l.startConfigured(ctx, l.settings(endpoint, dir, bootstrap))
}

// startConfigured is startDevice with a configuration.
func (l *lab) startConfigured(ctx context.Context, cfg holdfast.Config) (*device, error) {
	client, err := l.runtime.New(cfg)
	if err != nil {
		return nil, err
	}
	d := l.follow(cfg.Endpoint, cfg.StateDir, client)
	return d, d.client.Start(ctx)
}

// await waits for a state of the client.
func (d *device) await(ctx context.Context, state holdfast.State) error {
	return d.client.Await(ctx, state)
}

// close ends the client and waits until its last event is printed.
func (d *device) close(ctx context.Context) error {
	if d.client == nil {
		d.process.end(ctx)
		return nil
	}
	err := d.client.Close(ctx)
	d.recording.Wait()
	return err
}

// eventLog remembers the events of one client.
type eventLog struct {
	mu      sync.Mutex
	all     []holdfast.Event
	changed chan struct{} // closed and replaced with every event
}

func newEventLog() *eventLog { return &eventLog{changed: make(chan struct{})} }

func (l *eventLog) add(e holdfast.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
	close(l.changed)
	l.changed = make(chan struct{})
}

// last returns the Seq of the newest event, 0 when there is none.
func (l *eventLog) last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return 0
	}
	return l.all[len(l.all)-1].Seq
}

// after returns the events whose Seq is above seq.
func (l *eventLog) after(seq uint64) []holdfast.Event {
	events, _ := l.observe(seq)
	return events
}

func (l *eventLog) observe(seq uint64) (events []holdfast.Event, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.all {
		if e.Seq > seq {
			events = append(events, e)
		}
	}
	return events, l.changed
}

// await waits for the first matching event whose Seq is above seq.
func (l *eventLog) await(ctx context.Context, seq uint64, want expectation) (holdfast.Event, error) {
	for {
		events, changed := l.observe(seq)
		for _, e := range events {
			if want.match(e) {
				return e, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return holdfast.Event{}, fmt.Errorf("%s did not come in time: %w", want.what, ctx.Err())
		}
	}
}
