package control

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/clientview"
	"github.com/holdfast-iot/holdfast/internal/localaddr"
)

// ErrListen says that the API cannot listen where [Config.Listen], or
// [Config.Metrics], asks for it.
// The error names the address and the cause.
var ErrListen = errors.New("holdfast: the control API cannot listen")

// Bounds of the API. Its users are on the same machine.
const (
	readTimeout  = 5 * time.Second        // for a request
	writeTimeout = 10 * time.Second       // for one piece of an answer
	idleTimeout  = time.Minute            // between two requests of a connection
	callTimeout  = 30 * time.Second       // for a call of the supervisor, which may wait for the disk
	closeWait    = 5 * time.Second        // for the de-registration and the teardown
	closeTimeout = 100 * time.Millisecond // for the requests under way when the client closes
	maxHeader    = 16 << 10               // bytes
	maxBody      = 4 << 10                // bytes; no call has a use for a body
)

// Config says where the API listens.
type Config struct {
	// Listen is unix:/path, a socket that only this user can connect to, or a
	// loopback host:port, which every user of this machine can reach; port 0
	// lets the system choose. Empty: the API does not listen, and is there for
	// [Server.ServeHTTP] alone.
	Listen string
	// Group is the name or the number of a group whose members can connect to the
	// unix sockets as well: they belong to it, with mode 0660. Only root can give a
	// socket to a group that its user is not in. Empty: mode 0600.
	Group string
	// Metrics is an address of its own for metrics and health: unix:/path or any
	// host:port, also beyond loopback, such as ":9101". GET and HEAD of /metrics,
	// /livez and /readyz are all that is answered there. Empty: none.
	Metrics string
}

// Server is the control API of one client. All methods may be called from any
// goroutine.
type Server struct {
	client   *holdfast.Client
	view     clientview.Client
	handler  http.Handler
	requests requestCount
	ending   chan struct{} // closed when streams are to end

	mu      sync.Mutex
	closed  bool
	api     port
	metrics port
}

// Attach gives a client the control API, until the client or the API is closed.
// When the client has not been started, the API listens from [holdfast.Client.Start]
// on, which returns an error for which errors.Is(err, ErrListen) holds when it
// cannot; the client then has not sent anything, and Start may be called again.
// When the client runs, the API listens on return, or the error is that one. An
// address that is not of this machine alone, or a group that this machine does
// not have, is a [*holdfast.ConfigError]. The API of a closed client is
// [holdfast.ErrNotAllowed].
func Attach(client *holdfast.Client, cfg Config) (*Server, error) {
	if faults := cfg.faults(); len(faults) > 0 {
		return nil, invalid(faults)
	}
	s := &Server{client: client, view: clientview.Of(client), ending: make(chan struct{})}
	metrics := s.metricsHandler()
	s.handler = s.guarded(s.routes(metrics))
	s.api = port{name: "the control API", address: cfg.Listen, group: cfg.Group, handler: s, within: callTimeout}
	s.metrics = port{
		name: "the address of the metrics", purpose: " (control.metrics)", address: cfg.Metrics, group: cfg.Group,
		handler: s.counted(s.openRoutes(metrics)),
	}
	s.view.Record() // from now on nothing is missing in an explanation
	if err := s.view.Attach(companion{s}); err != nil {
		return nil, err
	}
	return s, nil
}

func (c Config) faults() (faults []holdfast.Fault) {
	for _, f := range localaddr.Addresses(c).Faults() {
		faults = append(faults, holdfast.Fault{Key: f.Key, Problem: f.Problem})
	}
	if c.Group == "" {
		return faults
	}
	if _, problem := localaddr.Group(c.Group); problem != "" {
		faults = append(faults, holdfast.Fault{Key: "control.group", Problem: problem})
	}
	return faults
}

func invalid(faults []holdfast.Fault) error {
	return &holdfast.Error{Code: holdfast.CodeInvalidParameters, Phase: holdfast.PhaseConfig, Err: &holdfast.ConfigError{Faults: faults}}
}

// Addr returns the address on which the API listens, as Config.Listen is
// written ("unix:/run/gw.sock", "127.0.0.1:8080"), with the port that was
// chosen where 0 was asked for. It is empty while the API does not listen.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.api.addr()
}

// MetricsAddr returns the address of Config.Metrics in the same way.
func (s *Server) MetricsAddr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.metrics.addr()
}

// ServeHTTP answers one request, for programs with an HTTP server of their own.
// The paths are those of the package, and what is said there holds: a request
// whose Host header does not name loopback is refused.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close ends the API, which the end of the client does as well: it no longer
// listens, and streams of events end. Requests under way get a moment to finish.
// Afterwards no goroutine and no socket of the API is left; the client is as it
// was.
func (s *Server) Close() { companion{s}.Close() }

// companion ties the API to the life of its client.
type companion struct{ *Server }

// Open implements clientview.Companion: from now on requests wait for Serve.
func (c companion) Open() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	if err := c.api.open(); err != nil {
		return err
	}
	err := c.metrics.open()
	if err != nil {
		c.api.abandon()
	}
	return err
}

// Serve implements clientview.Companion.
func (c companion) Serve() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.api.serve(c.view.Logger())
	c.metrics.serve(c.view.Logger())
}

// Abandon implements clientview.Companion.
func (c companion) Abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.api.abandon()
	c.metrics.abandon()
}

// Close implements clientview.Companion.
func (c companion) Close() {
	closeAPI, closeMetrics, first := c.end()
	closeMetrics()
	closeAPI()
	if first {
		close(c.ending) // after the streams on connections of the API, which end by themselves or are cut off
	}
	c.requests.end()
}

// end marks the API closed and returns what closes its ports.
func (s *Server) end() (closeAPI, closeMetrics func(), first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, s.closed = !s.closed, true
	return s.api.end(), s.metrics.end(), first
}

// shutDown gives the requests under way a moment to finish.
func shutDown(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close() // cuts off who does not read or send
	}
}

// routes routes requests, each kind through a room of its own. The methods of
// a path that has others are answered 405 with Allow.
func (s *Server) routes(metrics http.Handler) http.Handler {
	mux, rooms := http.NewServeMux(), newRooms()
	mux.Handle("GET /v1/status", rooms.looks.admit(s.status))
	mux.Handle("GET /v1/explain", rooms.looks.admit(s.explain))
	mux.Handle("GET /v1/events", rooms.streams.admit(s.events))
	for _, c := range calls {
		mux.Handle("POST /v1/"+c.call.String(), rooms.calls.admit(func(w http.ResponseWriter, r *http.Request) { s.call(w, r, c) }))
	}
	for _, d := range decisions {
		mux.Handle("POST /v1/firmware/"+string(d), rooms.calls.admit(func(w http.ResponseWriter, r *http.Request) { s.authorise(w, r, d) }))
	}
	mux.Handle("POST /v1/close", rooms.closes.admit(s.closeClient))
	s.handleHealth(mux, rooms, metrics)
	return mux
}

// openRoutes are those of the address of the metrics. They have rooms of their
// own: who comes from the network keeps out nobody on this machine.
func (s *Server) openRoutes(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	s.handleHealth(mux, newRooms(), metrics)
	return mux
}

func (s *Server) handleHealth(mux *http.ServeMux, rooms roomSet, metrics http.Handler) {
	mux.Handle("GET /livez", rooms.health.admit(s.livez))
	mux.Handle("GET /readyz", rooms.health.admit(s.readyz))
	mux.Handle("GET /metrics", rooms.metrics.admit(metrics.ServeHTTP))
}
