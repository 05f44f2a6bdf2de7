package systemtest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"
)

// ServeHTTP implements [http.Handler].
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, found, f := h.take(r)
	switch {
	case f.Handler != nil:
		f.Handler(w, r)
		return
	case f.Silent:
		h.stall(r)
		return
	}
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	body := &body{ResponseWriter: w, left: f.After, ends: f.End != WebWhole}
	switch {
	case f.Status != 0:
		w.WriteHeader(f.Status)
	case !found:
		http.NotFound(w, r)
	case f.Endless:
		_, _ = io.Copy(body, zeros{}) // until the client has gone, or the fault ends it
	default:
		file.serve(body, r, f)
	}
	h.end(body, r, f.End)
}

// serve answers with the file, or the range of it that is asked for.
func (w webFile) serve(body *body, r *http.Request, f WebFault) {
	header := body.Header()
	if _, set := header["Etag"]; !set && w.tag != "" {
		header.Set("ETag", w.tag)
	}
	if _, set := header["Content-Type"]; !set {
		header.Set("Content-Type", "application/octet-stream")
	}
	if f.WholeFile {
		r = r.Clone(r.Context())
		for _, name := range []string{"Range", "If-Match", "If-Range", "If-None-Match"} {
			r.Header.Del(name)
		}
	}
	http.ServeContent(body, r, "", time.Time{}, io.NewSectionReader(w.Content, 0, w.Size))
}

// end ends a body as a fault says.
func (h *HTTP) end(b *body, r *http.Request, end WebEnd) {
	if !b.ends {
		return
	}
	control := http.NewResponseController(b.ResponseWriter)
	_ = control.Flush() // what was written is to arrive; a client that has gone misses nothing
	switch end {
	case WebStall:
		h.stall(r)
	case WebReset:
		if conn, _, err := control.Hijack(); err == nil {
			reset(conn)
		}
	case WebClose:
		if conn, _, err := control.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}

// stall waits until the client has gone, or the server closes.
func (h *HTTP) stall(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-h.closing:
	}
	panic(http.ErrAbortHandler) // no answer
}

// body counts what is written, and takes no more than a fault lets through.
type body struct {
	http.ResponseWriter
	left int64
	ends bool
}

var errBodyEnds = errors.New("systemtest: the body ends here")

// Write implements io.Writer.
func (b *body) Write(p []byte) (int, error) {
	if !b.ends {
		return b.ResponseWriter.Write(p)
	}
	n, err := b.ResponseWriter.Write(p[:min(b.left, int64(len(p)))])
	b.left -= int64(n)
	if err == nil && n < len(p) {
		err = errBodyEnds
	}
	return n, err
}

// zeros is a reader without an end.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// memoryListener is where connections in memory arrive.
type memoryListener struct {
	arriving chan net.Conn
	closed   chan struct{}
	closes   atomic.Bool
}

func newMemoryListener() *memoryListener {
	return &memoryListener{arriving: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.arriving:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *memoryListener) Close() error {
	if l.closes.CompareAndSwap(false, true) {
		close(l.closed)
	}
	return nil
}

// Addr implements net.Listener.
func (l *memoryListener) Addr() net.Addr { return memoryAddr("memory") }

// memoryAddr is an address that was dialled.
type memoryAddr string

// Network implements net.Addr.
func (memoryAddr) Network() string { return "tcp" }

// String implements net.Addr.
func (a memoryAddr) String() string { return string(a) }

// dial connects two ends; a listener that is closed refuses.
func (l *memoryListener) dial(ctx context.Context, address string) (net.Conn, error) {
	near, far := net.Pipe()
	broken := new(atomic.Bool)
	select {
	case l.arriving <- &memoryConn{Conn: far, broken: broken, remote: memoryAddr("client")}:
		return &memoryConn{Conn: near, broken: broken, remote: memoryAddr(address)}, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// memoryConn is one end of a connection, which either can reset.
type memoryConn struct {
	net.Conn
	broken *atomic.Bool
	remote net.Addr
}

// Read implements net.Conn.
func (c *memoryConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.failure("read", err)
}

// Write implements net.Conn.
func (c *memoryConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.failure("write", err)
}

// RemoteAddr implements net.Conn.
func (c *memoryConn) RemoteAddr() net.Addr { return c.remote }

// failure tells a connection that was reset from one that was closed.
func (c *memoryConn) failure(op string, err error) error {
	if (err == io.EOF || err == io.ErrClosedPipe) && c.broken.Load() {
		return &net.OpError{Op: op, Net: "tcp", Err: syscall.ECONNRESET}
	}
	return err
}

// reset ends a connection as a peer does that has died.
func reset(c net.Conn) {
	if wrapped, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = wrapped.NetConn()
	}
	switch c := c.(type) {
	case *memoryConn:
		c.broken.Store(true)
	case *net.TCPConn:
		_ = c.SetLinger(0) // RST in place of FIN
	}
	_ = c.Close()
}
