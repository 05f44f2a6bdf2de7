package control_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/actors/supervisor"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// seriesOf returns the names and labels of a client's own series, without those
// that are absent by nature until there is something to say.
func seriesOf(c *systemtest.Client) (series []string) {
	for _, line := range c.Scrape() {
		name := line[:strings.LastIndexByte(line, ' ')]
		if strings.HasPrefix(name, "holdfast_") && !strings.HasPrefix(name, "holdfast_next_attempt_seconds") && !strings.HasPrefix(name, "holdfast_confirmed_seconds") {
			series = append(series, name)
		}
	}
	return series
}

// Whatever series a client ever has, it has from the first scrape on: a rate over a
// counter that appears at 1 misses the first error.
func TestMetricsAreThereFromTheFirstScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := w.Start(w.NoSec())
		first := seriesOf(c) // before anything is known but the configuration
		for _, want := range []string{
			`holdfast_registered{endpoint="gw-0001",server="coap://192.0.2.1"}`, `holdfast_build_info{`,
			`holdfast_errors_total{code="12",endpoint="gw-0001",name="ConnectSecureConnectionFailed",server="coap://192.0.2.1"}`,
			`holdfast_errors_total{code="4",endpoint="gw-0001",name="ConnectorInvalidCredentials",server=""}`,
			`holdfast_events_total{endpoint="gw-0001",type="degraded"}`, `holdfast_attempts_total{`, `holdfast_reconnects_total{`,
			`holdfast_observations{`, `holdfast_notifications_total{`, `holdfast_notifications_acknowledged_total{`,
			`holdfast_notifications_stored{`, `holdfast_notifications_dropped_total{`,
			`holdfast_sends_total{endpoint="gw-0001",outcome="failed",server="coap://192.0.2.1"}`,
			`holdfast_failing_seconds{`, `holdfast_shed_total{endpoint="gw-0001",reason="queue",server="coap://192.0.2.1"}`,
			`holdfast_person_needed{account="server 1",endpoint="gw-0001",server="coap://192.0.2.1"}`,
		} {
			if !slices.ContainsFunc(first, func(s string) bool { return strings.HasPrefix(s, want) }) {
				t.Errorf("no %s in the first scrape", want)
			}
		}
		c.WaitFor(holdfast.Waiting)
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		c.WaitFor(holdfast.Registered)
		_, _ = c.Post("resume") // which is refused, and counted
		if last := seriesOf(c); !slices.Equal(first, last) {
			t.Errorf("the series have changed: %d, then %d", len(first), len(last))
		}
		c.ExpectClose(nil)
	})
}

// A bootstrap account is never registered. The accounts that it delivers appear.
func TestMetricsOfABootstrappedClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeAndDeliver()
		c := w.Start(w.Factory())
		c.WaitFor(holdfast.Registered)
		c.ExpectMetrics(`holdfast_registered{endpoint="gw-0001",server="coaps://192.0.2.1"} 1`,
			`holdfast_person_needed{account="",endpoint="gw-0001",server=""} 0`)
		for _, line := range c.Scrape() {
			if strings.HasPrefix(line, "holdfast_registered{") && strings.HasSuffix(line, " 0") {
				t.Errorf("a healthy gateway shows %s", line)
			}
		}
		c.ExpectClose(nil)
	})
}

// With an expired certificate nothing is missing: it shows when it has expired,
// that the client is not registered, and that a person is needed.
func TestMetricsWithAnExpiredCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		cfg := w.Certified(ca)
		leaf := systemtest.Issue(t, ca, testpki.Request{Role: testpki.Client, CommonName: systemtest.Endpoint, Expired: true})
		expired, own := leaf.Cert.NotAfter, leaf.WriteFiles(t)
		cfg.Server.Certificate, cfg.Server.PrivateKey = own.Cert, own.Key
		c := w.Start(cfg)
		c.ExpectError(holdfast.CodeInvalidCredentials)
		const labels = `endpoint="gw-0001",server="coaps://192.0.2.1"}`
		c.ExpectMetrics(
			`holdfast_registered{`+labels+` 0`, `holdfast_person_needed{account="server 1",`+labels+` 1`,
			`holdfast_person_needed{account="",endpoint="gw-0001",server=""} 1`, `holdfast_failures{`+labels+` 0`,
			fmt.Sprintf(`holdfast_certificate_expiry_timestamp_seconds{account="server 1",%s %g`, labels, float64(expired.Unix())),
		)
		server := systemtest.IssueServer(t, ca)
		w.Serve(systemtest.DTLSPort, lwm2mtest.X509(server.TLS(), ca.Pool()))
		good := w.Certified(ca).Server
		for from, to := range map[string]string{good.Certificate: own.Cert, good.PrivateKey: own.Key} {
			data, err := os.ReadFile(from)
			if err == nil {
				err = os.WriteFile(to, data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		c.WaitFor(holdfast.Registered)
		c.ExpectMetrics(`holdfast_registered{`+labels+` 1`, `holdfast_person_needed{account="server 1",`+labels+` 0`,
			`holdfast_person_needed{account="",endpoint="gw-0001",server=""} 0`)
		expires := c.Explain().Connections[0].CertificateExpires
		if !expires.After(time.Now()) {
			t.Errorf("expires %v", expires)
		}
		c.ExpectMetrics(fmt.Sprintf(`holdfast_certificate_expiry_timestamp_seconds{account="server 1",%s %g`, labels, float64(expires.Unix())))
		c.ExpectClose(nil)
	})
}

