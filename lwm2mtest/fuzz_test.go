package lwm2mtest

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// nowhere is a packet connection that sends nothing and receives nothing.
type nowhere struct{ done chan struct{} }

func (c nowhere) ReadFrom([]byte) (int, net.Addr, error) {
	<-c.done
	return 0, nil, net.ErrClosed
}
func (c nowhere) WriteTo(data []byte, _ net.Addr) (int, error) { return len(data), nil }
func (c nowhere) LocalAddr() net.Addr                          { return &net.UDPAddr{} }
func (c nowhere) SetDeadline(time.Time) error                  { return nil }
func (c nowhere) SetReadDeadline(time.Time) error              { return nil }
func (c nowhere) SetWriteDeadline(time.Time) error             { return nil }
func (c nowhere) Close() error {
	close(c.done)
	return nil
}

// FuzzServerDatagram throws datagrams at the server's message layer.
func FuzzServerDatagram(f *testing.F) {
	c := &client{}
	for _, m := range []coap.Message{
		c.registerMessage("gw", "lt=60"),
		c.message(lwm2m.CodePOST, []string{"rd", "1"}, nil, ""),
		c.message(lwm2m.CodeDELETE, []string{"rd", "1"}, nil, ""),
		c.message(lwm2m.CodePOST, []string{"bs"}, []string{"ep=gw", "pct=112"}, ""),
		coap.Reset(1), coap.EmptyACK(2), c.notification(coap.Message{Token: make([]byte, 8)}, coap.CON, 3, 2, "x"),
	} {
		data, err := coap.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, data)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		s := NewServer(ServerOptions{MaxBody: 4096})
		s.SetBootstrap("", BootstrapConfig{})
		services := []*Service{
			s.ServeManagement(nowhere{make(chan struct{})}, NoSec()),
			s.ServeBootstrap(nowhere{make(chan struct{})}, NoSec()),
		}
		for _, data := range [][]byte{first, second, first} {
			for _, v := range services {
				s.locked(func(b *batch) { v.dispatch(b, clientAddrPort, bytes.Clone(data)) })
			}
		}
		o := observedFor(t, s, services[0])
		for _, data := range [][]byte{first, second} {
			s.locked(func(b *batch) { services[0].dispatch(b, clientAddrPort, asNotification(o, data)) })
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// observedFor is an observation of a client that has registered, and accepted it.
func observedFor(t *testing.T, s *Server, v *Service) *ObserveRelation {
	c := &client{mid: 60000}
	s.locked(func(b *batch) { v.dispatch(b, clientAddrPort, must(coap.Encode(c.registerMessage("observed")))(t)) })
	o := &ObserveRelation{Endpoint: "observed", server: s, queue: make(chan Notification, notificationQueue)}
	must(s.admitObservation(o))(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	o.begun = true
	return o
}

// asNotification makes a message with the token of an observation of a datagram.
func asNotification(o *ObserveRelation, data []byte) []byte {
	m := append([]byte{0x48, byte(lwm2m.CodeContent), 0xee, byte(len(data))}, o.token...)
	if len(data) > 4 {
		m[0] |= data[0] & 0x30 // CON, NON, ACK or RST
		m = append(m, data[4+min(int(data[0]&0xf), len(data)-4):]...)
	}
	return m
}

// FuzzRecords throws datagrams at the demultiplexer of DTLS.
func FuzzRecords(f *testing.F) {
	hello := append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 46, 1, 0, 0, 34, 0, 0, 0, 0, 0, 0, 0, 34, 0xfe, 0xfd}, make([]byte, 32)...)
	f.Add(hello)
	f.Add([]byte{recordCID, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(plainAlert(40, [6]byte{}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, ok := parseClientHello(data); ok && data[0] != recordHandshake {
			t.Error("a ClientHello that is no handshake record")
		}
		x := &session{cid: "12345678"}
		if bytes.HasPrefix(data, []byte{recordCID}) && (!hostile(data, nil) || !hostile(data, x) && string(data[cidAt:cidAt+cidSize]) != x.cid) {
			t.Error("a tls12_cid record of another session passes")
		}
	})
}
