package holdfast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// ErrControl says that the control API cannot listen where control.listen asks
// for it. Start returns it; the error names the address and the cause.
var ErrControl = errors.New("holdfast: the control API cannot listen")

// Bounds of the control API. Its users are on the same machine.
const (
	controlReadTimeout  = 5 * time.Second        // for a request
	controlWriteTimeout = 10 * time.Second       // for one piece of an answer
	controlIdleTimeout  = time.Minute            // between two requests of a connection
	controlCallTimeout  = 30 * time.Second       // for a call of the supervisor, which may wait for the disk
	controlCloseTimeout = 100 * time.Millisecond // for the requests under way when the client closes
	controlMaxHeader    = 16 << 10               // bytes
	controlMaxBody      = 4 << 10                // bytes; no call has a use for a body
)

// control is the control API of one client (docs/contract.md, Control API): an HTTP
// server on loopback or a unix socket. It talks to the runtime as any
// application does, and to the supervisor's mailbox for the health of actors.
type control struct {
	client   *Client
	listener net.Listener // nil while off
	server   *http.Server
	rooms    func() controlRooms // made when the API is first used
	requests controlRequests
	served   chan struct{} // closed when the server accepts no more
}

func newControl(c *Client) *control {
	return &control{client: c, rooms: sync.OnceValue(newControlRooms), served: make(chan struct{})}
}

// ControlAddr returns the address on which the control API of a running client
// listens, as control.listen is written ("unix:/run/gw.sock",
// "127.0.0.1:8080"), with the port that was chosen where 0 was asked for. It is
// empty when the API is off.
func (c *Client) ControlAddr() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != clientStarted || c.control.listener == nil {
		return ""
	}
	addr := c.control.listener.Addr()
	if addr.Network() == "unix" {
		return controlUnix + addr.String()
	}
	return addr.String()
}

// open begins to listen; requests wait until serve.
func (c *control) open() error {
	address := c.client.config.Control.Listen
	if address == "" {
		return nil
	}
	listener, err := controlListen(address)
	if err != nil {
		return fmt.Errorf("%w on %s: %w", ErrControl, address, err)
	}
	c.listener = &controlDoor{Listener: listener}
	return nil
}

// serve answers requests until close. It does not wait.
func (c *control) serve() {
	if c.listener == nil {
		return
	}
	logger := c.client.logger
	c.server = &http.Server{
		Handler:           c.handler(),
		ReadHeaderTimeout: controlReadTimeout, ReadTimeout: controlReadTimeout,
		WriteTimeout: controlCallTimeout + controlWriteTimeout, IdleTimeout: controlIdleTimeout,
		MaxHeaderBytes: controlMaxHeader, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelError),
		ConnContext: withControlConn,
	}
	logger.Info("the control API listens", "address", c.listener.Addr().String())
	go func() {
		defer close(c.served)
		if err := c.server.Serve(c.listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("the control API has ended", "error", err)
		}
	}()
}

// close ends the API: requests under way get a moment to finish. Afterwards no
// goroutine and no socket of it is left.
func (c *control) close() {
	if c.listener == nil {
		return
	}
	if c.server == nil { // never served
		_ = c.listener.Close()
		c.listener = nil
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), controlCloseTimeout)
	defer cancel()
	if err := c.server.Shutdown(ctx); err != nil {
		_ = c.server.Close() // cuts off who does not read or send
	}
	<-c.served
	c.requests.end()
}

// handler routes requests, each kind through a room of its own. The methods of
// a path that has others are answered 405 with Allow.
func (c *control) handler() http.Handler {
	mux, rooms := http.NewServeMux(), c.rooms()
	mux.Handle("GET /v1/status", rooms.looks.admit(c.status))
	mux.Handle("GET /v1/explain", rooms.looks.admit(c.explain))
	mux.Handle("GET /v1/events", rooms.streams.admit(c.events))
	for _, call := range controlCalls {
		mux.Handle("POST /v1/"+call.call.String(), rooms.calls.admit(func(w http.ResponseWriter, r *http.Request) { c.call(w, r, call) }))
	}
	mux.Handle("POST /v1/close", rooms.closes.admit(c.closeClient))
	mux.Handle("GET /livez", rooms.health.admit(c.livez))
	mux.Handle("GET /readyz", rooms.health.admit(c.readyz))
	mux.Handle("GET /metrics", rooms.metrics.admit(newMetrics(c.client).ServeHTTP))
	return c.guarded(mux)
}
