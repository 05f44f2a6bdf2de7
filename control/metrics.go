package control

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/journal"
)

// metricsHandler returns what answers GET /metrics, in the text format of
// Prometheus: a registry of the client's own, whose numbers are taken from its
// status and journal when somebody asks. Nothing is counted twice, and nothing
// is global. The process has its usual series.
func (s *Server) metricsHandler() http.Handler {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(
		&metrics{api: s, build: builtFrom()},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
}

// metrics implements prometheus.Collector.
type metrics struct {
	api   *Server
	build build
}

// metric describes one metric of a client.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("holdfast_"+name, help, append([]string{"endpoint"}, labels...), nil)
}

// The metrics. The label server is a URI, empty for what concerns the client
// as a whole. There are at most as many servers as accounts, and those that the
// journal remembers: no server can make them grow.
var (
	metricBuild         = prometheus.NewDesc("holdfast_build_info", "1: what the program was built from.", []string{"version", "commit", "goversion"}, nil)
	metricState         = metric("state", "1 for the state that the client is in, 0 for the others.", "state")
	metricStateAge      = metric("state_seconds", "Seconds since the client's state last changed.")
	metricEvents        = metric("events_total", "Events so far.", "type")
	metricDropped       = metric("events_dropped_total", "Events that some subscriber was too slow for.")
	metricLatePanics    = metric("late_panics_total", "Panics of actors that were stopping already.")
	metricErrors        = metric("errors_total", "Errors so far, by code.", "server", "code", "name")
	metricRegistered    = metric("registered", "1 while registered with the management server, else 0.", "server")
	metricPerson        = metric("person_needed", "1 while what is wrong needs a person: credentials, configuration, clock; else 0.", "account", "server")
	metricFailures      = metric("failures", "Attempts that have failed in a row.", "server")
	metricFailingAge    = metric("failing_seconds", "Seconds since the first of the attempts that have failed in a row, 0 when none has.", "server")
	metricNextAttempt   = metric("next_attempt_seconds", "Seconds until the next attempt; absent when none is waited for.", "server")
	metricConfirmed     = metric("confirmed_seconds", "Seconds since the server last accepted a Register or an Update; absent when it does not know the client.", "server")
	metricAttempts      = metric("attempts_total", "Attempts to connect that have ended, failed or not.", "server")
	metricReconnects    = metric("reconnects_total", "Registrations after a link was lost.", "server")
	metricShed          = metric("shed_total", "What a link has dropped, by reason.", "server", "reason")
	metricObservations  = metric("observations", "What the server observes at present; up to 10 s old.", "server")
	metricNotifications = metric("notifications_total", "Notifications sent, without resends.", "server")
	metricAcknowledged  = metric("notifications_acknowledged_total", "Notifications that the server has acknowledged.", "server")
	metricStored        = metric("notifications_stored", "Notifications that wait for the server to be back.", "server")
	metricLost          = metric("notifications_dropped_total", "Stored notifications for which there was no room.", "server")
	metricSends         = metric("sends_total", "Sends by outcome: accepted, or failed.", "server", "outcome")
	metricCertificate   = metric("certificate_expiry_timestamp_seconds", "When the own certificate expires, in seconds since 1970; absent without one that can be read.", "account", "server")

	// Of updates, where they are configured.
	metricUpdate         = metric("firmware_state", "State of the update: /5/0/3, or /10252/0/2 where object is 10252; object is 0 before the first.", "object")
	metricUpdateResult   = metric("firmware_result", "Result of the last update that has ended: /5/0/5, or /10252/0/3 where object is 10252.", "object")
	metricUpdateProgress = metric("firmware_progress_bytes", "Bytes of the image that are there.")
	metricUpdateTotal    = metric("firmware_total_bytes", "Bytes of the image; 0 while that is not known.")
	metricUpdatePending  = metric("firmware_reports_pending", "States and results of updates that no server has yet.")
)

var allMetrics = []*prometheus.Desc{
	metricBuild, metricState, metricStateAge, metricEvents, metricDropped, metricErrors, metricRegistered, metricPerson,
	metricFailures, metricFailingAge, metricNextAttempt, metricConfirmed, metricAttempts, metricReconnects, metricShed,
	metricLatePanics, metricObservations, metricNotifications, metricAcknowledged, metricStored, metricLost, metricSends,
	metricCertificate, metricUpdate, metricUpdateResult, metricUpdateProgress, metricUpdateTotal, metricUpdatePending,
}

// allStates are the states that metricState has a line for.
var allStates = []holdfast.State{
	holdfast.Starting, holdfast.Resolving, holdfast.Connecting, holdfast.Bootstrapping, holdfast.Registering,
	holdfast.Registered, holdfast.Waiting, holdfast.Paused, holdfast.Stopping, holdfast.Stopped,
}

// allTypes are the types that metricEvents has a line for.
var allTypes = []holdfast.EventType{
	holdfast.EventState, holdfast.EventError, holdfast.EventBootstrapped, holdfast.EventRegistered,
	holdfast.EventRegistrationUpdated, holdfast.EventUnregistered, holdfast.EventDegraded,
	holdfast.EventDisabled, holdfast.EventAwake, holdfast.EventAsleep, holdfast.EventFirmware,
	holdfast.EventCredentialsRenewed,
	holdfast.EventMoved, holdfast.EventNetwork,
}

