package dns

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// maxHosts bounds how many hosts are remembered; a client has a few.
const maxHosts = 64

// memory is what came late in earlier lookups, and the lookups that are still
// waiting for it. A family that is late once is late in each lookup: without a
// memory its addresses would never be tried where the other family's refuse.
type memory struct {
	mu      sync.Mutex
	hosts   map[string]found // in lower case; what one family had when it was late
	waiting map[*context.CancelFunc]bool
	lookups sync.WaitGroup
	closed  bool
}

// recall returns the addresses of the family other than the one that is there.
func (m *memory) recall(host string, there dnsmessage.Type) []netip.Addr {
	m.mu.Lock()
	defer m.mu.Unlock()
	if late := m.hosts[strings.ToLower(host)]; late.family != there {
		return slices.Clone(late.addrs)
	}
	return nil
}

func (m *memory) remember(host string, late found) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hosts == nil || len(m.hosts) == maxHosts {
		m.hosts = map[string]found{}
	}
	m.hosts[strings.ToLower(host)] = late
}

// forget drops what both families in time have replaced.
func (m *memory) forget(host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.hosts, strings.ToLower(host))
}

// keep waits for the rest of a lookup, until stop is called, by Close at the
// latest. It reports false, and does nothing, once the resolver is closed.
func (m *memory) keep(stop context.CancelFunc, wait func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	if m.waiting == nil {
		m.waiting = map[*context.CancelFunc]bool{}
	}
	m.waiting[&stop] = true
	m.lookups.Go(func() {
		wait()
		stop()
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.waiting, &stop)
	})
	return true
}

// Close ends the lookups that wait for what is late, and forgets it.
func (r *Resolver) Close() {
	m := &r.memory
	m.mu.Lock()
	m.closed = true
	for stop := range m.waiting {
		(*stop)()
	}
	m.hosts = nil
	m.mu.Unlock()
	m.lookups.Wait()
}

// detached returns a context with the deadline of ctx that outlives its end.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	free := context.WithoutCancel(ctx)
	if deadline, has := ctx.Deadline(); has {
		return context.WithDeadline(free, deadline)
	}
	return context.WithCancel(free)
}
