package wire

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// oneAttempt is what the whole client gives its first attempt here. A flight
// that is lost once costs it a second, a loss of its resend two more.
const oneAttempt = 30 * time.Second

// whole is a whole client, with its own DTLS and timers.
type whole struct {
	*holdfast.Client
	events <-chan holdfast.Event
}

// startWhole runs a client, which ends with the test.
func startWhole(t testing.TB, account *holdfast.Account) *whole {
	t.Helper()
	client, err := holdfast.New(holdfast.Config{
		Endpoint: endpoint, StateDir: t.TempDir(), Server: account, RegistrationTimeout: oneAttempt,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &whole{Client: client}
	c.events, _ = client.Events(1 << 10)
	if err := client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = client.Close(ctx) // not every server here knows what a registration is
	})
	return c
}

// connects demands that the client has a link after its first attempt.
func (c *whole) connects(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*oneAttempt)
	defer cancel()
	for attempts := 0; ; {
		select {
		case e := <-c.events:
			switch {
			case e.Type == holdfast.EventError:
				t.Fatalf("the attempt failed: %s, phase %s, %s", e.Name, e.Phase, e.Detail)
			case e.State == holdfast.Connecting:
				attempts++
			case e.State == holdfast.Registering && attempts == 1:
				return
			case e.State == holdfast.Registering:
				t.Fatalf("connected after %d attempts", attempts)
			}
		case <-ctx.Done():
			t.Fatal("neither a link nor an error")
		}
	}
}
