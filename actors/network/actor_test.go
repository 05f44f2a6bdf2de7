package network

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/pion/dtls/v2"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/alarm"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// rig is one network actor among probes, in a bubble.
type rig struct {
	t      *testing.T
	system *actor.ActorSystem
	pid    *actor.PID
	outlet Outlet
	begin  time.Time
	probes map[core.Role]*actor.PID

	mu  sync.Mutex
	log []entry
}

// entry is what a probe received, and when.
type entry struct {
	at      time.Duration
	role    core.Role
	message any
}

// inBubble runs f with a network actor over transport, and checks that both
// leave nothing behind.
func inBubble(t *testing.T, transport Transport, f func(r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, system: actorkit.NewSystem(nil), begin: time.Now()}
		r.probes = map[core.Role]*actor.PID{}
		for _, role := range []core.Role{core.Supervisor, core.Link, core.Owner} {
			r.probes[role] = r.system.Root.Spawn(actorkit.Props(r.probe(role), actorkit.PropsOptions{}))
		}
		r.spawn(transport)
		f(r)
		r.stop(r.pid)
		r.stop(r.probes[core.Supervisor], r.probes[core.Link], r.probes[core.Owner])
		actorkit.Shutdown(r.system)
		time.Sleep(2 * time.Second)
	})
}

// spawn starts the network actor, or another one in its place.
func (r *rig) spawn(transport Transport) {
	if r.pid != nil {
		r.stop(r.pid)
	}
	r.pid = r.system.Root.Spawn(Props(Config{
		Peer: testPeer, Epoch: testEpoch, Transport: transport, Outlet: &r.outlet,
		Route: func(role core.Role, _ messages.Epoch) *actor.PID { return r.probes[role] },
	}, actorkit.PropsOptions{}))
}

func (r *rig) probe(role core.Role) actor.Producer {
	return func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			switch message := ctx.Message().(type) {
			case actor.SystemMessage, actor.AutoReceiveMessage:
			default:
				r.mu.Lock()
				defer r.mu.Unlock()
				r.log = append(r.log, entry{at: time.Since(r.begin), role: role, message: message})
			}
		})
	}
}

func (r *rig) stop(pids ...*actor.PID) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := actorkit.StopInOrder(ctx, r.system, pids...); err != nil {
		r.t.Error(err)
	}
}

// connect asks for a link that has a minute.
func (r *rig) connect(target string, c messages.Credentials) {
	r.tell(messages.Connect{
		Peer: testPeer, Epoch: testEpoch, URI: parse(r.t, target),
		Credentials: c, Deadline: time.Now().Add(time.Minute),
	})
}

// tell sends a message to the actor and lets everything come to rest.
func (r *rig) tell(message any) {
	r.system.Root.Send(r.pid, message)
	synctest.Wait()
}

// send sends a datagram as coapresend does, and lets everything come to rest.
func (r *rig) send(datagram string) (sent bool) {
	sent = r.outlet.Send([]byte(datagram))
	synctest.Wait()
	return sent
}

// received returns the messages of type T that one role got.
func received[T any](r *rig, role core.Role) (all []T, at []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.log {
		if m, ok := e.message.(T); ok && e.role == role {
			all, at = append(all, m), append(at, e.at)
		}
	}
	return all, at
}

// wantLost fails the test unless the owner was told of exactly one loss.
func (r *rig) wantLost(class messages.Class, at time.Duration) {
	r.t.Helper()
	losses, times := received[messages.LinkLost](r, core.Owner)
	if len(losses) != 1 || losses[0].Failure.Class != class || times[0] != at {
		r.t.Errorf("losses %+v at %v, want one of class %v at %v", losses, times, class, at)
	}
}

func (r *rig) wantStages(want ...messages.Stage) {
	r.t.Helper()
	all, _ := received[messages.Progress](r, core.Supervisor)
	var got []messages.Stage
	for _, p := range all {
		got = append(got, p.Stage)
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("stages %v, want %v", got, want)
	}
}

