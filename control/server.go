package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/clientview"
	"github.com/holdfast-iot/holdfast/internal/localaddr"
)

// ErrListen says that the API cannot listen where [Config.Listen] asks for it.
// The error names the address and the cause.
var ErrListen = errors.New("holdfast: the control API cannot listen")

// Bounds of the API. Its users are on the same machine.
const (
	readTimeout  = 5 * time.Second        // for a request
	writeTimeout = 10 * time.Second       // for one piece of an answer
	idleTimeout  = time.Minute            // between two requests of a connection
	callTimeout  = 30 * time.Second       // for a call of the supervisor, which may wait for the disk
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
}

// Server is the control API of one client. All methods may be called from any
// goroutine.
type Server struct {
	client   *holdfast.Client
	view     clientview.Client
	config   Config
	handler  http.Handler
	requests requestCount
	ending   chan struct{} // closed when streams are to end

	mu       sync.Mutex
	closed   bool
	listener net.Listener  // nil while the API does not listen
	server   *http.Server  // nil while it does not serve
	served   chan struct{} // closed when server accepts no more
}

// Attach gives a client the control API, until the client or the API is closed.
// When the client has not been started, the API listens from [holdfast.Client.Start]
// on, which returns an error for which errors.Is(err, ErrListen) holds when it
// cannot; the client then has not sent anything, and Start may be called again.
// When the client runs, the API listens on return, or the error is that one. An
// address that is not of this machine alone is a [*holdfast.ConfigError]. The
// API of a closed client is [holdfast.ErrNotAllowed].
func Attach(client *holdfast.Client, cfg Config) (*Server, error) {
	if cfg.Listen != "" {
		if problem := localaddr.Problem(cfg.Listen); problem != "" {
			return nil, invalid(problem)
		}
	}
	s := &Server{client: client, view: clientview.Of(client), config: cfg, ending: make(chan struct{})}
	s.handler = s.guarded(s.routes())
	s.view.Record() // from now on nothing is missing in an explanation
	if err := s.view.Attach(companion{s}); err != nil {
		return nil, err
	}
	return s, nil
}

func invalid(problem string) error {
	faults := []holdfast.Fault{{Key: "control.listen", Problem: problem}}
	return &holdfast.Error{Code: holdfast.CodeInvalidParameters, Phase: holdfast.PhaseConfig, Err: &holdfast.ConfigError{Faults: faults}}
}

// Addr returns the address on which the API listens, as Config.Listen is
// written ("unix:/run/gw.sock", "127.0.0.1:8080"), with the port that was
// chosen where 0 was asked for. It is empty while the API does not listen.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	addr := s.listener.Addr()
	if addr.Network() == "unix" {
		return localaddr.Unix + addr.String()
	}
	return addr.String()
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
	if c.config.Listen == "" || c.closed {
		return nil
	}
	listener, err := listen(c.config.Listen)
	if err != nil {
		return fmt.Errorf("%w on %s: %w", ErrListen, c.config.Listen, err)
	}
	c.listener = &door{Listener: listener}
	return nil
}

// Serve implements clientview.Companion.
func (c companion) Serve() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listener != nil {
		c.serve(c.listener)
	}
}

// serve answers the requests that come to a listener. Callers hold mu.
func (s *Server) serve(listener net.Listener) {
	logger := s.view.Logger()
	s.server = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout,
		WriteTimeout: callTimeout + writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelError),
		ConnContext: withConn,
	}
	s.served = make(chan struct{})
	logger.Info("the control API listens", "address", listener.Addr().String())
	go func(server *http.Server, served chan<- struct{}) {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("the control API has ended", "error", err)
		}
	}(s.server, s.served)
}

// Abandon implements clientview.Companion.
func (c companion) Abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listener != nil {
		_ = c.listener.Close() // nobody was served
		c.listener = nil
	}
}

// Close implements clientview.Companion.
func (c companion) Close() {
	listener, server, served, first := c.end()
	switch {
	case server != nil:
		shutDown(server)
		<-served
	case listener != nil:
		_ = listener.Close() // nobody was served
	}
	if first {
		close(c.ending) // after the streams on connections of the API, which end by themselves or are cut off
	}
	c.requests.end()
}

// end marks the API closed and returns what there is to close.
func (s *Server) end() (listener net.Listener, server *http.Server, served <-chan struct{}, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	listener, server, served, first = s.listener, s.server, s.served, !s.closed
	s.closed, s.listener = true, nil
	return listener, server, served, first
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
func (s *Server) routes() http.Handler {
	mux, rooms := http.NewServeMux(), newRooms()
	mux.Handle("GET /v1/status", rooms.looks.admit(s.status))
	mux.Handle("GET /v1/explain", rooms.looks.admit(s.explain))
	mux.Handle("GET /v1/events", rooms.streams.admit(s.events))
	for _, c := range calls {
		mux.Handle("POST /v1/"+c.name, rooms.calls.admit(func(w http.ResponseWriter, r *http.Request) { s.call(w, r, c) }))
	}
	mux.Handle("POST /v1/close", rooms.closes.admit(s.closeClient))
	mux.Handle("GET /livez", rooms.health.admit(s.livez))
	mux.Handle("GET /readyz", rooms.health.admit(s.readyz))
	mux.Handle("GET /metrics", rooms.metrics.admit(s.metricsHandler().ServeHTTP))
	return mux
}
