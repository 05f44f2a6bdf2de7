package property_test

import (
	"net/netip"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const (
	serverName    = "server.test"
	secondName    = "second.test"
	bootstrapName = "boot.test"
)

// secondAddr is where the second management server is.
var secondAddr = netip.MustParseAddr("192.0.2.3")

// secondKey is the pre-shared key of the client and the second server.
var secondKey = []byte("fedcba9876543210")

// decoys are addresses that nobody has, for each management server.
var decoys = [][]netip.Addr{
	{netip.MustParseAddr("192.0.2.98"), netip.MustParseAddr("192.0.2.99")},
	{netip.MustParseAddr("192.0.2.88"), netip.MustParseAddr("192.0.2.89")},
}

// manager is a management server of a lab. It has an address, a name, a key and a
// memory of its own.
type manager struct {
	whom    whom
	server  *lwm2mtest.Server
	host    *lwm2mtest.Host
	service *lwm2mtest.Service // nil while it is down
	name    string
	addr    netip.Addr
	secured bool
	key     []byte // the present one
}

// populate makes the management servers of the schedule's set-up.
func (l *lab) populate() {
	l.managers = []*manager{{
		whom: first, server: l.Server, host: l.Host, name: serverName, addr: systemtest.ServerAddr,
		secured: l.plan.Setup != plainServer, key: systemtest.Key,
	}}
	if l.plan.Setup != twoServers {
		return
	}
	l.managers = append(l.managers, &manager{
		whom: second, server: lwm2mtest.NewServer(lwm2mtest.ServerOptions{Seed: l.plan.Seed + 1}),
		host: l.Network.Host("second", secondAddr), name: secondName, addr: secondAddr,
		secured: l.plan.Secured, key: secondKey,
	})
}

// depopulate ends what World.Close does not know of.
func (l *lab) depopulate() {
	for _, g := range l.managers[1:] {
		if err := g.server.Close(); err != nil {
			l.T.Error(err)
		}
	}
}

// struck returns the management servers that a fault strikes: one, the other, or
// both.
func (l *lab) struck(f fault) []*manager {
	if i := f.Where % 3; i < 2 && len(l.managers) == 2 {
		return l.managers[i : i+1]
	}
	return l.managers
}

// uri is that of a management server's account.
func (l *lab) uri(g *manager) string {
	scheme, host := "coap://", g.addr.String()
	if g.secured {
		scheme = "coaps://"
	}
	if l.plan.Named {
		host = g.name
	}
	return scheme + host
}

func (l *lab) setDNS() {
	for _, g := range l.managers {
		addrs := slices.Clone(decoys[g.whom][:l.plan.Decoys])
		if l.plan.Last {
			addrs = append(addrs, g.addr)
		} else {
			addrs = slices.Insert(addrs, 0, g.addr)
		}
		l.Network.SetDNS(g.name, addrs...)
	}
	l.Network.SetDNS(bootstrapName, systemtest.BootstrapAddr)
}

// raiseManagement opens the ports of the management servers that are down.
func (l *lab) raiseManagement() {
	for _, g := range l.managers {
		if g.service != nil {
			continue
		}
		port, security := uint16(systemtest.DTLSPort), lwm2mtest.PSK(systemtest.Endpoint, g.key)
		switch {
		case !g.secured:
			port, security = systemtest.CoAPPort, lwm2mtest.NoSec()
		case l.plan.Setup == certifiedServer:
			security = l.papers().security()
		}
		pc, err := g.host.ListenPacket(port)
		if err != nil {
			l.T.Fatal(err)
		}
		if g.secured {
			security = l.sessions(security)
		}
		g.service = g.server.ServeManagement(pc, security)
	}
}

func (l *lab) abortManagement(f fault) {
	for _, g := range l.struck(f) {
		if g.service != nil {
			g.service.Abort()
			g.service = nil
			g.loseTrack() // of addresses, which belong to a socket
		}
	}
}

// writes is what the bootstrap server writes for a management server's account,
// with that key; none makes an account that cannot be used.
func (l *lab) writes(g *manager, key []byte) []lwm2mtest.BootstrapWrite {
	id := uint16(g.whom) + 1
	account := lwm2mtest.AccountConfig{
		SecurityInstance: id, ServerInstance: id - 1, ShortServerID: id, URI: l.uri(g), Lifetime: l.plan.lifetime(g.whom),
	}
	if g.secured {
		account.PSKIdentity, account.PSKKey = systemtest.Endpoint, key
	}
	writes := account.Writes()
	at := lwm2m.PathOf(objects.Server, account.ServerInstance)
	if priority, has := l.plan.priority(g.whom); has {
		writes[1].Nodes = append(writes[1].Nodes,
			lwm2m.Node{Path: at.Child(objects.ServerRegistrationPriorityOrder), Value: lwm2m.Unsigned(priority)},
			lwm2m.Node{Path: at.Child(objects.ServerRegistrationFailureBlock), Value: lwm2m.Boolean(l.plan.Block)})
	}
	return writes
}

// allWrites is what a good bootstrap writes.
func (l *lab) allWrites() (all []lwm2mtest.BootstrapWrite) {
	for _, g := range l.managers {
		all = append(all, l.writes(g, g.key)...)
	}
	if l.managing != nil && len(l.managers) > 1 {
		all = append(all, rights()...)
	}
	return all
}

// keyless is the same with an account that has no key: one that the fault strikes,
// where it is secured.
func (l *lab) keyless(f fault) (all []lwm2mtest.BootstrapWrite) {
	broken := l.managers[0]
	if g := l.struck(f)[0]; g.secured {
		broken = g
	}
	for _, g := range l.managers {
		key := g.key
		if g == broken {
			key = nil
		}
		all = append(all, l.writes(g, key)...)
	}
	return all
}

// handshaker is a server, or one port of it.
type handshaker interface {
	RefuseHandshakes(alert uint8)
	IgnoreHandshakes()
}

// refusers returns whose handshakes a fault concerns. The first management server
// and the bootstrap server share one where they are struck together.
func (l *lab) refusers(f fault) (all []handshaker) {
	for _, g := range l.struck(f) {
		switch {
		case len(l.managers) == 1 || g.whom != first || f.Where < 3:
			all = append(all, g.server)
		case g.service != nil:
			all = append(all, g.service)
		}
	}
	return all
}

// refuse makes the servers that a fault strikes refuse handshakes with an alert.
func (l *lab) refuse(f fault, alert uint8) {
	for _, h := range l.refusers(f) {
		h.RefuseHandshakes(alert)
	}
}

func (l *lab) ignore(f fault) {
	for _, h := range l.refusers(f) {
		h.IgnoreHandshakes()
	}
}

func (l *lab) accept() {
	for _, g := range l.managers {
		g.server.AcceptHandshakes()
	}
}

// accepted is how many Registers and Updates a server has accepted.
func (g *manager) accepted() int {
	return g.server.Registers(systemtest.Endpoint) + g.server.Updates(systemtest.Endpoint)
}
