package coapresend_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/actors/coapresend"
	"github.com/holdfast-iot/holdfast/actors/network"
	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

const linkEpoch messages.Epoch = 3

// thermometer is a small handler: it accepts every observation and notifies a new
// value every minute, until it hears that the observer is gone.
type thermometer struct {
	link  func() *actor.PID
	mu    sync.Mutex
	began time.Time
	lines []string // what it hears of its notifications
	token []byte
	value uint32
	over  bool
}

// tick asks the thermometer for its next value.
type tick struct{}

func (h *thermometer) Receive(ctx actor.Context) {
	switch in := ctx.Message().(type) {
	case messages.Inbound:
		h.token = in.Token
		ctx.Send(h.link(), messages.Reply{
			Epoch: in.Epoch, ID: in.ID, Code: messages.Content, Observe: new(h.value), Payload: []byte("0"),
		})
	case tick:
		if h.over {
			return
		}
		h.value++
		ctx.Send(h.link(), messages.Notify{
			Epoch: linkEpoch, ID: uint64(h.value), Observation: 1, Token: h.token, Sequence: h.value,
			Confirmable: true, Code: messages.Content, Payload: fmt.Append(nil, h.value),
		})
	case messages.Notified:
		h.over = in.Outcome == messages.NotifyReset || in.Outcome == messages.NotifySilent
		h.note(fmt.Sprintf("%d %s", in.ID, in.Outcome))
	case messages.ResponseBlock:
		h.note(fmt.Sprintf("part at %d", in.Offset))
	case messages.Silence:
		h.note("silence")
	case messages.LinkLost:
		h.note("link lost")
	}
}

func (h *thermometer) note(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf("%v %s", time.Since(h.began), line))
}

// TestObserveOverALink is an observation over a whole link, network and
// coapresend, of a server that acknowledges, rejects, and says nothing.
func TestObserveOverALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t)
		l.server(coap.Message{Type: coap.CON, Code: messages.GET, MID: 1, Token: []byte("o"), Options: []coap.Option{{Number: coap.Observe}}})
		l.heard("ACK 2.05 observe=0 0")
		for _, answer := range []func(mid uint16) coap.Message{coap.EmptyACK, coap.EmptyACK, coap.Reset} {
			time.Sleep(time.Minute)
			l.tick()
			l.answer(answer)
		}
		l.tick()
		l.expect("1m0s 1 acknowledged", "2m0s 2 acknowledged", "3m0s 3 reset")
		l.heard("CON 2.05 observe=1 1", "CON 2.05 observe=2 2", "CON 2.05 observe=3 3")

		l.server(coap.Message{Type: coap.CON, Code: messages.GET, MID: 2, Token: []byte("p"), Options: []coap.Option{{Number: coap.Observe}}})
		l.handler.over = false
		l.heard("ACK 2.05 observe=3 0")
		l.tick()
		time.Sleep(20 * time.Second)
		l.tick() // newer, in place of the resend after 30 s
		time.Sleep(time.Hour)
		synctest.Wait()
		l.heard("CON 2.05 observe=4 4", "CON 2.05 observe=4 4", "CON 2.05 observe=4 4", "CON 2.05 observe=4 4", "CON 2.05 observe=5 5")
		l.expect("3m30s 4 superseded", "4m2s 5 silent", "4m2s silence")
		l.end()
	})
}

// TestStreamEndsWithTheLink: the owner of a streamed body that has a part in its
// hands hears of the lost link, and of nothing more.
func TestStreamEndsWithTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t)
		l.system.Root.Send(l.actors[0], messages.Request{
			Epoch: linkEpoch, ID: 2, Code: messages.GET, Path: []string{"image"}, Stream: true,
		})
		request := l.latest()
		block := coap.Message{Type: coap.ACK, Code: messages.Content, MID: request.MID, Token: request.Token, Payload: make([]byte, 1024)}
		block.AddBlock(coap.Block2, coap.Block{More: true, SZX: coap.MaxSZX})
		l.server(block)
		time.Sleep(time.Minute)
		if err := l.socket.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			l.system.Root.Send(l.actors[0], messages.More{Epoch: linkEpoch, ID: 2})
			time.Sleep(time.Second)
		}
		l.expect("0s part at 0", "1m0s link lost")
		l.end()
	})
}

// link is network and coapresend of one link, with a server that is the test.
type link struct {
	t       *testing.T
	system  *actor.ActorSystem
	network *lwm2mtest.Network
	socket  net.PacketConn // of the server
	handler *thermometer
	actors  []*actor.PID

	mu     sync.Mutex
	peer   net.Addr // the client
	last   coap.Message
	unread []string
}

