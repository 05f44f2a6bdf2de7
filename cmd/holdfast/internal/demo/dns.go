package demo

import (
	"net/netip"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// loopback is where everything listens.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// nameServer is a name server on loopback: its names have the address 127.0.0.1,
// until they are hidden; there are no others.
type nameServer struct {
	*lwm2mtest.NameServer
	address string
	names   []string
}

func newNameServer(names ...string) (*nameServer, error) {
	pc, err := listen(netip.AddrPortFrom(loopback, 0))
	if err != nil {
		return nil, err
	}
	s := &nameServer{NameServer: lwm2mtest.NewNameServer(), address: pc.LocalAddr().String(), names: names}
	s.ServePacket(pc)
	s.restore()
	return s, nil
}

// restore makes all names known again.
func (s *nameServer) restore() {
	for _, name := range s.names {
		s.Set(name, loopback)
	}
}