// network is a transport of one name and pipes that the test holds.
type pipes struct {
	delay   time.Duration // of a lookup
	clients []*pipe
	arrive  func(remote *pipe) // the server's side, on a goroutine of its own
	err     error              // of the lookup
}

func (p *pipes) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	found := make(chan struct{})
	defer alarm.After(p.delay, func() { close(found) }).Stop()
	select {
	case <-ctx.Done():
		return nil, &net.DNSError{Err: "timeout", Name: host, IsTimeout: true}
	case <-found:
		return []netip.Addr{server.Addr()}, p.err
	}
}

func (p *pipes) Dial(_ context.Context, remote netip.AddrPort) (net.Conn, error) {
	a := net.UDPAddrFromAddrPort(remote)
	b := &net.UDPAddr{IP: net.IPv4(198, 51, 100, 7), Port: 40000}
	client, far := newEnd(b, a), newEnd(a, b)
	client.peer, far.peer = far, client
	p.clients = append(p.clients, client)
	if p.arrive != nil {
		go p.arrive(far)
	}
	return client, nil
}

func (p *pipes) wantClosed(t *testing.T) {
	t.Helper()
	for i, c := range p.clients {
		if !c.isClosed() {
			t.Errorf("socket %d is still open", i)
		}
	}
}

// echoPlain sends back what comes, until the client closes.
func echoPlain(remote *pipe) {
	for {
		select {
		case <-remote.peer.closed:
			return
		case datagram := <-remote.in:
			remote.Write(datagram)
		}
	}
}

func TestActorPlain(t *testing.T) {
	p := &pipes{delay: 3 * time.Second, arrive: echoPlain}
	inBubble(t, p, func(r *rig) {
		r.connect("coap://lwm2m.test", nosec())
		r.wantStages(messages.StageResolving)
		if r.send("early") {
			t.Error("a datagram was sent before the link was up")
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		r.wantStages(messages.StageResolving, messages.StageConnecting, messages.StageUp)
		for _, role := range []core.Role{core.Link, core.Owner} {
			up, at := received[messages.LinkUp](r, role)
			if len(up) != 1 || at[0] != 3*time.Second {
				t.Errorf("%v got %+v at %v", role, up, at)
			}
		}
		if !r.send("ping") {
			t.Error("a datagram was not sent")
		}
		data, _ := received[messages.Datagram](r, core.Link)
		if len(data) != 1 || string(data[0].Data) != "ping" || data[0].Epoch != testEpoch {
			t.Errorf("got %v", data)
		}
		r.stop(r.pid)
		synctest.Wait()
		p.wantClosed(t)
		if r.send("late") {
			t.Error("a datagram was sent on a link that is gone")
		}
		if losses, _ := received[messages.LinkLost](r, core.Owner); len(losses) != 0 {
			t.Errorf("losses after the end: %v", losses)
		}
	})
}

func TestActorDTLS(t *testing.T) {
	ended := make(chan struct{}, 1)
	p := &pipes{arrive: func(remote *pipe) {
		conn, err := dtls.ServerWithContext(context.Background(), remote, remote.RemoteAddr(), pskServer())
		if err != nil {
			t.Error(err)
			return
		}
		// data right behind the handshake must not overtake LinkUp
		conn.Write([]byte("early"))
		conn.Read(make([]byte, 64)) // until the client's close_notify
		conn.Close()
		ended <- struct{}{}
	}}
	inBubble(t, p, func(r *rig) {
		r.connect("coaps://192.0.2.1", psk())
		r.wantStages(messages.StageConnecting, messages.StageUp)
		data, _ := received[messages.Datagram](r, core.Link)
		if len(data) != 1 || string(data[0].Data) != "early" {
			t.Errorf("got %v", data)
		}
		if _, first := r.log[slices.IndexFunc(r.log, func(e entry) bool { return e.role == core.Link })].message.(messages.LinkUp); !first {
			t.Error("a datagram overtook LinkUp")
		}
		r.stop(r.pid)
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("the server was not told of the end")
		}
		p.wantClosed(t)
	})
}

