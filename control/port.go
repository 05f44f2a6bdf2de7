package control

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/holdfast-iot/holdfast/internal/descriptors"
	"github.com/holdfast-iot/holdfast/internal/localaddr"
)

// port is one address on which a client answers: that of the control API, or
// that of metrics and health alone. Whoever calls its methods holds the mu of the
// server.
type port struct {
	name    string // for people: "the control API"
	purpose string // what else an error says of it: " (control.metrics)"
	address string // where to listen; empty for nowhere
	group   string // of a unix socket; empty for none
	handler http.Handler
	within  time.Duration // the longest that an answer takes

	listener net.Listener  // nil while it does not listen
	server   *http.Server  // nil while it does not serve
	served   chan struct{} // closed when server accepts no more
}

// open listens: from now on requests wait for serve.
func (p *port) open() error {
	if p.address == "" {
		return nil
	}
	listener, err := listen(p.address, p.group)
	if err != nil {
		return fmt.Errorf("%w on %s%s: %w", ErrListen, p.address, p.purpose, descriptors.Explain(err))
	}
	p.listener = &door{Listener: listener}
	return nil
}

// serve answers the requests that come, where the port listens.
func (p *port) serve(logger *slog.Logger) {
	if p.listener == nil {
		return
	}
	p.server = &http.Server{
		Handler:           p.handler,
		ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout,
		WriteTimeout: p.within + writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelError),
		ConnContext: withConn,
	}
	p.served = make(chan struct{})
	logger.Info(p.name+" listens", "address", p.listener.Addr().String())
	go func(name string, server *http.Server, listener net.Listener, served chan<- struct{}) {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error(name+" has ended", "error", err)
		}
	}(p.name, p.server, p.listener, p.served)
}

// abandon takes open back, while nobody is served.
func (p *port) abandon() {
	if p.listener != nil {
		_ = p.listener.Close() // nobody was served
		p.listener = nil
	}
}

// end returns what closes the port. It waits for the requests under way, and is
// called without mu.
func (p *port) end() (close func()) {
	listener, server, served := p.listener, p.server, p.served
	p.listener = nil
	return func() {
		switch {
		case server != nil:
			shutDown(server)
			<-served
		case listener != nil:
			_ = listener.Close() // nobody was served
		}
	}
}

// addr returns where the port listens, as a configuration writes it.
func (p *port) addr() string {
	if p.listener == nil {
		return ""
	}
	addr := p.listener.Addr()
	if addr.Network() == "unix" {
		return localaddr.Unix + addr.String()
	}
	return addr.String()
}
