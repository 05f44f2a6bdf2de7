package lwm2mtest

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/coap"
)

// BenchmarkServerRegister is one Register through the server, from as many
// clients as there are iterations.
func BenchmarkServerRegister(b *testing.B) {
	s := NewServer(ServerOptions{})
	defer func() { _ = s.Close() }()
	v := s.ServeManagement(nowhere{make(chan struct{})}, NoSec())
	c := &client{}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		data, err := coap.Encode(c.registerMessage(fmt.Sprintf("gw-%d", i)))
		if err != nil {
			b.Fatal(err)
		}
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		s.locked(func(batch *batch) { v.dispatch(batch, netip.AddrPortFrom(addr, 5000), data) })
	}
}

// BenchmarkNetworkDatagram is one datagram from socket to socket.
func BenchmarkNetworkDatagram(b *testing.B) {
	n := NewNetwork(NetworkOptions{})
	defer func() { _ = n.Close() }()
	pc := must(n.Host("server", serverAddr).ListenPacket(1))(b)
	conn := must(n.Host("client", clientAddr).Dial(b.Context(), netip.AddrPortFrom(serverAddr, 1)))(b)
	data, buf := make([]byte, 100), make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(data); err != nil {
			b.Fatal(err)
		}
		if _, _, err := pc.ReadFrom(buf); err != nil {
			b.Fatal(err)
		}
	}
}
