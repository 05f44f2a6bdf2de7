package coapresend

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// witness fills every role beside the actor under test and writes down what it
// is told.
type witness struct {
	full  atomic.Bool // the outlet has no room
	mu    sync.Mutex
	began time.Time
	lines []string
}

func (w *witness) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case messages.Response, messages.RequestFailed, messages.Inbound, messages.Malformed, messages.Overloaded:
		w.write(message)
	}
}

// Send implements Outlet.
func (w *witness) Send(datagram []byte) (sent bool) {
	w.write(send{data: datagram})
	return !w.full.Load()
}

func (w *witness) write(message any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf("%v %s", time.Since(w.began), render(message)))
}

func (w *witness) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines
}

// TestActor drives the actor in a bubble: effects reach their roles, timers
// run, and nothing is left behind.
func TestActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := actorkit.NewSystem(nil)
		w := &witness{began: time.Now()}
		other := system.Root.Spawn(actorkit.Props(func() actor.Actor { return w }, actorkit.PropsOptions{}))
		link := system.Root.Spawn(Props(ActorConfig{
			Config: Config{Epoch: epoch, Peer: messages.ManagementPeer(1)},
			Rand:   &testRand{},
			Outlet: w,
			Route:  func(_ core.Role, _ messages.Epoch) *actor.PID { return other },
		}, actorkit.PropsOptions{}))

		system.Root.Send(link, messages.LinkUp{Epoch: epoch})
		system.Root.Send(link, messages.Request{Epoch: epoch, ID: 1, Code: messages.GET, Path: []string{"a"}})
		system.Root.Send(link, messages.Datagram{Epoch: epoch, Data: mustEncode(post(9))})
		time.Sleep(3 * time.Second)
		system.Root.Send(link, messages.Datagram{Epoch: epoch, Data: mustEncode(coap.Reset(100))})
		system.Root.Send(link, messages.Datagram{Epoch: epoch, Data: []byte("x")})
		synctest.Wait()

		want := []string{
			"0s send CON 0.01 mid=100 token=01 /a",
			"0s inbound 0.02 /a",
			"1s send ACK 0.00 mid=9",
			"2s send CON 0.01 mid=100 token=01 /a",
			"3s failed 1 reset by the peer",
			"3s malformed (shorter than a header)",
		}
		if diff := cmp.Diff(want, w.seen()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		endSystem(t, system, link, other)
	})
}

func endSystem(t *testing.T, system *actor.ActorSystem, pids ...*actor.PID) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := actorkit.PoisonInOrder(ctx, system, pids...); err != nil {
		t.Error(err)
	}
	actorkit.Shutdown(system)
	time.Sleep(2 * time.Second)
}

// TestMailboxKeepsRoomForOurExchanges: while the actor is held up a flood fills
// its mailbox. CON requests find room where the rest does not, and the answer
// that an exchange of ours waits for finds room behind both. What is refused is
// counted.
func TestMailboxKeepsRoomForOurExchanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := actorkit.NewSystem(nil)
		w := &witness{began: time.Now()}
		other := system.Root.Spawn(actorkit.Props(func() actor.Actor { return w }, actorkit.PropsOptions{}))
		held := make(chan struct{})
		hooks := &actorkit.Hooks{Invoking: func(msg any) {
			if msg == "hold" {
				<-held
			}
		}}
		link := system.Root.Spawn(Props(ActorConfig{
			Config: Config{Epoch: epoch, Peer: messages.ManagementPeer(1)}, Rand: &testRand{}, Outlet: w,
			Route: func(_ core.Role, _ messages.Epoch) *actor.PID { return other },
		}, actorkit.PropsOptions{Mailbox: actorkit.MailboxOptions{Hooks: hooks}}))
		datagram := func(msg coap.Message) {
			system.Root.Send(link, messages.Datagram{Epoch: epoch, Data: mustEncode(msg)})
		}
		system.Root.Send(link, messages.LinkUp{Epoch: epoch})
		system.Root.Send(link, messages.Request{Epoch: epoch, ID: 1, Code: messages.GET, Path: []string{"a"}})
		synctest.Wait()
		system.Root.Send(link, "hold")
		synctest.Wait()
		for n := range uint16(1000) {
			datagram(coap.Reset(5000 + n))
			datagram(message(coap.NON, messages.Content, n, token(99)))
			datagram(message(coap.NON, messages.GET, n, nil))
		}
		for range 1000 {
			datagram(post(2000))
		}
		datagram(message(coap.ACK, messages.Changed, 100, token(1)))
		close(held)
		synctest.Wait()
		time.Sleep(shedInterval)
		synctest.Wait()

		want := []string{
			"0s send CON 0.01 mid=100 token=01 /a",
			"0s overloaded {Queue:3744 Rate:0 Answers:0 Memory:0 Forged:0 Truncated:0 Unsent:0}",
			"0s inbound 0.02 /a",
			"0s response 1 2.04",
			"1s send ACK 0.00 mid=2000",
			"10s overloaded {Queue:0 Rate:0 Answers:0 Memory:10 Forged:0 Truncated:0 Unsent:0}", // NON requests
		}
		got := slices.DeleteFunc(w.seen(), func(line string) bool { return strings.HasPrefix(line, "0s inbound 0.01") })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		endSystem(t, system, link, other)
	})
}

