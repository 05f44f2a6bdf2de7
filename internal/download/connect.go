package download

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"time"

	"github.com/holdfast-iot/holdfast/internal/descriptors"
	"github.com/holdfast-iot/holdfast/internal/validity"
)

// maxAddresses bounds how many addresses of one host are tried.
const maxAddresses = 8

// connect connects to the host of a location, with TLS where its scheme demands that.
func (c *Client) connect(w *watch, l, origin Location) (net.Conn, error) {
	conn, err := c.dialHost(w, l)
	if err != nil || !l.Secure() {
		return conn, err
	}
	defer w.during(StageTLS, tlsTimeout)()
	clock := c.clock()
	secured := tls.Client(conn, c.tlsConfig(l, origin, clock))
	if err := secured.HandshakeContext(w.ctx); err != nil {
		return nil, w.cause(&TLSError{Host: l.HostPort(), Clock: clock, Err: err})
	}
	return secured, nil
}

// dialHost resolves a host once, and connects to one of the addresses that it has then: what
// is checked is what is connected to, whatever a name server says a moment later.
func (c *Client) dialHost(w *watch, l Location) (net.Conn, error) {
	defer w.during(StageConnect, connectTimeout)()
	deadline := time.Now().Add(connectTimeout)
	addrs, err := c.addresses(w.ctx, l)
	if err != nil {
		return nil, w.cause(err)
	}
	for i, addr := range addrs {
		share := time.Until(deadline) / time.Duration(len(addrs)-i)
		var conn net.Conn
		if conn, err = c.dialAddress(w, l, addr, share); err == nil {
			return conn, nil
		}
		if w.ctx.Err() != nil {
			break
		}
	}
	return nil, w.cause(err)
}

// addresses returns the addresses of a host that may be connected to.
func (c *Client) addresses(ctx context.Context, l Location) ([]netip.Addr, error) {
	all, err := c.resolve(ctx, l.Host)
	if err != nil {
		return nil, &ResolveError{Host: l.Host, Err: err}
	}
	var allowed []netip.Addr
	for _, addr := range all {
		refusal := c.Policy.Address(l, addr)
		if refusal != nil {
			err = refusal
			continue
		}
		if allowed = append(allowed, addr); len(allowed) == maxAddresses {
			break
		}
	}
	switch {
	case len(allowed) > 0:
		return allowed, nil
	case err != nil:
		return nil, err
	}
	return nil, &ResolveError{Host: l.Host}
}

func (c *Client) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	if c.Resolve != nil {
		return c.Resolve(ctx, host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// dialAddress connects to one address within its share of the time.
func (c *Client) dialAddress(w *watch, l Location, addr netip.Addr, share time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(w.ctx, share)
	defer cancel()
	at := netip.AddrPortFrom(addr, l.Port)
	conn, err := c.dial(ctx, at)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, &TimeoutError{Stage: StageConnect}
	case err != nil:
		return nil, &ConnectionError{Op: opDial, Host: at.String(), Err: descriptors.Explain(err)}
	}
	w.holds(conn)
	if meetsItself(conn) && !c.Policy.Named(l.Host, l.Port) {
		return nil, &URIError{Fault: NotAllowed, Host: l.HostPort(), Addr: addr}
	}
	return conn, nil
}

func (c *Client) dial(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	if c.Dial != nil {
		return c.Dial(ctx, addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr.String())
}

// meetsItself reports whether a connection leads to one of this machine's own addresses: the
// kernel then takes that same address for the near end.
func meetsItself(conn net.Conn) bool {
	near, isTCP := conn.LocalAddr().(*net.TCPAddr)
	far, _ := conn.RemoteAddr().(*net.TCPAddr)
	return isTCP && far != nil && near.IP.Equal(far.IP)
}

// tlsConfig is the configuration for one server. What is the own server's alone, its name and
// the proof who the client is, goes to no server that it redirects to.
func (c *Client) tlsConfig(l, origin Location, clock validity.Clock) *tls.Config {
	config := &tls.Config{}
	if c.TLS != nil {
		config = c.TLS.Clone()
	}
	if l.HostPort() != origin.HostPort() {
		config.ServerName, config.Certificates, config.GetClientCertificate = "", nil, nil
	}
	if config.ServerName == "" {
		config.ServerName = l.serverName()
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = []string{"http/1.1"}
	config.Time = func() time.Time { return clock.Now }
	return config
}

func (c *Client) clock() validity.Clock {
	if c.Clock != nil {
		return c.Clock()
	}
	return validity.Clock{Now: time.Now()}
}
