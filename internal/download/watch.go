package download

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/holdfast-iot/holdfast/internal/alarm"
)

// watch is the life of one exchange: it ends with the context of the fetch, when a stage lasts
// too long, or when it is ended, and so does the connection.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func newWatch(ctx context.Context) *watch {
	own, cancel := context.WithCancelCause(ctx)
	return &watch{ctx: own, cancel: cancel}
}

// end closes the connection. It may be called at any time.
func (w *watch) end() { w.cancel(context.Canceled) }

// holds closes a connection when the exchange ends.
func (w *watch) holds(conn net.Conn) {
	context.AfterFunc(w.ctx, func() { _ = conn.Close() })
}

// during bounds a stage, until the function that it returns is called.
func (w *watch) during(s Stage, limit time.Duration) (over func()) {
	a := alarm.After(limit, func() { w.cancel(&TimeoutError{Stage: s}) })
	return func() { a.Stop() }
}

// cause is why the exchange has ended, where that is known, else err: an exchange that ends
// makes operations fail that are under way.
func (w *watch) cause(err error) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return err
}

// wire reads from a connection, and keeps apart what the connection says from what is
// found wrong with the bytes that came.
type wire struct {
	*watch
	conn   net.Conn
	header int   // how many bytes of a header may still come; 0 after the header
	err    error // of the connection
}

// Read implements io.Reader.
func (w *wire) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.header > 0 {
		return w.readHeader(p)
	}
	defer w.during(StageBody, idleTimeout)()
	return w.read(p)
}

// readHeader reads a part of a header. Its last byte is never read here: one that would be
// needed then is one too many.
func (w *wire) readHeader(p []byte) (int, error) {
	if w.header == 1 {
		w.err = &ProtocolError{Reason: HeaderTooLarge}
		return 0, w.err
	}
	n, err := w.read(p[:min(len(p), w.header-1)])
	w.header -= n
	return n, err
}

func (w *wire) read(p []byte) (int, error) {
	n, err := w.conn.Read(p)
	w.err = err
	return n, err
}

// explain returns why a response could not be read: the exchange has ended, the connection
// has failed, or what came is not HTTP.
func (w *wire) explain(host string, err error) error {
	var known *ProtocolError
	switch {
	case w.ctx.Err() != nil:
		return context.Cause(w.ctx)
	case errors.As(w.err, &known):
		return known
	case w.err == nil:
		return &ProtocolError{Reason: NotHTTP, Err: err}
	case errors.Is(w.err, io.EOF): // which is how an image ends that is whole
		return &ConnectionError{Op: opRead, Host: host, Err: io.ErrUnexpectedEOF}
	}
	return &ConnectionError{Op: opRead, Host: host, Err: w.err}
}
