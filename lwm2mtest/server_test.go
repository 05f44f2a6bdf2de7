package lwm2mtest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

func TestServerRegisterUpdateDeregister(t *testing.T) {
	serverBubble(t, ServerOptions{Location: NumberedLocation}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		location := c.register("gw", "lt=300")
		if diff := cmp.Diff([]string{"rd", "1"}, location); diff != "" {
			t.Error(diff)
		}
		time.Sleep(time.Minute)
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, location, []string{"lt=600"}, "")), lwm2m.CodeChanged)
		reg, ok := r.server.Registration("gw")
		if !ok || reg.Lifetime != 600*time.Second || string(reg.Objects) != links || reg.Updated != r.start.Add(time.Minute) {
			t.Errorf("registration %+v", reg)
		}
		assertCode(t, c.ask(c.message(lwm2m.CodeDELETE, location, nil, "")), lwm2m.CodeDeleted)
		if r.server.Registered("gw") || len(r.server.Endpoints()) != 0 || r.server.Deregisters("") != 1 {
			t.Error("still registered")
		}
		assertKinds(t, r.server.History("gw"), Register, Update, Deregister)
	})
}

func assertKinds(t *testing.T, records []Record, want ...Kind) {
	t.Helper()
	var got []Kind
	for _, r := range records {
		got = append(got, r.Kind)
	}
	if !slices.Equal(got, want) {
		t.Errorf("history %v, want %v", got, want)
	}
}

func TestServerHistoryHasWhatWasSent(t *testing.T) {
	serverBubble(t, ServerOptions{Location: NumberedLocation}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		time.Sleep(3 * time.Second)
		c.register("gw", "lt=60", "b=U")
		want := []Record{{
			Time: r.start.Add(3 * time.Second), Kind: Register, Endpoint: "gw", Location: "rd/1",
			Query: []string{"ep=gw", "lwm2m=1.1", "lt=60", "b=U"}, Format: new(lwm2m.FormatLinkFormat), Payload: []byte(links),
			Remote: r.Packets()[0].From, Answer: lwm2m.CodeCreated,
		}}
		if diff := cmp.Diff(want, r.server.History(""), cmpAddr); diff != "" {
			t.Error(diff)
		}
	})
}

func TestServerLifetimeExpires(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		location := c.register("gw", "lt=100")
		time.Sleep(99 * time.Second)
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeChanged)
		if err := r.server.Await(t.Context(), func() bool { return !r.server.Registered("gw") }); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(r.start); got != 199*time.Second {
			t.Errorf("expired after %v, want 199s", got)
		}
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeNotFound)
		assertKinds(t, r.server.History("gw"), Register, Update, Expired, Update)
	})
}

func TestServerInfiniteLifetime(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		r.dial(5683).register("gw", "lt=0")
		time.Sleep(10 * 365 * 24 * time.Hour)
		if !r.server.Registered("gw") {
			t.Error("expired")
		}
	})
}

func TestServerRegisterRefusals(t *testing.T) {
	serverBubble(t, ServerOptions{Versions: []string{"1.0"}}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		rd := []string{"rd"}
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, rd, []string{"ep=gw", "lwm2m=1.1"}, links)), lwm2m.CodePreconditionFailed)
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, rd, []string{"lwm2m=1.0"}, links)), lwm2m.CodeBadRequest)
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, rd, []string{"ep=gw", "lt=-1"}, links)), lwm2m.CodeBadRequest)
		for _, objects := range []string{"", "no links", "</0/0>,</1/0>", "</x>"} {
			assertCode(t, c.ask(c.message(lwm2m.CodePOST, rd, []string{"ep=gw"}, objects)), lwm2m.CodeBadRequest)
		}
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, rd, []string{"ep=gw"}, links)), lwm2m.CodeCreated)
		if r.server.Registers("gw") != 1 || r.server.Seen("gw", Register) != 7 || r.server.Seen("", Register) != 8 {
			t.Errorf("history %v", r.server.History("gw"))
		}
	})
}

func TestServerRegisterReplaces(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		first, second := c.register("gw"), c.register("gw")
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, first, nil, "")), lwm2m.CodeNotFound)
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, second, nil, "")), lwm2m.CodeChanged)
		assertKinds(t, r.server.History("gw"), Register, Register, Update, Update)
	})
}