// allCodes are the codes that metricErrors has a line for.
var allCodes = []holdfast.ErrorCode{
	holdfast.CodeBootstrapFailed, holdfast.CodeInvalidParameters, holdfast.CodeInvalidCredentials, holdfast.CodeNotRegistered,
	holdfast.CodeTimeout, holdfast.CodeNetwork, holdfast.CodeResponseParse, holdfast.CodeUnknown, holdfast.CodeMemory,
	holdfast.CodeNotAllowed, holdfast.CodeSecureConnection, holdfast.CodeDNS, holdfast.CodeUnregistration,
	holdfast.CodeEnrolment, holdfast.CodeStoreCredentials, holdfast.CodeReadCredentials,
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
	out <- prometheus.MustNewConstMetric(metricBuild, prometheus.GaugeValue, 1, m.build.version, m.build.commit, m.build.goVersion)
	s := sample{out: out, endpoint: explained.Endpoint, now: explained.Time}
	s.client(explained, &record)
	status := m.api.client.Status()
	s.counter(metricDropped, status.Dropped)
	s.counter(metricLatePanics, status.LatePanics)
	accounts := accountsOf(explained, m.api.view.Configured())
	for _, server := range serversOf(accounts, &record) {
		s.server(server, &record)
	}
	for _, a := range distinct(accounts) {
		s.connection(a.Connection)
	}
	s.accounts(accounts, explained.Trouble)
	s.firmware(explained.Firmware)
}

// firmware emits how far an update has come.
func (s sample) firmware(f *holdfast.FirmwareStatus) {
	if f == nil {
		return
	}
	object := strconv.Itoa(int(f.Object))
	s.gauge(metricUpdate, float64(f.State), object)
	s.gauge(metricUpdateResult, float64(f.Result), object)
	s.gauge(metricUpdateProgress, float64(f.Progress))
	s.gauge(metricUpdateTotal, float64(f.Total))
	s.gauge(metricUpdatePending, float64(f.Pending))
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

// age returns the seconds since an instant, 0 when there is none.
func (s sample) age(since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return s.now.Sub(since).Seconds()
}

// client emits what concerns the client as a whole. What has not happened yet is 0.
func (s sample) client(e holdfast.Explanation, record *journal.Record) {
	for _, state := range allStates {
		s.gauge(metricState, oneIf(state == e.State), string(state))
	}
	s.gauge(metricStateAge, s.age(e.Since))
	for _, kind := range allTypes {
		s.counter(metricEvents, record.Events(string(kind)), string(kind))
	}
}

// server emits what has been counted for a server, or, under the empty URI, for
// none.
func (s sample) server(server string, record *journal.Record) {
	for _, code := range allCodes {
		s.counter(metricErrors, record.Errors(server, int(code)), server, strconv.Itoa(int(code)), code.String())
	}
	if server == "" {
		return
	}
	counted := record.Server(server)
	s.counter(metricAttempts, counted.Failures+counted.Successes, server)
	s.counter(metricReconnects, counted.Reconnects, server)
}

// serversOf returns the servers of the accounts and those of which the journal knows
// something, and the empty URI.
func serversOf(accounts []account, record *journal.Record) []string {
	servers := []string{""}
	for _, a := range accounts {
		servers = append(servers, a.Server)
	}
	for _, s := range record.Servers {
		servers = append(servers, s.URI)
	}
	slices.Sort(servers)
	return slices.Compact(servers)
}

// connection emits how the client stands with a server.
func (s sample) connection(c holdfast.Connection) {
	failures, since := uint64(0), time.Time{}
	if c.Trouble != nil {
		failures, since = c.Trouble.Failures, c.Trouble.Since
	}
	s.gauge(metricFailures, float64(failures), c.Server)
	s.gauge(metricFailingAge, s.age(since), c.Server)
	if c.Next != nil {
		s.gauge(metricNextAttempt, c.Next.In.Seconds(), c.Server)
	}
	if !c.ConfirmedAt.IsZero() {
		s.gauge(metricConfirmed, s.age(c.ConfirmedAt), c.Server)
	}
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

// reporting emits what the server observes and was sent, also where it never was.
func (s sample) reporting(c holdfast.Connection) {
	observing, sends := holdfast.Observing{}, holdfast.SendCount{}
	if c.Observing != nil {
		observing = *c.Observing
	}
	if c.Sends != nil {
		sends = *c.Sends
	}
	s.gauge(metricObservations, float64(observing.Observations), c.Server)
	s.gauge(metricStored, float64(observing.Stored), c.Server)
	s.counter(metricNotifications, observing.Notified, c.Server)
	s.counter(metricAcknowledged, observing.Acknowledged, c.Server)
	s.counter(metricLost, observing.Dropped, c.Server)
	s.counter(metricSends, sends.Accepted, c.Server, "accepted")
	s.counter(metricSends, sends.Failed, c.Server, "failed")
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
