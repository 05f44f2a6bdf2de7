package lwm2mtest

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/alarm"
)

// DNSFailure is a way in which a lookup fails.
type DNSFailure uint8

// The failures of the name service.
const (
	NameNotFound    DNSFailure = iota + 1 // NXDOMAIN: net.DNSError with IsNotFound
	ServerFailure                         // SERVFAIL: net.DNSError with IsTemporary
	NoAnswerFromDNS                       // silence: the lookup ends with its context, net.DNSError with IsTimeout
)

// record is what the name service knows about a name.
type record struct {
	addrs   []netip.Addr
	late    []netip.Addr
	after   time.Duration
	came    bool // late has
	failure DNSFailure
}

// Lookup is one query to the name service.
type Lookup struct {
	Time time.Time
	Host string // the asking host's name
	Name string
}

// SetDNS makes the name resolve to the addresses, in this order. Without
// addresses the name exists but has none, which resolvers report as not found.
func (n *Network) SetDNS(name string, addrs ...netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[name] = record{addrs: slices.Clone(addrs)}
}

// SetLateDNS adds addresses to those of SetDNS that come only some time after these,
// as those of one family do where a server is slow to answer for it. It counts for
// a [LateHost]; Lookup does not see them. Once they have come, they are among what
// its next lookup returns.
func (n *Network) SetLateDNS(name string, after time.Duration, addrs ...netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.names[name]
	r.late, r.after, r.came = slices.Clone(addrs), after, false
	n.names[name] = r
}

// FailDNS makes lookups of the name fail until SetDNS says otherwise.
func (n *Network) FailDNS(name string, failure DNSFailure) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[name] = record{failure: failure}
}

// Lookups returns all queries so far, oldest first.
func (n *Network) Lookups() []Lookup {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lookups)
}

// Lookup resolves a name with the network's name service. An IP address
// resolves to itself, without a query. Errors are *net.DNSError.
func (h *Host) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{addr}, nil
	}
	n := h.network
	n.mu.Lock()
	n.lookups = append(n.lookups, Lookup{Time: time.Now(), Host: h.name, Name: name})
	r, closed := n.names[name], n.closed
	n.mu.Unlock()
	switch {
	case closed || r.failure == NoAnswerFromDNS:
		return nil, n.awaitSilence(ctx, name)
	case r.failure == ServerFailure:
		return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
	case len(r.addrs) == 0:
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return slices.Clone(r.addrs), nil
}

// LateHost is a [Host] whose lookups do not wait for what SetLateDNS says.
type LateHost struct{ *Host }

// LookupLate is Lookup, and hands over what SetLateDNS says when it comes, unless
// ctx has ended by then.
func (h LateHost) LookupLate(ctx context.Context, name string, late func([]netip.Addr)) ([]netip.Addr, error) {
	addrs, err := h.Lookup(ctx, name)
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.names[name]
	switch {
	case err != nil || len(r.late) == 0:
	case r.came:
		addrs = append(addrs, r.late...)
	default:
		waiting := alarm.After(r.after, func() {
			n.mu.Lock()
			came := n.names[name]
			came.came = true
			n.names[name] = came
			n.mu.Unlock()
			late(slices.Clone(r.late))
		})
		context.AfterFunc(ctx, func() { waiting.Stop() })
	}
	return addrs, err
}

// awaitSilence waits until the asker loses patience or the network closes.
func (n *Network) awaitSilence(ctx context.Context, name string) error {
	cause := error(net.ErrClosed)
	select {
	case <-ctx.Done():
		cause = ctx.Err()
	case <-n.dnsStop:
	}
	return &net.DNSError{UnwrapErr: cause, Err: cause.Error(), Name: name, IsTimeout: true, IsTemporary: true}
}
