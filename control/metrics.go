package control

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/journal"
)

// metricsHandler returns what answers GET /metrics, in the text format of
// Prometheus: a registry of the client's own, whose numbers are taken from its
// status and journal when somebody asks. Nothing is counted twice, and nothing
// is global.
func (s *Server) metricsHandler() http.Handler {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&metrics{s})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
}

// metrics implements prometheus.Collector.
type metrics struct{ api *Server }

// metric describes one metric.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("holdfast_"+name, help, append([]string{"endpoint"}, labels...), nil)
}

// The metrics. The label server is a URI, empty for what concerns the client
// as a whole.
var (
	metricState       = metric("state", "1 for the state that the client is in, 0 for the others.", "state")
	metricStateAge    = metric("state_seconds", "Seconds since the client's state last changed.")
	metricEvents      = metric("events_total", "Events so far.", "type")
	metricDropped     = metric("events_dropped_total", "Events that some subscriber was too slow for.")
	metricLatePanics  = metric("late_panics_total", "Panics of actors that were stopping already.")
	metricErrors      = metric("errors_total", "Errors so far, by code.", "server", "code", "name")
	metricRegistered  = metric("registered", "1 while registered with the server, else 0.", "server")
	metricFailures    = metric("failures", "Attempts that have failed in a row.", "server")
	metricFailingAge  = metric("failing_seconds", "Seconds since the first of the attempts that have failed in a row.", "server")
	metricNextAttempt = metric("next_attempt_seconds", "Seconds until the next attempt; absent when none is waited for.", "server")
	metricConfirmed   = metric("confirmed_seconds", "Seconds since the server last accepted a Register or an Update.", "server")
	metricAttempts    = metric("attempts_total", "Attempts to connect that have ended, failed or not.", "server")
	metricReconnects  = metric("reconnects_total", "Registrations after a link was lost.", "server")
	metricShed        = metric("shed_total", "What a link has dropped, by reason.", "server", "reason")
)

var allMetrics = []*prometheus.Desc{
	metricState, metricStateAge, metricEvents, metricDropped, metricErrors, metricRegistered, metricFailures,
	metricFailingAge, metricNextAttempt, metricConfirmed, metricAttempts, metricReconnects, metricShed,
	metricLatePanics,
}

// allStates are the states that metricState has a line for.
var allStates = []holdfast.State{
	holdfast.Starting, holdfast.Resolving, holdfast.Connecting, holdfast.Bootstrapping, holdfast.Registering,
	holdfast.Registered, holdfast.Waiting, holdfast.Paused, holdfast.Stopping, holdfast.Stopped,
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range allMetrics {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	record, explained := m.api.view.Record(), m.api.client.Explain()
	s := sample{out: out, endpoint: explained.Endpoint, now: explained.Time}
	s.client(explained, &record)
	status := m.api.client.Status()
	s.counter(metricDropped, status.Dropped)
	s.counter(metricLatePanics, status.LatePanics)
	for _, server := range record.Servers {
		s.counter(metricAttempts, server.Failures+server.Successes, server.URI)
		s.counter(metricReconnects, server.Reconnects, server.URI)
	}
	for _, c := range distinct(explained.Connections) {
		s.connection(c)
	}
}

// distinct returns the first connection of each server: two accounts may have
// one URI, and a metric must not come twice.
func distinct(connections []holdfast.Connection) []holdfast.Connection {
	seen := map[string]bool{}
	var list []holdfast.Connection
	for _, c := range connections {
		if !seen[c.Server] {
			seen[c.Server] = true
			list = append(list, c)
		}
	}
	return list
}

// sample is one collection.
type sample struct {
	out      chan<- prometheus.Metric
	endpoint string
	now      time.Time
}

func (s sample) emit(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels []string) {
	s.out <- prometheus.MustNewConstMetric(d, kind, value, append([]string{s.endpoint}, labels...)...)
}

func (s sample) counter(d *prometheus.Desc, n uint64, labels ...string) {
	s.emit(d, prometheus.CounterValue, float64(n), labels)
}

func (s sample) gauge(d *prometheus.Desc, value float64, labels ...string) {
	s.emit(d, prometheus.GaugeValue, value, labels)
}

// age is a gauge of the time since an instant, left out when there is none.
func (s sample) age(d *prometheus.Desc, since time.Time, labels ...string) {
	if !since.IsZero() {
		s.gauge(d, s.now.Sub(since).Seconds(), labels...)
	}
}

func (s sample) client(e holdfast.Explanation, record *journal.Record) {
	for _, state := range allStates {
		s.gauge(metricState, oneIf(state == e.State), string(state))
	}
	s.age(metricStateAge, e.Since)
	for kind, n := range record.ByType {
		s.counter(metricEvents, n, string(kind))
	}
	for key, n := range record.ByError {
		s.counter(metricErrors, n, key.Server, strconv.Itoa(int(key.Code)), key.Code.String())
	}
}

func (s sample) connection(c holdfast.Connection) {
	s.gauge(metricRegistered, oneIf(c.State == holdfast.Registered), c.Server)
	failures := uint64(0)
	if c.Trouble != nil {
		failures = c.Trouble.Failures
		s.age(metricFailingAge, c.Trouble.Since, c.Server)
	}
	s.gauge(metricFailures, float64(failures), c.Server)
	if c.Next != nil {
		s.gauge(metricNextAttempt, c.Next.In.Seconds(), c.Server)
	}
	s.age(metricConfirmed, c.ConfirmedAt, c.Server)
	s.shed(c)
}

// shed emits a line for every reason, also while nothing has been dropped.
func (s sample) shed(c holdfast.Connection) {
	shed := holdfast.Shed{}
	if c.Shed != nil {
		shed = *c.Shed
	}
	s.counter(metricShed, shed.Queue, c.Server, "queue")
	s.counter(metricShed, shed.Rate, c.Server, "rate")
	s.counter(metricShed, shed.Answers, c.Server, "answers")
	s.counter(metricShed, shed.Memory, c.Server, "memory")
	s.counter(metricShed, shed.Forged, c.Server, "forged")
	s.counter(metricShed, shed.Truncated, c.Server, "truncated")
	s.counter(metricShed, shed.Unsent, c.Server, "unsent")
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
