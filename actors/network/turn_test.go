package network

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v2"

	"github.com/holdfast-iot/holdfast/internal/admission"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// elsewhere is another server than that of the tests.
var elsewhere = netip.MustParseAddrPort("192.0.2.99:5684")

// waiting is a runner in front of a gate, and what it has reported.
type waiting struct {
	*runner
	mu      sync.Mutex
	reports []any
}

func (w *waiting) report(in any) {
	if up, is := in.(connected); is {
		in = connected{epoch: up.epoch} // what the session is, others ask
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, step := in.(messages.HandshakeStep); !step {
		w.reports = append(w.reports, in)
	}
}

func (w *waiting) saw(want ...any) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Equal(w.reports, want)
}

func inLine(g *admission.Gate, client *pipe) *waiting {
	w := &waiting{}
	w.runner = newRunner(testEpoch, dialling(client), w.report, func(any) {})
	w.gate = g
	return w
}

// taken returns a gate whose one place another link has.
func taken(t *testing.T) (*admission.Gate, *admission.Pass) {
	g := admission.NewGate(1)
	p, err := g.Enter(t.Context(), elsewhere, nil)
	if err != nil {
		t.Fatal(err)
	}
	return g, p
}

// A link that waits for its turn opens no socket, and the wait takes nothing of its
// time. What is given back is free for others.
func TestHandshakeWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, remote := newPipe(t)
		g, other := taken(t)
		w := inLine(g, client)
		dialled := false
		w.transport = fakeTransport{dial: dialledInto(&dialled, w.transport)}
		go w.connect(t.Context(), open{remote: server, deadline: time.Now().Add(time.Second), security: secure(t, "coaps://server.test", psk())})
		for range 3 { // longer than it has time
			time.Sleep(admission.Silence / 2)
			if err := other.Heard(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if dialled || !w.saw(queued{testEpoch}) {
			t.Fatalf("dialled %v, reported %v", dialled, w.reports)
		}
		other.Leave()
		conn, err := dtls.ServerWithContext(within(t, time.Minute), remote, remote.RemoteAddr(), pskServer())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		synctest.Wait()
		if !w.saw(queued{testEpoch}, admitted{testEpoch}, connected{epoch: testEpoch}) {
			t.Errorf("reported %v", w.reports)
		}
		waits := false
		again, err := g.Enter(t.Context(), elsewhere, func() { waits = true })
		if err != nil || waits {
			t.Errorf("the place was not given back: %v", err)
		}
		again.Leave()
		w.close()
	})
}

func dialledInto(dialled *bool, transport Transport) func(context.Context, netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
		*dialled = true
		return transport.Dial(ctx, remote)
	}
}

// A handshake that hears nothing loses its place and goes on. When the server answers
// after all, it waits for a place again, and that does not count either.
func TestSilentHandshakeMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, remote := newPipe(t)
		g := admission.NewGate(1)
		w := inLine(g, client)
		began := time.Now()
		go w.connect(t.Context(), open{remote: server, deadline: began.Add(5 * time.Second), security: secure(t, "coaps://server.test", psk())})
		synctest.Wait()
		other, err := g.Enter(t.Context(), elsewhere, nil)
		if waited := time.Since(began); err != nil || waited != admission.Silence {
			t.Fatalf("waited %v for the place of a silent handshake, %v", waited, err)
		}
		go func() {
			conn, err := dtls.ServerWithContext(within(t, 2*time.Minute), remote, remote.RemoteAddr(), pskServer())
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.Read(make([]byte, 1)) // until close_notify
			_ = conn.Close()
		}()
		for range 9 { // beyond its deadline
			time.Sleep(admission.Silence / 2)
			_ = other.Heard(t.Context(), nil)
		}
		if !w.saw(queued{testEpoch}) {
			t.Errorf("reported %v", w.reports)
		}
		time.Sleep(admission.Turn)
		synctest.Wait()
		if !w.saw(queued{testEpoch}, admitted{testEpoch}, connected{epoch: testEpoch}) {
			t.Errorf("reported %v", w.reports)
		}
		other.Leave()
		w.close()
		synctest.Wait()
	})
}

// A link that is closed while it waits, or while it shakes hands, leaves nothing at the
// gate; and so does one whose transport panics.
func TestClosedLinkLeavesTheGate(t *testing.T) {
	for name, panics := range map[string]bool{"closed": false, "panic": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, _ := newPipe(t)
				g, other := taken(t)
				first, second := inLine(g, client), inLine(g, client)
				if panics {
					first.transport = fakeTransport{dial: func(context.Context, netip.AddrPort) (net.Conn, error) { panic("at the socket") }}
				}
				ctx, cancel := context.WithCancel(t.Context())
				what := open{remote: server, deadline: time.Now().Add(time.Hour), security: secure(t, "coaps://server.test", psk())}
				guarded(func(any) {}, what, func() { first.connect(ctx, what) })
				synctest.Wait()
				go second.connect(ctx, what)
				synctest.Wait()
				other.Leave() // the first shakes hands, or panics, and the second waits, or shakes hands
				synctest.Wait()
				if !panics && second.saw(queued{testEpoch}, admitted{testEpoch}) {
					t.Error("both have a place")
				}
				cancel()
				synctest.Wait()
				waits := false
				p, err := g.Enter(t.Context(), elsewhere, func() { waits = true })
				if err != nil || waits {
					t.Errorf("waits %v, %v", waits, err)
				}
				p.Leave()
			})
		})
	}
}

// While a link waits for its turn, no time of its attempt passes, for all who have a
// timer for it; and the wait itself has an end.
func TestWaitForTheTurnDoesNotCount(t *testing.T) {
	m := New(testPeer, testEpoch)
	m.Step(now, connect(t, "coap://192.0.2.1"))
	deadline := m.request.Deadline
	if effects := m.Step(now, queued{testEpoch + 1}); effects != nil {
		t.Fatalf("another link: %v", effects)
	}
	check := func(at time.Time, effects []core.Effect, by time.Duration, waits bool, ends time.Time) {
		t.Helper()
		want := messages.Postponed{Epoch: testEpoch, By: by, Waits: waits}
		if got := told[messages.Postponed](effects); len(got) != 2 || got[0] != want || got[1] != want {
			t.Errorf("told %v, want %v twice", got, want)
		}
		if got := found[core.SetTimer](t, effects); got.Timer != guard || got.After != ends.Sub(at)+guardGrace {
			t.Errorf("%v, want the guard at %v", got, ends)
		}
	}
	check(now, m.Step(now, queued{testEpoch}), longestWait, true, deadline.Add(longestWait))
	if effects := m.Step(now, queued{testEpoch}); effects != nil {
		t.Errorf("twice: %v", effects)
	}
	later := now.Add(20 * time.Minute)
	check(later, m.Step(later, admitted{testEpoch}), 20*time.Minute-longestWait, false, deadline.Add(20*time.Minute))
	if effects := m.Step(later, admitted{testEpoch}); effects != nil {
		t.Errorf("twice: %v", effects)
	}
	up := told[messages.LinkUp](m.Step(later, connected{epoch: testEpoch}))
	if len(up) == 0 || up[0].Deadline != deadline.Add(20*time.Minute) {
		t.Errorf("the link is up until %v", up)
	}
}
