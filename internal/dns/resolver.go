package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/holdfast-iot/holdfast/internal/descriptors"
)

// grace is how long the addresses of one family wait for those of the other
// (RFC 8305 section 3, Resolution Delay).
const grace = 50 * time.Millisecond

// maxAliases bounds how often an alias is followed in one lookup.
const maxAliases = 8

// Resolver looks up host names. The zero value works as the package comment says.
// It is safe for concurrent use. Close it.
type Resolver struct {
	// Server is the host:port of the one name server to ask, in the place of
	// those of resolv.conf.
	Server string
	// Dial opens a connection to a name server, network being "udp" or "tcp". Nil
	// means the operating system's sockets.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// System asks the system's resolver for one family, "ip4" or "ip6". Nil means
	// net.DefaultResolver.
	System func(ctx context.Context, family, host string) ([]netip.Addr, error)
	// Etc is the directory of the hosts file, resolv.conf and nsswitch.conf. Empty
	// means /etc.
	Etc string

	memory memory
}

// Lookup returns the addresses of a host, those of the two families in turn, in
// the order in which they should be tried; an address stands for itself. What
// comes after the grace is handed to late, at most once, as long as ctx lasts.
// The error is a *net.DNSError.
func (r *Resolver) Lookup(ctx context.Context, host string, late func([]netip.Addr)) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	name := strings.TrimSuffix(host, ".")
	if !isDomainName(name) {
		return nil, &net.DNSError{Err: "not a domain name", Name: host, IsNotFound: true}
	}
	known, err := r.hosts(name)
	if err != nil || len(known) > 0 {
		return arrange(known), err
	}
	others, err := r.otherSources()
	if err != nil {
		return nil, err
	}
	conf, err := r.conf()
	if err != nil {
		return nil, err
	}
	return r.search(ctx, r.candidates(host, name, conf, others), late)
}

// isLocal reports whether a name is one of multicast DNS (RFC 6762 section 3).
func isLocal(name string) bool {
	return len(name) > len(".local") && strings.EqualFold(name[len(name)-len(".local"):], ".local")
}

func isNotFound(err error) bool {
	var failed *net.DNSError
	return errors.As(err, &failed) && failed.IsNotFound
}

// source finds the addresses of one family.
type source func(ctx context.Context, family dnsmessage.Type) ([]netip.Addr, error)

func (r *Resolver) askServers(servers []string, name string) source {
	return func(ctx context.Context, family dnsmessage.Type) ([]netip.Addr, error) {
		q, err := newQuestion(name, family)
		if err != nil {
			return nil, &net.DNSError{Err: err.Error(), Name: name, IsNotFound: true}
		}
		for range maxAliases {
			addrs, alias, err := r.query(ctx, servers, q)
			if err != nil || alias.Length == 0 {
				return addrs, err
			}
			q.name = alias
		}
		return nil, &net.DNSError{Err: "too many aliases", Name: name}
	}
}

func (r *Resolver) askSystem(name string) source {
	ask := r.System
	if ask == nil {
		ask = net.DefaultResolver.LookupNetIP
	}
	return func(ctx context.Context, family dnsmessage.Type) ([]netip.Addr, error) {
		if family == dnsmessage.TypeA {
			return ask(ctx, "ip4", name)
		}
		return ask(ctx, "ip6", name)
	}
}

type found struct {
	family dnsmessage.Type
	addrs  []netip.Addr
	err    error
}

// both asks for both families of a name at once. Once there are addresses of one,
// the other one is on its own: its lookup goes on when ctx is cancelled, as it is
// when the first address is refused, so that the next lookup knows the result.
func (r *Resolver) both(ctx context.Context, name string, ask source, late func([]netip.Addr)) ([]netip.Addr, error) {
	asking, stop := detached(ctx)
	end := func() {
		if errors.Is(ctx.Err(), context.Canceled) { // the deadline they share
			stop()
		}
	}
	attached := context.AfterFunc(ctx, end)
	end() // it may be over, and AfterFunc does not wait
	results := make(chan found, 2)
	for _, family := range []dnsmessage.Type{dnsmessage.TypeAAAA, dnsmessage.TypeA} {
		go func() {
			addrs, err := ask(asking, family)
			results <- found{family, addrs, err}
		}()
	}
	first := <-results
	if len(first.addrs) == 0 {
		defer stop()
		return (<-results).or(first)
	}
	wait := time.NewTimer(grace)
	defer wait.Stop()
	select {
	case second := <-results:
		defer stop()
		r.memory.forget(name)
		return arrange(append(first.addrs, second.addrs...)), nil
	case <-wait.C:
	}
	attached()
	known := r.memory.recall(name, first.family)
	if !r.memory.keep(stop, func() { r.rest(ctx, name, <-results, late) }) {
		stop() // closed
	}
	return arrange(append(first.addrs, known...)), nil
}

// rest remembers what came late, and hands it on while somebody waits. That a family
// has no address any more is worth as much as its addresses.
func (r *Resolver) rest(ctx context.Context, name string, second found, late func([]netip.Addr)) {
	if len(second.addrs) == 0 {
		if isNotFound(second.err) {
			r.memory.forget(name)
		}
		return
	}
	r.memory.remember(name, second)
	if ctx.Err() == nil && late != nil {
		late(arrange(second.addrs))
	}
}

// or returns the addresses, or that error of the two which says more: that a name
// has no address in one family is no news when the other could not be asked.
func (f found) or(other found) ([]netip.Addr, error) {
	switch {
	case len(f.addrs) > 0:
		return arrange(f.addrs), nil
	case f.err == nil || isNotFound(f.err) && other.err != nil:
		return nil, other.err
	}
	return nil, f.err
}

// arrange puts the families in turn, IPv6 first (RFC 8305 section 4), those to
// which there is no route last (RFC 6724, rule 1).
func arrange(addrs []netip.Addr) []netip.Addr {
	var six, four []netip.Addr
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() {
			four = append(four, a)
		} else {
			six = append(six, a)
		}
	}
	var near, far []netip.Addr
	for _, a := range inTurn(six, four) {
		if routed(a) {
			near = append(near, a)
		} else {
			far = append(far, a)
		}
	}
	return append(near, far...)
}

// inTurn returns the elements of two lists in turn, and the rest of the longer one.
func inTurn(first, second []netip.Addr) (all []netip.Addr) {
	for i := range max(len(first), len(second)) {
		all = append(all, first[min(i, len(first)):min(i+1, len(first))]...)
		all = append(all, second[min(i, len(second)):min(i+1, len(second))]...)
	}
	return all
}

// routed reports whether an interface leads to an address. Connecting a datagram
// socket looks for a route, and sends nothing.
func routed(a netip.Addr) bool {
	conn, err := net.Dial("udp", netip.AddrPortFrom(a, 9).String())
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func (r *Resolver) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if r.Dial != nil {
		return r.Dial(ctx, network, address)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, descriptors.Explain(err)
	}
	return conn, nil
}