// TestWhatIsLostOutsideIsCounted: datagrams that the socket had no room for, and
// those that network could not read whole.
func TestWhatIsLostOutsideIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := actorkit.NewSystem(nil)
		w := &witness{began: time.Now()}
		w.full.Store(true)
		other := system.Root.Spawn(actorkit.Props(func() actor.Actor { return w }, actorkit.PropsOptions{}))
		link := system.Root.Spawn(Props(ActorConfig{
			Config: Config{Epoch: epoch, Peer: messages.ManagementPeer(1)}, Rand: &testRand{}, Outlet: w,
			Route: func(_ core.Role, _ messages.Epoch) *actor.PID { return other },
		}, actorkit.PropsOptions{}))
		system.Root.Send(link, messages.LinkUp{Epoch: epoch})
		system.Root.Send(link, messages.Datagram{Epoch: epoch, Data: mustEncode(message(coap.CON, messages.Empty, 5, nil))})
		system.Root.Send(link, messages.Truncated{Epoch: epoch})
		system.Root.Send(link, messages.Truncated{Epoch: epoch + 1})
		time.Sleep(shedInterval)
		synctest.Wait()
		system.Root.Send(link, messages.Datagram{Epoch: epoch, Data: mustEncode(message(coap.CON, messages.Empty, 6, nil))})
		synctest.Wait()

		want := []string{
			"0s send RST 0.00 mid=5",
			"0s overloaded {Queue:0 Rate:0 Answers:0 Memory:0 Forged:0 Truncated:0 Unsent:1}",
			"10s overloaded {Queue:0 Rate:0 Answers:0 Memory:0 Forged:0 Truncated:1 Unsent:0}",
			"10s send RST 0.00 mid=6",
		}
		if diff := cmp.Diff(want, w.seen()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		endSystem(t, system, link, other)
	})
}

// TestSystemRand: tokens are 8 bytes and do not repeat; draws stay in range.
func TestSystemRand(t *testing.T) {
	var r SystemRand
	seen := map[string]bool{}
	mids := map[uint16]bool{}
	for range 1000 {
		token := r.Token()
		if len(token) != 8 || seen[string(token)] {
			t.Fatalf("token %x", token)
		}
		seen[string(token)] = true
		mids[r.MID()] = true
		if f := r.Float64(); f < 0 || f >= 1 {
			t.Fatalf("drew %v", f)
		}
	}
	if len(mids) < 900 {
		t.Errorf("1000 message IDs, of which %d differ", len(mids))
	}
}

// TestStatesHaveNames: every state prints, and so do values that are no state.
func TestStatesHaveNames(t *testing.T) {
	for _, s := range []fmt.Stringer{exWaiting, exSent, exAcknowledged, enWorking, enAcknowledged, enDone, callSending, callFetching, callStalled} {
		if s.String() == "invalid" {
			t.Errorf("%T has a state without a name", s)
		}
	}
	for _, s := range []fmt.Stringer{exAcknowledged + 1, enDone + 1, callStalled + 1} {
		if s.String() != "invalid" {
			t.Errorf("%T has a name for a state that does not exist", s)
		}
	}
}
