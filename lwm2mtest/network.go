package lwm2mtest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// NetworkOptions configures a [Network]. The zero value is usable: no
// latency, no loss.
type NetworkOptions struct {
	// Seed seeds the generator that decides about loss, duplication and
	// jitter. The same seed and the same order of packets give the same
	// faults.
	Seed int64
	// ReceiveQueue is the number of datagrams that a socket holds for its
	// reader; further ones are dropped, as UDP does. 0 means 256.
	ReceiveQueue int
	// PacketLog is the number of packets that [Network.Packets] remembers,
	// the latest ones. 0 means 4096.
	PacketLog int
}

// Network is an in-memory IP network that carries UDP datagrams between
// [Host]s. It has no latency and loses nothing until told to: see
// [Network.Impair]. Its methods may be called at any time from any goroutine.
type Network struct {
	opts NetworkOptions

	mu          sync.Mutex
	closed      bool
	rng         *rand.Rand
	hosts       map[netip.Addr]*Host
	bindings    map[netip.AddrPort]*socket  // outside address to socket
	stale       map[netip.AddrPort]struct{} // NAT mappings that are gone
	impairments []*Impairment
	names       map[string]record
	lookups     []Lookup
	schedule    schedule
	log         packetLog
	tally       tally
	onPacket    func(Packet) Verdict
	trace       func(Event)
	dnsStop     chan struct{} // closed by Close, for silent lookups
}

// NewNetwork returns an empty network. Close it when done.
func NewNetwork(opts NetworkOptions) *Network {
	if opts.ReceiveQueue <= 0 {
		opts.ReceiveQueue = 256
	}
	if opts.PacketLog <= 0 {
		opts.PacketLog = 4096
	}
	n := &Network{
		opts:     opts,
		rng:      rand.New(rand.NewPCG(uint64(opts.Seed), 0x5eed)),
		hosts:    make(map[netip.Addr]*Host),
		bindings: make(map[netip.AddrPort]*socket),
		stale:    make(map[netip.AddrPort]struct{}),
		names:    make(map[string]record),
		dnsStop:  make(chan struct{}),
	}
	n.schedule.run = n.runDue
	n.log.limit = opts.PacketLog
	return n
}

// Host adds a host with the given addresses, at least one. The name is
// registered with the network's name service when it is not empty. Host panics
// when an address is invalid or taken: that is a mistake in the test, not a
// condition of the network.
func (n *Network) Host(name string, addrs ...netip.Addr) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(addrs) == 0 {
		panic(fmt.Sprintf("lwm2mtest: host %q has no address", name))
	}
	h := &Host{network: n, name: name, addrs: slices.Clone(addrs), nextPort: firstEphemeralPort}
	for _, addr := range addrs {
		if !addr.IsValid() || n.hosts[addr] != nil {
			panic(fmt.Sprintf("lwm2mtest: address %v of host %q is invalid or taken", addr, name))
		}
		n.hosts[addr] = h
	}
	if name != "" {
		n.names[name] = record{addrs: h.addrs}
	}
	return h
}

// OnPacket sets a hook that sees every packet as it is sent and decides its
// fate, after the impairments' local errors and before their random faults.
// It runs on the sender's goroutine without any lock held, and must not write
// to the packet's data. Nil removes it.
func (n *Network) OnPacket(hook func(Packet) Verdict) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onPacket = hook
}

// Trace sets a function that is told of every [Event], on the goroutine that
// caused it and without any lock held. Nil removes it.
func (n *Network) Trace(fn func(Event)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.trace = fn
}

// Packets returns the latest packets that sockets have sent, oldest first,
// with the instants at which they were sent, whatever became of them. The
// copies that duplication makes are not among them. The slice is shared, and must
// not be written to.
func (n *Network) Packets() []Packet {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.packets()
}

// Counters returns what has happened to packets so far.
func (n *Network) Counters() Counters {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.tally.counters()
}

// Close closes all sockets and forgets all packets that are under way. It
// always returns nil.
func (n *Network) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	close(n.dnsStop)
	n.schedule.stop()
	sockets := make([]*socket, 0, len(n.bindings))
	for _, s := range n.bindings {
		sockets = append(sockets, s)
	}
	clear(n.bindings)
	n.mu.Unlock()
	for _, s := range sockets {
		s.inbox.close()
	}
	return nil
}

// runDue delivers what has arrived by now. The scheduler calls it.
func (n *Network) runDue() {
	n.mu.Lock()
	actions := n.advance(time.Now())
	n.mu.Unlock()
	perform(actions)
}

// advance runs the arrivals that are due and returns what is left to do
// without the lock. The lock is held.
func (n *Network) advance(now time.Time) []func() {
	var actions []func()
	for {
		arrive, ok := n.schedule.pop(now)
		if !ok {
			n.schedule.arm(now)
			return actions
		}
		actions = append(actions, arrive()...)
	}
}

func perform(actions []func()) {
	for _, action := range actions {
		action()
	}
}
