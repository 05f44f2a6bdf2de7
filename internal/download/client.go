package download

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
)

// Client fetches images by HTTP/1.1, each attempt on a connection of its own and on the
// goroutine of the caller: no connection is kept, no cookie, and no proxy asked, whatever the
// environment says, since a proxy would go where [Policy] lets nobody. The zero value
// works. It is safe for concurrent use.
type Client struct {
	Policy Policy
	// Resolve returns the addresses of a host, in the order in which they are to be
	// tried. Nil means the system's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial opens a TCP connection. Nil means the operating system's.
	Dial func(ctx context.Context, addr netip.AddrPort) (net.Conn, error)
	// TLS has the roots, the own certificate and the server's name for https. Nil means the
	// system's roots and no certificate. A server that another one redirects to sees no
	// certificate, and is known by its own name.
	TLS *tls.Config
	// Clock says what is known of the time, when a certificate is judged. Nil means the
	// machine's clock.
	Clock func() validity.Clock
}

// Fetch is what is asked for.
type Fetch struct {
	// From is how many bytes of the image are there, which are not asked for again.
	From int64
	// Validator is that of the [Body] that brought them. Without one the server is not
	// asked whether the image is still the same: then only a digest of the whole can tell.
	Validator string
	// Size is the size of the image, in bytes, where it is known: from a manifest, or
	// from the [Body] that brought what is there. 0 is unknown. It tells whether what goes
	// on is still the same image, and where one ends of which the server does not say it.
	Size int64
}

// Bounds of one attempt.
const (
	connectTimeout = 30 * time.Second // resolving and connecting
	tlsTimeout     = 30 * time.Second // the TLS handshake
	headerTimeout  = 60 * time.Second // from the request to the end of the response's header
	idleTimeout    = 60 * time.Second // between two bytes of the image

	maxRedirects = 3
	maxHeader    = 16 << 10 // bytes
	maxRedirect  = 2 << 10  // bytes of a URI that a server redirects to
)

// Open asks for an image, and returns when it begins to come. It follows up to three
// redirects, each of which the policy has to allow; none goes from https to http. The
// context is that of the whole fetch.
//
// Errors besides the context's cause, all of which [Failure] classifies: *[URIError],
// *[RedirectError], *[ResolveError], *[ConnectionError], *[TLSError], *[TimeoutError],
// *[ProtocolError], *[StatusError], *[SizeError], and where something is there already
// *[ChangedError] and *[RangeError]: after these two the next Fetch is from 0.
func (c *Client) Open(ctx context.Context, l Location, f Fetch) (*Body, error) {
	if !l.HTTP() {
		return nil, &URIError{Fault: UnsupportedScheme, Field: uri.FieldScheme, Reason: reasonNotHTTP}
	}
	origin := l
	for range maxRedirects + 1 {
		e, err := c.exchange(ctx, l, f, origin)
		if err != nil {
			return nil, err
		}
		if !isRedirect(e.response.StatusCode) {
			return e.body(f, c.Policy.MaxSize)
		}
		e.end()
		if l, err = c.follow(l, e.response.Header); err != nil {
			return nil, err
		}
	}
	return nil, &RedirectError{Err: &URIError{Fault: NotAllowed, Field: uri.FieldURI, Reason: reasonTooMany}}
}

// exchange is one request and its response, on a connection of its own.
type exchange struct {
	*watch
	wire     *wire
	response *http.Response
}

// exchange connects, asks, and reads the header of the response. The caller ends it.
func (c *Client) exchange(ctx context.Context, l Location, f Fetch, origin Location) (*exchange, error) {
	e := &exchange{watch: newWatch(ctx)}
	if err := e.begin(c, l, f, origin); err != nil {
		e.end()
		return nil, err
	}
	return e, nil
}

func (e *exchange) begin(c *Client, l Location, f Fetch, origin Location) error {
	conn, err := c.connect(e.watch, l, origin)
	if err != nil {
		return err
	}
	e.wire = &wire{watch: e.watch, conn: conn, header: maxHeader}
	defer e.during(StageHeader, headerTimeout)()
	if _, err := conn.Write(request(l, f)); err != nil {
		return e.cause(&ConnectionError{Op: opWrite, Host: l.HostPort(), Err: err})
	}
	return e.readHeader(l)
}

// readHeader reads the header of the final response. All that comes before it counts as its
// header, so that interim responses have an end (RFC 9110 section 15.2).
func (e *exchange) readHeader(l Location) error {
	from := bufio.NewReader(e.wire)
	for {
		response, err := http.ReadResponse(from, &http.Request{Method: http.MethodGet})
		if err != nil {
			return e.wire.explain(l.HostPort(), err)
		}
		if response.StatusCode >= http.StatusOK || response.StatusCode == http.StatusSwitchingProtocols {
			e.wire.header = 0
			e.response = response
			return nil
		}
	}
}

// follow returns where a response redirects to.
func (c *Client) follow(l Location, header http.Header) (Location, error) {
	raw, err := redirectTarget(l, header)
	if err != nil {
		return Location{}, err
	}
	next, err := c.Policy.parse(raw, maxRedirect)
	switch {
	case err != nil:
		return Location{}, &RedirectError{Err: err}
	case !next.HTTP():
		return Location{}, &RedirectError{Err: &URIError{Fault: UnsupportedScheme, Field: uri.FieldScheme, Reason: reasonNotHTTP}}
	case l.Secure() && !next.Secure():
		return Location{}, &RedirectError{Err: &URIError{Fault: NotAllowed, Field: uri.FieldScheme, Reason: reasonDowngrade}}
	}
	return next, nil
}