func newLink(t *testing.T) *link {
	address := netip.MustParseAddr("192.0.2.1")
	l := &link{t: t, system: actorkit.NewSystem(nil), network: lwm2mtest.NewNetwork(lwm2mtest.NetworkOptions{})}
	var err error
	if l.socket, err = l.network.Host("server", address).ListenPacket(5683); err != nil {
		t.Fatal(err)
	}
	go l.listen()
	gateway := l.network.Host("gateway", netip.MustParseAddr("192.0.2.10"))
	var link, wire, handler *actor.PID
	l.handler = &thermometer{began: time.Now(), link: func() *actor.PID { return link }}
	route := func(role core.Role, _ messages.Epoch) *actor.PID {
		if role == core.Link {
			return link
		}
		return handler
	}
	spawn := func(props *actor.Props) *actor.PID { return l.system.Root.Spawn(props) }
	outlet := &network.Outlet{}
	handler = spawn(actorkit.Props(func() actor.Actor { return l.handler }, actorkit.PropsOptions{}))
	link = spawn(coapresend.Props(coapresend.ActorConfig{
		Config: coapresend.Config{Epoch: linkEpoch, Peer: messages.ManagementPeer(1)},
		Rand:   earliest{}, Outlet: outlet, Route: route,
	}, actorkit.PropsOptions{}))
	wire = spawn(network.Props(network.Config{
		Epoch: linkEpoch, Peer: messages.ManagementPeer(1), Transport: gateway, Outlet: outlet, Route: route,
	}, actorkit.PropsOptions{}))
	l.actors = []*actor.PID{link, wire, handler}
	target, err := uri.Parse("coap://192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	l.system.Root.Send(wire, messages.Connect{
		Epoch: linkEpoch, Peer: messages.ManagementPeer(1), URI: target,
		Credentials: messages.Credentials{Mode: messages.SecurityNoSec}, Deadline: time.Now().Add(time.Minute),
	})
	// Something has to leave before the server knows the client's port.
	l.system.Root.Send(link, messages.Request{Epoch: linkEpoch, ID: 1, Code: messages.POST, Path: []string{"rd"}})
	request := l.latest()
	l.server(coap.Message{Type: coap.ACK, Code: messages.Created, MID: request.MID, Token: request.Token})
	l.heard("CON 0.02 observe=0 ")
	return l
}

// earliest makes every resend come at its earliest.
type earliest struct{ coapresend.SystemRand }

func (earliest) Float64() float64 { return 0 }

// listen takes what the client sends, until the socket is closed.
func (l *link) listen() {
	for {
		buffer := make([]byte, 1500)
		n, from, err := l.socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		if msg, err := coap.Decode(buffer[:n]); err == nil {
			l.take(msg, from)
		}
	}
}

func (l *link) take(msg coap.Message, from net.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peer, l.last = from, msg
	observe, _ := msg.Uint(coap.Observe)
	l.unread = append(l.unread, fmt.Sprintf("%s %s observe=%d %s", msg.Type, msg.Code, observe, msg.Payload))
}

// latest returns the last datagram of the client.
func (l *link) latest() coap.Message {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// heard compares what the server received.
func (l *link) heard(want ...string) {
	l.t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if diff := cmp.Diff(want, l.unread); diff != "" {
		l.t.Errorf("the server (-want +got):\n%s", diff)
	}
	l.unread = nil
}

// expect compares what the handler, who is the owner too, was told.
func (l *link) expect(want ...string) {
	l.t.Helper()
	synctest.Wait()
	l.handler.mu.Lock()
	defer l.handler.mu.Unlock()
	if diff := cmp.Diff(want, l.handler.lines); diff != "" {
		l.t.Errorf("the handler (-want +got):\n%s", diff)
	}
	l.handler.lines = nil
}

func (l *link) server(msg coap.Message) {
	l.t.Helper()
	datagram, err := coap.Encode(msg)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.socket.WriteTo(datagram, l.peer); err != nil {
		l.t.Fatal(err)
	}
	synctest.Wait()
}

func (l *link) answer(with func(mid uint16) coap.Message) {
	l.server(with(l.latest().MID))
}

func (l *link) tick() {
	l.system.Root.Send(l.actors[2], tick{})
	synctest.Wait()
}

func (l *link) end() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := actorkit.PoisonInOrder(ctx, l.system, l.actors...); err != nil {
		l.t.Error(err)
	}
	actorkit.Shutdown(l.system)
	if err := l.network.Close(); err != nil {
		l.t.Error(err)
	}
	time.Sleep(2 * time.Second)
}
