package interop

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// outage is one way to lose and find a Leshan server again.
type outage struct {
	lifetime time.Duration // the Update comes after half of it
	limit    time.Duration // registered again by then
	psk      bool
	slow     bool // the default CoAP parameters
}

// returns kills the server, starts it again with what it has to know, and
// waits until the client is registered there. The port is closed for about a
// second, in which the client sends nothing: all that it ever sees is silence,
// or the answer of a server that has forgotten it.
func (o outage) returns(t *testing.T) {
	t.Helper()
	server := management(t)
	cfg := quick(t)
	cfg.Lifetime = o.lifetime
	if o.slow {
		cfg.CoAP, cfg.RegistrationTimeout = holdfast.CoAPConfig{}, 0
	}
	cfg.Server = noSec(server.CoAP())
	if o.psk {
		server.allowPSK(testKey)
		cfg.Server = psk(server.CoAPS(), testKey)
	}
	c := start(t, cfg)
	c.registered()
	began := time.Now()
	server.Restart()
	if o.psk {
		server.allowPSK(testKey)
	}
	up := time.Since(began)
	e := c.next("registration", o.limit, func(e holdfast.Event) bool { return e.Type == holdfast.EventRegistered })
	server.event("registered")
	t.Logf("killed; back after %v; registered again after %v (offline by the client's account: %s)",
		up.Round(time.Millisecond), e.Time.Sub(began).Round(time.Millisecond), offline(e))
	if up < o.lifetime/2 { // else the port refused the Update, which is another story
		o.checkErrors(t, c)
	}
	c.leave()
}

// checkErrors demands what the outage is reported as: over DTLS a restarted
// server is silence, code 7 once; over NoSec it answers the Update with 4.04,
// which is no failed attempt.
func (o outage) checkErrors(t *testing.T, c *client) {
	t.Helper()
	want := 0
	if o.psk {
		want = 1
	}
	errs := c.errorsSeen()
	if len(errs) != want {
		t.Errorf("%d errors, want %d: %s", len(errs), want, c.story())
	}
	for _, e := range errs {
		if retry, _ := e.RetryIn(); e.Code != holdfast.ErrNetwork.Code || e.Phase != "update" || retry != 0 {
			t.Errorf("error: %+v, want code 7 and a retry at once", e)
		}
	}
}

func offline(e holdfast.Event) string {
	if e.LostAt.IsZero() {
		return "not"
	}
	return e.Time.Sub(e.LostAt).String()
}

// At the CoAP parameters of RFC 7252 an Update is given up after 62 s to 93 s.
func TestLeshanKilledPSKDefaults(t *testing.T) {
	t.Parallel()
	outage{lifetime: 30 * time.Second, limit: 150 * time.Second, psk: true, slow: true}.returns(t)
}

func TestLeshanKilledPSK(t *testing.T) {
	t.Parallel()
	outage{lifetime: 24 * time.Second, limit: patience, psk: true}.returns(t)
}

func TestLeshanKilledNoSec(t *testing.T) {
	t.Parallel()
	outage{lifetime: 24 * time.Second, limit: patience}.returns(t)
}

// The server stays away for longer: the port refuses, and the attempts follow
// the policy until it is back.
func TestLeshanGoneForAWhile(t *testing.T) {
	t.Parallel()
	server := management(t)
	server.allowPSK(testKey)
	cfg := quick(t)
	cfg.Server = psk(server.CoAPS(), testKey)
	c := start(t, cfg)
	c.registered()
	server.Kill()
	began := time.Now()
	if err := c.RegisterUpdate(context.Background()); err != nil {
		t.Fatal(err)
	}
	for attempt := range uint64(2) {
		e := c.errorEvent()
		want := time.Second << attempt
		if retry, _ := e.RetryIn(); e.Code != holdfast.ErrNetwork.Code || e.Attempt != attempt+1 || retry != want {
			t.Errorf("error %d: %+v, want code 7 and a retry in %v", attempt+1, e, want)
		}
	}
	server.Restart()
	server.allowPSK(testKey)
	e := c.registered()
	if e.Attempts < 3 || e.LostAt.IsZero() {
		t.Errorf("registered: %+v", e)
	}
	t.Logf("registered again %v after the loss, at attempt %d", e.Time.Sub(began).Round(time.Millisecond), e.Attempts)
	c.leave()
}
