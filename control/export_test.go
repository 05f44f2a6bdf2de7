package control

import (
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-iot/holdfast"
)

// MaxConns is the bound of connections.
const MaxConns = maxConns

// ServeOn serves the API, which does not listen yet, on a listener of the tests.
func (s *Server) ServeOn(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.api.listener = &door{Listener: l}
	s.api.serve(s.view.Logger())
}

// FirmwareSeries collects the series of updates alone.
type FirmwareSeries struct{ Status *holdfast.FirmwareStatus }

// Describe implements prometheus.Collector.
func (f FirmwareSeries) Describe(out chan<- *prometheus.Desc) { (&metrics{}).Describe(out) }

// Collect implements prometheus.Collector.
func (f FirmwareSeries) Collect(out chan<- prometheus.Metric) {
	sample{out: out, endpoint: "g"}.firmware(f.Status)
}
