package interop

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/testpki"
)

const (
	endpoint = "gw-0001"
	// patience bounds every wait that nothing is measured by. A machine that
	// is busy with other tests is slow.
	patience = 2 * time.Minute
)

var testKey = []byte("secretPSK") // printable, as libcoap wants it

// quick is a configuration for tests: r0 is 1 s, an attempt has 5 s, and the
// resends of a message are exhausted after 1.4 s to 2.1 s.
func quick(t *testing.T) holdfast.Config {
	return holdfast.Config{
		Endpoint:            endpoint,
		StateDir:            t.TempDir(),
		Lifetime:            5 * time.Minute,
		RegistrationTimeout: 5 * time.Second,
		Reconnect:           holdfast.ReconnectConfig{InitialMin: time.Second, InitialMax: time.Second},
		CoAP:                holdfast.CoAPConfig{AckTimeout: 200 * time.Millisecond, MaxRetransmit: 2},
	}
}

func noSec(addr string) *holdfast.Account {
	return &holdfast.Account{URI: "coap://" + addr, Security: holdfast.SecurityNoSec}
}

func psk(addr string, key []byte) *holdfast.Account {
	return &holdfast.Account{
		URI: "coaps://" + addr, Security: holdfast.SecurityPSK, PSKIdentity: endpoint, PSKKey: key,
	}
}

// x509 is an account with that certificate that trusts one authority.
func x509(t *testing.T, addr string, leaf *testpki.Leaf, trust *testpki.Authority) *holdfast.Account {
	t.Helper()
	own := leaf.WriteFiles(t)
	return &holdfast.Account{
		URI: "coaps://" + addr, Security: holdfast.SecurityX509,
		Certificate: own.Cert, PrivateKey: own.Key, Trust: trust.WriteFile(t),
	}
}

// client is a running client with a record of its events.
type client struct {
	*holdfast.Client
	t      *testing.T
	events <-chan holdfast.Event
	seen   []holdfast.Event
}

// start runs a client over the operating system's network. It is closed at
// the end of the test at the latest.
func start(t *testing.T, cfg holdfast.Config, options ...holdfast.Option) *client {
	t.Helper()
	inner, err := holdfast.New(cfg, options...)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{Client: inner, t: t}
	c.events, _ = inner.Events(1 << 12)
	if err := inner.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.cleanup)
	return c
}

func (c *client) cleanup() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx) // tests that care have closed it
	if c.t.Failed() {
		c.t.Logf("events of the client: %s", c.story())
	}
}

// next returns the next event for which match is true; events before it are
// passed over for good.
func (c *client) next(what string, limit time.Duration, match func(holdfast.Event) bool) holdfast.Event {
	c.t.Helper()
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for {
		select {
		case e, open := <-c.events:
			if !open {
				c.t.Fatalf("the client is closed, and no %s has come", what)
			}
			c.seen = append(c.seen, e)
			if match(e) {
				return e
			}
		case <-timeout.C:
			c.t.Fatalf("no %s within %v", what, limit)
		}
	}
}

// nextOf returns the next event of a type.
func (c *client) nextOf(kind holdfast.EventType) holdfast.Event {
	c.t.Helper()
	return c.next(string(kind), patience, func(e holdfast.Event) bool { return e.Type == kind })
}

// registered returns the next registered event.
func (c *client) registered() holdfast.Event {
	c.t.Helper()
	return c.nextOf(holdfast.EventRegistered)
}

// errorEvent returns the next error event, whatever its code.
func (c *client) errorEvent() holdfast.Event {
	c.t.Helper()
	return c.nextOf(holdfast.EventError)
}

// inState waits until the client enters a state.
func (c *client) inState(s holdfast.State) {
	c.t.Helper()
	c.next("state "+string(s), patience, func(e holdfast.Event) bool { return e.State == s })
}

// leave closes the client; the server must have said good-bye.
func (c *client) leave() {
	c.t.Helper()
	if err := c.Close(context.Background()); err != nil {
		c.t.Errorf("Close: %v", err)
	}
}

// mustNotBeRegistered closes a client that never got that far.
func (c *client) mustNotBeRegistered() {
	c.t.Helper()
	if err := c.Close(context.Background()); !errors.Is(err, holdfast.ErrNotRegistered) {
		c.t.Errorf("Close: %v, want %v", err, holdfast.ErrNotRegistered)
	}
}

// errorsSeen returns the error events among those that were passed over.
func (c *client) errorsSeen() []holdfast.Event {
	var all []holdfast.Event
	for _, e := range c.seen {
		if e.Type == holdfast.EventError {
			all = append(all, e)
		}
	}
	return all
}

// story tells what has happened, one line an event.
func (c *client) story() string {
	for {
		select {
		case e, open := <-c.events:
			if open {
				c.seen = append(c.seen, e)
				continue
			}
		default:
		}
		break
	}
	var text strings.Builder
	for _, e := range c.seen {
		text.WriteString("\n" + line(e))
	}
	return text.String()
}

func line(e holdfast.Event) string {
	fields := []string{e.Time.Format("15:04:05.000"), string(e.Type), string(e.State), e.Server, e.Name, string(e.Phase), string(e.Action), e.Detail}
	return strings.Join(strings.Fields(strings.Join(fields, " ")), " ")
}