func TestActorReportsLosses(t *testing.T) {
	tests := []struct {
		name   string
		target string
		pipes  *pipes
		act    func(r *rig, p *pipes)
		class  messages.Class
		at     time.Duration
	}{
		{"unknown name", "coap://lwm2m.test", &pipes{err: &net.DNSError{IsNotFound: true}}, nil, messages.ClassDNS, 0},
		{"silent name server", "coap://lwm2m.test", &pipes{delay: time.Hour}, nil, messages.ClassDNS, 10 * time.Second},
		{"black hole", "coaps://lwm2m.test", &pipes{delay: 5 * time.Second}, nil, messages.ClassHandshakeTimeout, time.Minute},
		{"refused in the handshake", "coaps://192.0.2.1", &pipes{arrive: func(remote *pipe) { remote.peer.failRead(syscall.ECONNREFUSED) }}, nil,
			messages.ClassRefused, 0},
		{"refused when up", "coap://192.0.2.1", &pipes{},
			func(_ *rig, p *pipes) { p.clients[0].failRead(syscall.ECONNREFUSED) }, messages.ClassRefused, 0},
		{"refused on write", "coap://192.0.2.1", &pipes{}, func(r *rig, p *pipes) {
			p.clients[0].failWrites(syscall.EPERM)
			if r.send("x") || r.send("y") {
				t.Error("a datagram was sent in spite of an error")
			}
		}, messages.ClassUnreachable, 0},
		{"closed by the server", "coaps://192.0.2.1", &pipes{arrive: func(remote *pipe) {
			conn, err := dtls.ServerWithContext(context.Background(), remote, remote.RemoteAddr(), pskServer())
			if err == nil {
				remote.goodbye(conn)
			}
		}}, nil, messages.ClassClosed, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, test.pipes, func(r *rig) {
				credentials := nosec()
				if parse(t, test.target).Secure() {
					credentials = psk()
				}
				r.connect(test.target, credentials)
				if test.act != nil {
					test.act(r, test.pipes)
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				r.wantLost(test.class, test.at)
				test.pipes.wantClosed(t)
			})
		})
	}
}

// Stopping the actor in any state leaves no socket and no goroutine; the
// bubble fails if one stays.
func TestActorStopsInEveryState(t *testing.T) {
	for name, target := range map[string]string{
		"resolving": "coap://lwm2m.test", "handshake": "coaps://192.0.2.1", "up": "coap://192.0.2.1",
	} {
		t.Run(name, func(t *testing.T) {
			p := &pipes{delay: time.Hour}
			inBubble(t, p, func(r *rig) {
				credentials := nosec()
				if parse(t, target).Secure() {
					credentials = psk()
				}
				r.connect(target, credentials)
				before := time.Now()
				r.stop(r.pid)
				synctest.Wait()
				if waited := time.Since(before); waited != 0 {
					t.Errorf("stopping took %v", waited)
				}
				p.wantClosed(t)
			})
		})
	}
}

// An end that meets a handshake just as it completes still closes the
// socket, and nobody is told of anything.
func TestStopDuringHandshake(t *testing.T) {
	p := &pipes{}
	inBubble(t, p, func(r *rig) {
		r.connect("coaps://192.0.2.1", psk())
		time.Sleep(1500 * time.Millisecond)
		r.stop(r.pid)
		synctest.Wait()
		p.wantClosed(t)
		time.Sleep(2 * time.Minute)
		r.wantStages(messages.StageConnecting)
		if losses, _ := received[messages.LinkLost](r, core.Owner); len(losses) != 0 {
			t.Errorf("losses: %v", losses)
		}
	})
}
