package demo

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// unpluggedName is the endpoint of the gateway with a modem.
const unpluggedName = "demo-modem"

// modem is the driver of a modem, in the place of the operating system's sockets.
// It has a defect that nobody notices as long as the modem is plugged in: it takes
// for granted that there is a port.
type modem struct {
	resolver net.Resolver

	mu    sync.Mutex
	ports []net.Dialer // none while the modem is unplugged
}

// newModem returns the driver of a modem that is not plugged in. Names are
// resolved by the name server at an address.
func newModem(nameServer string) *modem {
	return &modem{resolver: net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, nameServer)
	}}}
}

func (m *modem) plugIn() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ports = make([]net.Dialer, 1)
}

// Lookup implements lwm2mtest.Transport.
func (m *modem) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return m.resolver.LookupNetIP(ctx, "ip4", host)
}

// Dial implements lwm2mtest.Transport, and panics where there is no modem.
func (m *modem) Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	port := m.ports[0]
	return port.DialContext(ctx, "udp", remote.String())
}

// castUnplugged makes a device whose datagrams go through a modem.
func castUnplugged(_ context.Context, l *lab) (*device, error) {
	l.modem = newModem(l.names.address)
	client, err := holdfast.New(l.settings(unpluggedName, l.dir(unpluggedName), l.factory), lwm2mtest.WithTransport(l.modem))
	if err != nil {
		return nil, err
	}
	return l.follow(unpluggedName, l.dir(unpluggedName), client), nil
}