// A file that cannot be read says nothing of when its certificate expires.
func TestMetricsWithoutACertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		cfg := w.Certified(systemtest.Authority(t))
		cfg.Server.Certificate += ".none"
		c := w.Start(cfg)
		c.Next(holdfast.EventError)
		for _, line := range c.Scrape() {
			if strings.HasPrefix(line, "holdfast_certificate_expiry") {
				t.Error(line)
			}
		}
		c.ExpectMetrics(`holdfast_person_needed{account="server 1",endpoint="gw-0001",server="coaps://192.0.2.1"} 1`)
		c.ExpectClose(holdfast.ErrNotRegistered)
	})
}

// Files that have been put right need no person any more, also where the server cannot
// be reached.
func TestMetricsAfterFilesWerePutRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		cfg := w.Certified(systemtest.Authority(t))
		right := cfg.Server.Certificate
		cfg.Server.Certificate += ".none"
		c := w.Start(cfg)
		c.Next(holdfast.EventError)
		const files = `holdfast_person_needed{account="",endpoint="gw-0001",server=""} `
		c.ExpectMetrics(files + "1")
		if err := os.Link(right, cfg.Server.Certificate); err != nil {
			t.Fatal(err)
		}
		c.ExpectError(holdfast.CodeNetwork) // nobody is there
		time.Sleep(supervisor.LoadBound + time.Nanosecond)
		c.ExpectMetrics(files+"0", `holdfast_person_needed{account="server 1",endpoint="gw-0001",server="coaps://192.0.2.1"} 0`)
		c.ExpectClose(holdfast.ErrNotRegistered)
	})
}

// A server that is down needs no person on the gateway; one that refuses who we are
// does.
func TestMetricsSayWhetherAPersonIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		const line = `holdfast_person_needed{account="server 1",endpoint="gw-0001",server="coap://192.0.2.1"} `
		c := waitingForAServer(w)
		c.ExpectMetrics(line + "0")
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: 4<<5 | 3})
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		c.ExpectError(holdfast.CodeNetwork)
		c.ExpectError(holdfast.CodeInvalidParameters)
		c.ExpectMetrics(line + "1")
		c.WaitFor(holdfast.Registered)
		c.ExpectMetrics(line + "0")
		c.ExpectClose(nil)
	})
}

// The conventions of Prometheus, and the series of the process.
func TestMetricsFollowTheConventions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		text := c.Ask(http.MethodGet, "/metrics").Body.String()
		problems, err := promlint.New(strings.NewReader(text)).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			if strings.HasPrefix(p.Metric, "holdfast_") {
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
		}
		for _, name := range []string{"go_goroutines ", "go_info{", "process_resident_memory_bytes ", "process_open_fds ", "process_start_time_seconds "} {
			if !strings.Contains(text, "\n"+name) {
				t.Errorf("no %s", name)
			}
		}
		c.ExpectClose(nil)
	})
}

// A bootstrap server that moves a device from server to server makes no series
// without end.
func TestMetricsStayFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeBootstrap()
		c := w.Start(w.Factory())
		most := 0
		for n := range 60 {
			account := lwm2mtest.AccountConfig{URI: fmt.Sprintf("coap://192.0.2.1:%d", 6000+n)} // where nobody listens
			w.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{Delete: []string{"/0", "/1"}, Writes: account.Writes()})
			if n > 0 {
				c.Sleep(time.Hour) // a budget of attempts is kept
				if err := c.Bootstrap(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			c.Next(holdfast.EventBootstrapped)
			c.ExpectError(holdfast.CodeNetwork)
			servers := map[string]bool{}
			for _, series := range seriesOf(c) {
				if _, label, found := strings.Cut(series, `server="`); found {
					servers[label] = true
				}
			}
			most = max(most, len(servers))
		}
		if most < 10 || most > 20 { // the journal remembers 16
			t.Errorf("%d servers in the series", most)
		}
		_ = c.Close(t.Context())
	})
}
