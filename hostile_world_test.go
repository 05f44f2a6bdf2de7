package holdfast_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// The tests of the files hostile_*_test.go are numbered like the rows of
// docs/hostile-input.md. Each runs a whole client against a hostile peer.

// wire is a plain CoAP client that is registered, and the socket of its server
// to send it anything from.
type wire struct {
	*world
	c      *runner
	socket net.PacketConn // the server's: its address and port
	client netip.AddrPort // of the link that is attacked; the zero value for the latest
	mid    uint16
}

// hostile runs a test with a client that is registered without security, whose
// configuration may be changed before.
func hostile(t *testing.T, test func(t *testing.T, w *wire), changes ...func(*holdfast.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{world: newWorld(t, lwm2mtest.ServerOptions{}), mid: 0x4000}
		defer w.world.close()
		w.socket = w.listen(coapPort)
		w.server.ServeManagement(w.socket, lwm2mtest.NoSec())
		cfg := w.noSec()
		for _, change := range changes {
			change(&cfg)
		}
		w.c = w.start(cfg)
		w.c.await(holdfast.Registered)
		w.c.next(holdfast.EventRegistered)
		test(t, w)
	})
}

// listen opens a port of the management server's host. Its service reads from
// it and closes it; a test may write to it besides.
func (w *world) listen(port uint16) net.PacketConn {
	w.t.Helper()
	pc, err := w.host.ListenPacket(port)
	if err != nil {
		w.t.Fatal(err)
	}
	return pc
}

// clientAddr is where the client last sent from.
func (w *world) clientAddr() netip.AddrPort {
	w.t.Helper()
	packets := w.network.Packets()
	for i := len(packets) - 1; i >= 0; i-- {
		if packets[i].From.Addr() == gatewayAddr {
			return packets[i].From
		}
	}
	w.t.Fatal("the client has sent nothing")
	return netip.AddrPort{}
}

// clientTo is where the client last sent from to a server.
func (w *world) clientTo(server netip.Addr) netip.AddrPort {
	w.t.Helper()
	for _, p := range slices.Backward(w.network.Packets()) {
		if p.From.Addr() == gatewayAddr && p.To.Addr() == server {
			return p.From
		}
	}
	w.t.Fatalf("the client has sent nothing to %v", server)
	return netip.AddrPort{}
}

// inject sends a datagram to the client from the given socket.
func (w *world) inject(from net.PacketConn, data []byte) { w.injectTo(w.clientAddr(), from, data) }

func (w *world) injectTo(to netip.AddrPort, from net.PacketConn, data []byte) {
	w.t.Helper()
	if _, err := from.WriteTo(data, net.UDPAddrFromAddrPort(to)); err != nil {
		w.t.Fatal(err)
	}
}

// provoke sends datagrams from the server and returns what the client answers
// before any time passes.
func (w *wire) provoke(datagrams ...[]byte) []coap.Message {
	w.t.Helper()
	synctest.Wait()
	before := w.lastPacket()
	to := w.client
	if !to.IsValid() {
		to = w.clientAddr()
	}
	for _, data := range datagrams {
		w.injectTo(to, w.socket, data)
		synctest.Wait()
	}
	return w.sentAfter(before)
}

// lastPacket is the number of the latest packet on the network.
func (w *world) lastPacket() uint64 {
	packets := w.network.Packets()
	if len(packets) == 0 {
		return 0
	}
	return packets[len(packets)-1].Seq
}

// sentAfter returns the messages that the client has sent after a packet.
func (w *world) sentAfter(seq uint64) []coap.Message {
	w.t.Helper()
	var sent []coap.Message
	for _, p := range w.network.Packets() {
		if p.Seq <= seq || p.From.Addr() != gatewayAddr {
			continue
		}
		m, err := coap.Decode(p.Data)
		if err != nil {
			w.t.Fatalf("the client sent %x: %v", p.Data, err)
		}
		sent = append(sent, m)
	}
	return sent
}