func TestServerOneOptionLocationAndPrefix(t *testing.T) {
	opts := ServerOptions{Location: func(endpoint string, _ int) []string { return []string{"x/rd/" + endpoint} }}
	serverBubble(t, opts, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		answer := c.ask(c.message(lwm2m.CodePOST, []string{"tenant", "rd"}, []string{"aid=7", "ep=gw"}, links))
		location := answer.Strings(coap.LocationPath)
		if len(location) != 1 || location[0] != "x/rd/gw" {
			t.Fatalf("location %q", location)
		}
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeChanged)
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, []string{"x", "rd", "gw"}, nil, "")), lwm2m.CodeNotFound)
	})
}

func TestServerDeduplicates(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		m := c.registerMessage("gw")
		first := c.ask(m)
		time.Sleep(246 * time.Second)
		if diff := cmp.Diff(first, c.ask(m)); diff != "" {
			t.Errorf("a duplicate got another answer: %s", diff)
		}
		time.Sleep(time.Second)
		if second := c.ask(m); cmp.Equal(first, second) || r.server.Registers("gw") != 2 {
			t.Error("after EXCHANGE_LIFETIME a message ID is a new request")
		}
	})
}

func TestServerMessageLayer(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		c.send(coap.Message{Type: coap.CON, MID: 7})
		if m := c.next(); m.Type != coap.RST || m.MID != 7 {
			t.Errorf("ping answered %v", m)
		}
		must(c.conn.Write([]byte{0x40, 0x01, 0, 9, 0xff}))(t) // marker without payload
		if m := c.next(); m.Type != coap.RST || m.MID != 9 {
			t.Errorf("malformed CON answered %v", m)
		}
		m := c.message(lwm2m.CodePOST, []string{"rd"}, nil, "")
		m.AddOption(coap.IfMatch, []byte{1})
		assertCode(t, c.ask(m), lwm2m.CodeBadOption)
		c.send(coap.Message{Type: coap.CON, Code: lwm2m.CodeContent, MID: 11, Token: []byte{1, 2}})
		if m := c.next(); m.Type != coap.RST || m.MID != 11 {
			t.Errorf("unexpected response answered %v", m)
		}
		assertKinds(t, r.server.Requests("", Malformed), Malformed)
	})
}

func TestServerOutageKeepsMemory(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		location := c.register("gw")
		r.service.Abort()
		c.send(c.message(lwm2m.CodePOST, location, nil, ""))
		if _, err := c.read(time.Minute); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("after the service's end: %v", err)
		}
		r.restart(NoSec())
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeChanged)
		r.server.Forget()
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeNotFound)
		assertKinds(t, r.server.History("gw"), Register, Update, Update)
	})
}

func TestServerFollowsRebinding(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		location := c.register("gw")
		r.terminal.Rebind()
		if _, err := r.server.Read(t.Context(), "gw", "/3", lwm2m.FormatTLV); !errors.Is(err, ErrTimeout) {
			t.Errorf("through a stale mapping: %v", err)
		}
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeChanged)
		go func() { c.answerWith(c.next(), lwm2m.CodeContent, nil) }()
		if _, err := r.server.Read(t.Context(), "gw", "/3", lwm2m.FormatTLV); err != nil {
			t.Error(err)
		}
	})
}

func TestServerWaits(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		time.AfterFunc(time.Minute, func() {
			location := c.register("gw")
			c.ask(c.message(lwm2m.CodePOST, location, nil, ""))
		})
		if err := r.server.WaitRegistered(t.Context(), "gw"); err != nil || time.Since(r.start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(r.start))
		}
		if err := r.server.WaitUpdates(t.Context(), "gw", 1); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.server.WaitRegisters(ctx, "gw", 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestServerAfterClose(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		r.dial(5683).register("gw")
		r.server.Abort()
		if v := r.server.ServeManagement(must(r.host.ListenPacket(1))(t), NoSec()); v.Addr().Port() != 1 {
			t.Errorf("address %v", v.Addr())
		}
		if err := r.server.SendRaw("gw", []byte("x")); err != nil {
			t.Error(err) // still registered, though nothing is sent
		}
		if r.server.Registers("gw") != 1 {
			t.Error("history is gone")
		}
	})
}

func TestServerAnswersNonConfirmableOnce(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		m := c.registerMessage("gw")
		m.Type = coap.NON
		c.send(m)
		c.send(m)
		if answer := c.next(); answer.Type != coap.NON || answer.Code != lwm2m.CodeCreated {
			t.Errorf("answer %v", answer)
		}
		c.silence()
	})
}

