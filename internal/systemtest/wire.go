package systemtest

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// Wire is a plain CoAP client that is registered, and the socket of its server
// to send it anything from.
type Wire struct {
	*World
	Client *Client
	Socket net.PacketConn // the server's: its address and port
	Target netip.AddrPort // of the link that is attacked; the zero value for the latest
	MID    uint16
}

// OnWire runs a test with a client that is registered without security, whose
// configuration may be changed before.
func OnWire(t *testing.T, test func(t *testing.T, w *Wire), changes ...func(*holdfast.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &Wire{World: NewWorld(t, lwm2mtest.ServerOptions{}), MID: 0x4000}
		defer w.World.Close()
		w.Socket = w.Listen(CoAPPort)
		w.Server.ServeManagement(w.Socket, lwm2mtest.NoSec())
		cfg := w.NoSec()
		for _, change := range changes {
			change(&cfg)
		}
		w.Client = w.Start(cfg)
		w.Client.WaitFor(holdfast.Registered)
		w.Client.Next(holdfast.EventRegistered)
		test(t, w)
	})
}

// Listen opens a port of the management server's host. Its service reads from
// it and closes it; a test may write to it besides.
func (w *World) Listen(port uint16) net.PacketConn {
	w.T.Helper()
	pc, err := w.Host.ListenPacket(port)
	if err != nil {
		w.T.Fatal(err)
	}
	return pc
}

// ClientAddr is where the client last sent from.
func (w *World) ClientAddr() netip.AddrPort {
	w.T.Helper()
	packets := w.Network.Packets()
	for i := len(packets) - 1; i >= 0; i-- {
		if packets[i].From.Addr() == GatewayAddr {
			return packets[i].From
		}
	}
	w.T.Fatal("the client has sent nothing")
	return netip.AddrPort{}
}

// ClientTo is where the client last asked a server from, without security: an answer of the
// link before may leave after the first request of the present one.
func (w *World) ClientTo(server netip.Addr) netip.AddrPort {
	w.T.Helper()
	for _, p := range slices.Backward(w.Network.Packets()) {
		if p.From.Addr() == GatewayAddr && p.To.Addr() == server && coap.Header(p.Data).IsRequest() {
			return p.From
		}
	}
	w.T.Fatalf("the client has asked nothing of %v", server)
	return netip.AddrPort{}
}

// Inject sends a datagram to the client from the given socket.
func (w *World) Inject(from net.PacketConn, data []byte) { w.InjectTo(w.ClientAddr(), from, data) }

// InjectTo sends a datagram to one of the client's ports.
func (w *World) InjectTo(to netip.AddrPort, from net.PacketConn, data []byte) {
	w.T.Helper()
	if _, err := from.WriteTo(data, net.UDPAddrFromAddrPort(to)); err != nil {
		w.T.Fatal(err)
	}
}

// Provoke sends datagrams from the server and returns what the client answers
// before any time passes.
func (w *Wire) Provoke(datagrams ...[]byte) []coap.Message {
	w.T.Helper()
	synctest.Wait()
	before := w.LastPacket()
	to := w.Target
	if !to.IsValid() {
		to = w.ClientAddr()
	}
	for _, data := range datagrams {
		w.InjectTo(to, w.Socket, data)
		synctest.Wait()
	}
	return w.SentAfter(before)
}

// LastPacket is the number of the latest packet on the network.
func (w *World) LastPacket() uint64 {
	packets := w.Network.Packets()
	if len(packets) == 0 {
		return 0
	}
	return packets[len(packets)-1].Seq
}

// SentAfter returns the messages that the client has sent after a packet.
func (w *World) SentAfter(seq uint64) []coap.Message {
	w.T.Helper()
	var sent []coap.Message
	for _, p := range w.Network.Packets() {
		if p.Seq <= seq || p.From.Addr() != GatewayAddr {
			continue
		}
		m, err := coap.Decode(p.Data)
		if err != nil {
			w.T.Fatalf("the client sent %x: %v", p.Data, err)
		}
		sent = append(sent, m)
	}
	return sent
}

// Request makes a confirmable request with a message ID and token of its own.
func (w *Wire) Request(method messages.CoAPCode, path string) coap.Message {
	w.MID++
	m := coap.Message{Type: coap.CON, Code: method, MID: w.MID, Token: []byte{0xab, byte(w.MID >> 8), byte(w.MID)}}
	if path = strings.TrimPrefix(path, "/"); path != "" {
		m.AddStrings(coap.URIPath, strings.Split(path, "/"))
	}
	return m
}

// Encode is coap.Encode for messages that can be encoded.
func Encode(t *testing.T, m coap.Message) []byte {
	t.Helper()
	data, err := coap.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Ask sends a request and returns the one answer.
func (w *Wire) Ask(m coap.Message) coap.Message {
	w.T.Helper()
	sent := w.Provoke(Encode(w.T, m))
	answers := slices.DeleteFunc(slices.Clone(sent), func(a coap.Message) bool {
		return !a.IsResponse() || a.MID != m.MID || string(a.Token) != string(m.Token)
	})
	if len(answers) != 1 {
		w.T.Fatalf("%d answers to %v: %v; events: %s", len(answers), m, sent, w.Client.Story())
	}
	return answers[0]
}

// ExpectAnswer demands an answer of one of the codes.
func (w *Wire) ExpectAnswer(what string, m coap.Message, want ...messages.CoAPCode) {
	w.T.Helper()
	got := w.Ask(m)
	for _, code := range want {
		if got.Code == code {
			return
		}
	}
	w.T.Errorf("%s: answered %v %q, want %v", what, got.Code, got.Payload, want)
}

// ExpectHealthy demands that the client is registered and answers a Read.
func (w *World) ExpectHealthy(c *Client) {
	w.T.Helper()
	c.WaitFor(holdfast.Registered)
	got, err := w.Server.Read(context.Background(), Endpoint, "/3/0/0", messages.FormatTLV)
	if err != nil || got.Code != messages.Content {
		w.T.Errorf("read: %v, %v; events: %s", got.Code, err, c.Story())
	}
}

// Finish demands that the client still works, and ends it.
func (w *Wire) Finish() {
	w.T.Helper()
	w.ExpectHealthy(w.Client)
	w.Client.ExpectClose(nil)
}

// Script serves a port of the server's host by hand: answer gets every message
// of the client and returns the datagrams that go back. It ends with the
// network.
func (w *World) Script(port uint16, answer func(coap.Message) []coap.Message) net.PacketConn {
	w.T.Helper()
	pc := w.Listen(port)
	w.ScriptRaw(pc, func(data []byte) [][]byte {
		m, err := coap.Decode(data)
		if err != nil {
			w.T.Errorf("the client sent %x: %v", data, err)
			return nil
		}
		var out [][]byte
		for _, a := range answer(m) {
			out = append(out, Encode(w.T, a))
		}
		return out
	})
	return pc
}

// ScriptRaw is Script for what is no CoAP.
func (w *World) ScriptRaw(pc net.PacketConn, answer func([]byte) [][]byte) {
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, data := range answer(append([]byte(nil), buf[:n]...)) {
				if _, err := pc.WriteTo(data, from); err != nil {
					return
				}
			}
		}
	}()
}

// Reply makes the piggybacked response to a request.
func Reply(m coap.Message, code messages.CoAPCode) coap.Message {
	return coap.Message{Type: coap.ACK, Code: code, MID: m.MID, Token: m.Token}
}