// request makes a confirmable request with a message ID and token of its own.
func (w *wire) request(method messages.CoAPCode, path string) coap.Message {
	w.mid++
	m := coap.Message{Type: coap.CON, Code: method, MID: w.mid, Token: []byte{0xab, byte(w.mid >> 8), byte(w.mid)}}
	if path = strings.TrimPrefix(path, "/"); path != "" {
		m.AddStrings(coap.URIPath, strings.Split(path, "/"))
	}
	return m
}

func encode(t *testing.T, m coap.Message) []byte {
	t.Helper()
	data, err := coap.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// ask sends a request and returns the one answer.
func (w *wire) ask(m coap.Message) coap.Message {
	w.t.Helper()
	sent := w.provoke(encode(w.t, m))
	answers := slices.DeleteFunc(slices.Clone(sent), func(a coap.Message) bool {
		return !a.IsResponse() || a.MID != m.MID || string(a.Token) != string(m.Token)
	})
	if len(answers) != 1 {
		w.t.Fatalf("%d answers to %v: %v; events: %s", len(answers), m, sent, w.c.story())
	}
	return answers[0]
}

// answered demands an answer of one of the codes.
func (w *wire) answered(what string, m coap.Message, want ...messages.CoAPCode) {
	w.t.Helper()
	got := w.ask(m)
	for _, code := range want {
		if got.Code == code {
			return
		}
	}
	w.t.Errorf("%s: answered %v %q, want %v", what, got.Code, got.Payload, want)
}

// healthy demands that the client is registered and answers a Read.
func (w *world) healthy(c *runner) {
	w.t.Helper()
	c.await(holdfast.Registered)
	got, err := w.server.Read(context.Background(), endpoint, "/3/0/0", messages.FormatTLV)
	if err != nil || got.Code != messages.Content {
		w.t.Errorf("read: %v, %v; events: %s", got.Code, err, c.story())
	}
}

// quiet demands that no event has come that was not read.
func (r *runner) quiet() {
	r.t.Helper()
	synctest.Wait()
	if n := len(r.events); n > 0 {
		r.t.Errorf("%d events: %s", n, r.story())
	}
}

// finish demands that the client still works, and ends it.
func (w *wire) finish() {
	w.t.Helper()
	w.healthy(w.c)
	w.c.close(nil)
}

// durable is what must survive anything that is not authenticated.
type durable struct {
	Records  map[string]string // the store's files
	Location string            // empty when not registered
}

func (w *world) durable(cfg holdfast.Config) durable {
	w.t.Helper()
	d := durable{Records: map[string]string{}}
	files, err := filepath.Glob(filepath.Join(cfg.StateDir, "*.*"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		d.Records[filepath.Base(file)] = string(data)
	}
	if r, ok := w.server.Registration(endpoint); ok {
		d.Location = "/" + strings.Join(r.Location, "/")
	}
	return d
}

// unchanged demands that nothing durable has changed.
func (w *world) unchanged(cfg holdfast.Config, before durable) {
	w.t.Helper()
	if diff := cmp.Diff(before, w.durable(cfg)); diff != "" {
		w.t.Errorf("durable state has changed: %s", diff)
	}
}

// script serves a port of the server's host by hand: answer gets every message
// of the client and returns the datagrams that go back. It ends with the
// network.
func (w *world) script(port uint16, answer func(coap.Message) []coap.Message) net.PacketConn {
	w.t.Helper()
	pc := w.listen(port)
	w.scriptRaw(pc, func(data []byte) [][]byte {
		m, err := coap.Decode(data)
		if err != nil {
			w.t.Errorf("the client sent %x: %v", data, err)
			return nil
		}
		var out [][]byte
		for _, a := range answer(m) {
			out = append(out, encode(w.t, a))
		}
		return out
	})
	return pc
}

// scriptRaw is script for what is no CoAP.
func (w *world) scriptRaw(pc net.PacketConn, answer func([]byte) [][]byte) {
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

// reply makes the piggybacked response to a request.
func reply(m coap.Message, code messages.CoAPCode) coap.Message {
	return coap.Message{Type: coap.ACK, Code: code, MID: m.MID, Token: m.Token}
}
