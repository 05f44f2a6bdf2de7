package control_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		const labels = `{endpoint="gw-0001",server="coap://192.0.2.1"}`
		c := waitingForAServer(w)
		time.Sleep(2 * time.Second)
		c.ExpectMetrics(
			`holdfast_state{endpoint="gw-0001",state="waiting"} 1`, `holdfast_state{endpoint="gw-0001",state="registered"} 0`,
			`holdfast_registered`+labels+` 0`, `holdfast_failures`+labels+` 1`, `holdfast_next_attempt_seconds`+labels+` 3`,
			`holdfast_failing_seconds`+labels+` 2`, `holdfast_attempts_total`+labels+` 1`,
			`holdfast_errors_total{code="7",endpoint="gw-0001",name="ConnectNetworkError",server="coap://192.0.2.1"} 1`,
			`holdfast_events_total{endpoint="gw-0001",type="error"} 1`, `holdfast_state_seconds{endpoint="gw-0001"} 2`,
		)
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		c.WaitFor(holdfast.Registered)
		time.Sleep(time.Minute)
		c.ExpectMetrics(
			`holdfast_registered`+labels+` 1`, `holdfast_failures`+labels+` 0`, `holdfast_attempts_total`+labels+` 2`,
			`holdfast_reconnects_total`+labels+` 0`, `holdfast_events_dropped_total{endpoint="gw-0001"} 0`,
			`holdfast_confirmed_seconds`+labels+` 60`,
			`holdfast_shed_total{endpoint="gw-0001",reason="rate",server="coap://192.0.2.1"} 0`,
		)
		for _, line := range c.Scrape() {
			if !oursOrStandard(line) || strings.HasPrefix(line, "holdfast_next_attempt") {
				t.Errorf("unexpected: %s", line)
			}
		}
		c.ExpectClose(nil)
	})
}

// oursOrStandard reports whether a line is of the client, or of the process.
func oursOrStandard(line string) bool {
	return strings.HasPrefix(line, "holdfast_") || strings.HasPrefix(line, "process_") || strings.HasPrefix(line, "go_")
}

// A link that is lost and found counts as a reconnection.
func TestMetricsCountReconnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		for n := range 3 {
			if err := c.Pause(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := c.Resume(context.Background()); err != nil {
				t.Fatal(err)
			}
			c.WaitFor(holdfast.Registered)
			c.ExpectMetrics(fmt.Sprintf(`holdfast_reconnects_total{endpoint="gw-0001",server="coap://192.0.2.1"} %d`, n+1))
		}
		c.ExpectClose(nil)
	})
}

// Explain and its text, end to end.
func TestExplainARefusedPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := waitingForAServer(w)
		time.Sleep(time.Second)
		text := c.Ask(http.MethodGet, "/v1/explain?format=text").Body.String()
		for _, want := range []string{
			"gw-0001 is not registered: it is waiting since ", "server 1, coap://192.0.2.1: waiting",
			"what failed      ConnectNetworkError (7), phase register: refused", "how often        once",
			"what comes next  retry in 4 s, at ", "what to do       Check that the server's address",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		if e := c.Explain(); e.State != holdfast.Waiting || e.Connections[0].Trouble.Failures != 1 || e.Connections[0].Next.In.Milliseconds() != 4000 {
			t.Errorf("%+v", e)
		}
		c.ExpectClose(holdfast.ErrNotRegistered)
	})
}
