package behaviour_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// ask has the server execute the Certificate Enrolment object, and demands an answer.
func (w *renewalWorld) ask(arguments string, want lwm2m.Code, status string) {
	w.T.Helper()
	r, err := w.Server.Execute(context.Background(), systemtest.Endpoint, "/35011/0/27002", arguments)
	if err != nil || r.Code != want || !strings.HasPrefix(string(r.Payload), status) {
		w.T.Errorf("executed with %q: %v %q, %v", arguments, r.Code, r.Payload, err)
	}
}

// A server has the certificate of its account renewed long before its time, by a bootstrap
// or by an enrolment, and the registration goes on. While that is under way there is no
// other one.
func TestServerHasACertificateRenewed(t *testing.T) {
	t.Run("bootstrap", func(t *testing.T) {
		inRenewalWorld(t, func(t *testing.T, w *renewalWorld) {
			w.deliver(24 * time.Hour)
			c := w.Start(w.Factory())
			c.WaitFor(holdfast.Registered)
			w.renewedOnDemand(c, func() { w.deliver(24*time.Hour + time.Minute) })
			if n := len(w.Server.Bootstraps(systemtest.Endpoint)); n != 2 {
				t.Errorf("%d bootstraps", n)
			}
			c.ExpectClose(nil)
		})
	})
	t.Run("enrolment", func(t *testing.T) {
		inEnrolmentWorld(t, func(e *lwm2mtest.Enrolment) { e.Lifetime = 24 * time.Hour }, func(t *testing.T, w *enrolmentWorld) {
			c := w.Start(w.cfg)
			c.WaitFor(holdfast.Registered)
			c.Next(holdfast.EventCredentialsRenewed)
			w.renewedOnDemand(c, func() {})
			if got := w.again(); !slices.Equal(got, []bool{false, true}) {
				t.Errorf("enrolled again: %v", got)
			}
			c.ExpectClose(nil)
		})
	})
}

func (w *renewalWorld) renewedOnDemand(c *systemtest.Client, ready func()) {
	w.T.Helper()
	if r, _ := w.Server.Registration(systemtest.Endpoint); !strings.Contains(string(r.Objects), "</35011/0>") {
		w.T.Errorf("the Register announces %s", r.Objects)
	}
	w.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: 100 * time.Millisecond})
	c.Sleep(time.Hour)
	ready()
	began := time.Now()
	w.ask("0='mbed.BootstrapDeviceCert'", lwm2m.CodeUnauthorized, "0x050e")
	w.ask("0='LWM2M'", lwm2m.CodeChanged, "")
	w.ask("", lwm2m.CodeServiceUnavailable, "0x0505")
	if e := c.Next(holdfast.EventCredentialsRenewed); e.Time.Sub(began) > 10*time.Second || e.Expires.Sub(began) < 23*time.Hour {
		w.T.Errorf("renewed after %v, until %v", e.Time.Sub(began), e.Expires)
	}
	c.WaitFor(holdfast.Registered)
	w.expectKept(c)
}

// A server that asks for another certificate again and again gets them by the policy, up to
// an hour apart, and no busy loop.
func TestServerThatHasCertificatesRenewedAgainAndAgain(t *testing.T) {
	inEnrolmentWorld(t, func(e *lwm2mtest.Enrolment) { e.Lifetime = 1000 * time.Hour }, func(t *testing.T, w *enrolmentWorld) {
		c := w.Start(w.cfg)
		c.WaitFor(holdfast.Registered)
		for range 12 * 60 * 6 {
			c.Sleep(10 * time.Second)
			if _, err := w.Server.Execute(context.Background(), systemtest.Endpoint, "/35011/0/27002", ""); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(w.Server.Enrolled()); n < 12 || n > 24 { // 5 s, 10 s, 20 s ... an hour
			t.Errorf("%d enrolments in twelve hours", n)
		}
		w.expectKept(c)
		c.ExpectClose(nil)
	})
}

// A bootstrap server that has no other certificate is asked again by the policy: code 15.
func TestServerAsksForACertificateThatIsNotThere(t *testing.T) {
	inRenewalWorld(t, func(t *testing.T, w *renewalWorld) {
		w.deliver(24 * time.Hour)
		c := w.Start(w.Factory())
		c.WaitFor(holdfast.Registered)
		w.ask("", lwm2m.CodeChanged, "")
		if e := c.ExpectError(holdfast.CodeEnrolment); systemtest.Retry(e) != 5*time.Second || e.Action != holdfast.ActionRetry {
			t.Errorf("%+v", e)
		}
		w.ask("", lwm2m.CodeServiceUnavailable, "0x0505")
		w.deliver(24 * time.Hour)
		c.Next(holdfast.EventCredentialsRenewed)
		c.WaitFor(holdfast.Registered)
		c.Sleep(time.Hour)
		if n := len(w.Server.Bootstraps(systemtest.Endpoint)); n != 3 {
			t.Errorf("%d bootstraps", n)
		}
		c.ExpectClose(nil)
	})
}