func TestServerForgetsIdlePeers(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		first := r.dial(5683)
		first.register("first", "lt=0")
		for range sweepAbove - 1 {
			c := r.dial(5683)
			c.send(coap.Message{Type: coap.CON, MID: 1})
			c.next()
			_ = c.conn.Close()
		}
		time.Sleep(exchangeLifetime + time.Second)
		r.dial(5683).register("gw")
		r.server.mu.Lock()
		if got := len(r.service.peers); got != 2 {
			t.Errorf("%d peers", got)
		}
		r.server.mu.Unlock()
		go func() { first.answerWith(first.next(), lwm2m.CodeContent, nil) }()
		if _, err := r.server.Read(t.Context(), "first", "/3", lwm2m.FormatTLV); err != nil {
			t.Errorf("a registered peer was forgotten: %v", err)
		}
	})
}

// Nobody can guess a Location, nor use one that he has seen from another address;
// the port may be another one.
func TestUpdateOnlyFromWhoRegistered(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		location := c.register("gw")
		if other := c.register("gw-2"); len(location) != 2 || len(location[1]) < 13 || location[1] == other[1] {
			t.Errorf("locations %v, %v", location, other)
		}
		again := r.dial(5683)
		assertCode(t, again.ask(again.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeChanged)
		stranger := r.dialFrom(r.Host("stranger", netip.MustParseAddr("192.0.2.66")), 5683)
		for _, code := range []lwm2m.Code{lwm2m.CodePOST, lwm2m.CodeDELETE} {
			assertCode(t, stranger.ask(stranger.message(code, location, nil, "")), lwm2m.CodeNotFound)
		}
		if !r.server.Registered("gw") {
			t.Error("a stranger has de-registered the client")
		}
	})
}

func TestRoaming(t *testing.T) {
	serverBubble(t, ServerOptions{Roaming: true}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		location := c.register("gw")
		moved := r.dialFrom(r.Host("elsewhere", netip.MustParseAddr("192.0.2.66")), 5683)
		assertCode(t, moved.ask(moved.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeChanged)
	})
}

// Whoever follows the history gets each record once, as long as it is kept.
func TestHistoryAfter(t *testing.T) {
	serverBubble(t, ServerOptions{MaxHistory: 3}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		location := c.register("gw")
		records, next := r.server.HistoryAfter(0)
		assertKinds(t, records, Register)
		for range 20 {
			assertCode(t, c.ask(c.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeChanged)
		}
		if records, next = r.server.HistoryAfter(next); len(records) < 3 || len(records) > 6 || next != 21 {
			t.Errorf("%d records, next %d", len(records), next)
		}
		if records, next = r.server.HistoryAfter(next); len(records) != 0 || next != 21 {
			t.Errorf("%d records again, next %d", len(records), next)
		}
		if n := r.server.Updates("gw"); n != 20 {
			t.Errorf("%d updates counted", n)
		}
	})
}

// floodConn is a socket to which many pings have come at once.
type floodConn struct {
	net.PacketConn // not used
	pings          int
	read           chan struct{} // closed when all have been read
	closed         chan struct{}
	answers        atomic.Int32
	answered       chan struct{} // closed when all have been answered
}

func (f *floodConn) ReadFrom(b []byte) (int, net.Addr, error) {
	if f.pings == 0 {
		close(f.read)
		<-f.closed
		return 0, nil, net.ErrClosed
	}
	f.pings--
	ping, err := coap.Encode(coap.Message{Type: coap.CON, MID: uint16(f.pings)})
	return copy(b, ping), net.UDPAddrFromAddrPort(netip.AddrPortFrom(clientAddr, 1)), err
}

func (f *floodConn) WriteTo(b []byte, _ net.Addr) (int, error) {
	if f.answers.Add(1) == burst {
		close(f.answered)
	}
	return len(b), nil
}

func (f *floodConn) Close() error { close(f.closed); return nil }

const burst = 2000

// A server that is busy loses nothing that a socket's own queue has no room for.
func TestABurstIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pc := &floodConn{pings: burst, read: make(chan struct{}), closed: make(chan struct{}), answered: make(chan struct{})}
		s := NewServer(ServerOptions{})
		s.mu.Lock()
		v := newService(s, pc, NoSec(), servesManagement)
		s.services[v] = struct{}{}
		s.wg.Go(v.run)
		<-pc.read
		s.mu.Unlock()
		<-pc.answered
		_ = s.Close()
	})
}
