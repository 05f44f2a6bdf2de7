package actorkit

import (
	"slices"
	"sync"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"pgregory.net/rapid"
)

// recorder is a MessageInvoker that writes down what it is given, and fails
// over the messages it is told to fail over.
type recorder struct {
	invoked  []any
	failures []any
	fail     func(message any) bool
}

func (r *recorder) InvokeSystemMessage(message any) { r.invoke(message) }
func (r *recorder) InvokeUserMessage(message any)   { r.invoke(message) }

func (r *recorder) EscalateFailure(_, message any) { r.failures = append(r.failures, message) }

func (r *recorder) invoke(message any) {
	r.invoked = append(r.invoked, message)
	if r.fail != nil && r.fail(message) {
		panic("told to")
	}
}

// manual is a dispatcher that runs what is scheduled when the test says so.
type manual struct{ scheduled []func() }

func (m *manual) Schedule(f func()) { m.scheduled = append(m.scheduled, f) }
func (m *manual) Throughput() int   { return 2 }

func (m *manual) run() {
	for len(m.scheduled) > 0 {
		f := m.scheduled[0]
		m.scheduled = m.scheduled[1:]
		f()
	}
}

func newTestMailbox(options MailboxOptions) (*mailbox, *recorder, *manual) {
	box := Mailbox(options)().(*mailbox)
	invoker, dispatcher := &recorder{}, &manual{}
	box.RegisterHandlers(invoker, dispatcher)
	box.Start()
	return box, invoker, dispatcher
}

// datagram is a message that may be dropped.
type datagram int

func isDatagram(message any) bool {
	_, ok := message.(datagram)
	return ok
}

// TestMailboxAgainstModel posts at random, runs the mailbox at random, and
// compares with a model of two slices.
func TestMailboxAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const capacity = 4
		var dropped []any
		box, invoker, dispatcher := newTestMailbox(MailboxOptions{
			Capacity:  capacity,
			Droppable: isDatagram,
			OnDrop:    func(msg any, _ uint64) { dropped = append(dropped, msg) },
		})
		var user, system, want, wantDropped []any
		suspended := false
		for i, op := range rapid.SliceOf(rapid.IntRange(0, 5)).Draw(t, "ops") {
			switch op {
			case 0:
				box.PostUserMessage(i)
				user = append(user, i)
			case 1:
				box.PostUserMessage(datagram(i))
				if len(user) < capacity {
					user = append(user, datagram(i))
				} else {
					wantDropped = append(wantDropped, datagram(i))
				}
			case 2:
				message := &actor.Watch{Watcher: actor.NewPID("nonhost", "w")}
				box.PostSystemMessage(message)
				system = append(system, message)
			case 3:
				box.PostSystemMessage(&actor.SuspendMailbox{})
				system = append(system, true)
			case 4:
				box.PostSystemMessage(&actor.ResumeMailbox{})
				system = append(system, false)
			case 5:
				dispatcher.run()
				for _, message := range system {
					if state, ok := message.(bool); ok {
						suspended = state
					} else {
						want = append(want, message)
					}
				}
				system = nil
				if !suspended {
					want = append(want, user...)
					user = nil
				}
			}
			if len(dispatcher.scheduled) > 1 {
				t.Fatalf("scheduled %d times at once", len(dispatcher.scheduled))
			}
			if box.UserMessageCount() != len(user) {
				t.Fatalf("UserMessageCount = %d, want %d", box.UserMessageCount(), len(user))
			}
		}
		if !slices.Equal(invoker.invoked, want) {
			t.Fatalf("invoked %v, want %v", invoker.invoked, want)
		}
		if !slices.Equal(dropped, wantDropped) {
			t.Fatalf("dropped %v, want %v", dropped, wantDropped)
		}
	})
}

func TestMailboxKeepsMessagesPostedBeforeItHasHandlers(t *testing.T) {
	box := Mailbox(MailboxOptions{})().(*mailbox)
	box.PostUserMessage("early")
	invoker, dispatcher := &recorder{}, &manual{}
	box.RegisterHandlers(invoker, dispatcher)
	started := &actor.Started{}
	box.PostSystemMessage(started)
	box.Start()
	dispatcher.run()
	if want := []any{started, "early"}; !slices.Equal(invoker.invoked, want) {
		t.Errorf("invoked %v, want %v", invoker.invoked, want)
	}
}

func TestMailboxGoesOnAfterAFailure(t *testing.T) {
	box, invoker, dispatcher := newTestMailbox(MailboxOptions{})
	invoker.fail = func(message any) bool { return message == 1 }
	for i := range 3 {
		box.PostUserMessage(i)
	}
	dispatcher.run()
	if want := []any{0, 1, 2}; !slices.Equal(invoker.invoked, want) {
		t.Errorf("invoked %v, want %v", invoker.invoked, want)
	}
	if want := []any{1}; !slices.Equal(invoker.failures, want) {
		t.Errorf("failures %v, want %v", invoker.failures, want)
	}
}

func TestMailboxDiscardsRestartAfterStop(t *testing.T) {
	box, invoker, dispatcher := newTestMailbox(MailboxOptions{})
	restart, stop := &actor.Restart{}, &actor.Stop{}
	box.PostSystemMessage(restart)
	box.PostSystemMessage(stop)
	box.PostSystemMessage(&actor.Restart{})
	dispatcher.run()
	if want := []any{restart, stop}; !slices.Equal(invoker.invoked, want) {
		t.Errorf("invoked %v, want %v", invoker.invoked, want)
	}
}

func TestMailboxCountsDropsAndUnwrapsEnvelopes(t *testing.T) {
	var counts []uint64
	var seen, posted, refused, invoked []any
	box, _, dispatcher := newTestMailbox(MailboxOptions{
		Capacity:  1,
		Droppable: isDatagram,
		OnDrop: func(msg any, dropped uint64) {
			seen, counts = append(seen, msg), append(counts, dropped)
		},
		Hooks: &Hooks{
			Posted:  func(msg any) { posted = append(posted, msg) },
			Dropped: func(msg any) { refused = append(refused, msg) },
			Invoked: func(msg any) { invoked = append(invoked, msg) },
		},
	})
	for i := range 3 {
		box.PostUserMessage(&actor.MessageEnvelope{Message: datagram(i)})
	}
	dispatcher.run()
	all := []any{datagram(0), datagram(1), datagram(2)}
	for name, pair := range map[string][2][]any{
		"OnDrop":  {seen, all[1:]},
		"Posted":  {posted, all},
		"Dropped": {refused, all[1:]},
		"Invoked": {invoked, all[:1]},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s saw %v, want %v", name, pair[0], pair[1])
		}
	}
	if !slices.Equal(counts, []uint64{1, 2}) {
		t.Errorf("counts %v, want [1 2]", counts)
	}
}

// Each message has its own room: what matters more is taken where the rest is
// refused, and what may not be dropped always is.
func TestMailboxRoomDependsOnTheMessage(t *testing.T) {
	box, invoker, dispatcher := newTestMailbox(MailboxOptions{
		Capacity:  1, // not asked
		Droppable: isDatagram,
		Room:      func(msg any) int { return int(msg.(datagram)) },
	})
	for _, message := range []any{datagram(1), datagram(1), datagram(2), datagram(1), datagram(2), "always", datagram(2), datagram(4)} {
		box.PostUserMessage(message)
	}
	dispatcher.run()
	if want := []any{datagram(1), datagram(2), "always", datagram(4)}; !slices.Equal(invoker.invoked, want) {
		t.Errorf("invoked %v, want %v", invoker.invoked, want)
	}
}

func TestMailboxNeverDropsProtocolMessages(t *testing.T) {
	box, _, _ := newTestMailbox(MailboxOptions{Capacity: 1, Droppable: func(any) bool { return true }})
	box.PostUserMessage("fills it")
	box.PostUserMessage(&actor.PoisonPill{})
	if box.UserMessageCount() != 2 {
		t.Error("a PoisonPill was refused")
	}
}

func TestMailboxKeepsOrderPerSenderAndLosesNoWakeUp(t *testing.T) {
	const senders, messages = 16, 2000
	type numbered struct{ sender, number int }
	system := realSystem(t)
	var next [senders]int
	done := make(chan struct{})
	total := 0
	pid := system.Root.Spawn(Props(fn(func(ctx actor.Context) {
		message, ok := ctx.Message().(numbered)
		if !ok {
			return
		}
		if next[message.sender] != message.number {
			t.Errorf("sender %d: got %d, want %d", message.sender, message.number, next[message.sender])
		}
		next[message.sender]++
		if total++; total == senders*messages {
			close(done)
		}
	}), PropsOptions{}))
	var wait sync.WaitGroup
	for sender := range senders {
		wait.Go(func() {
			for number := range messages {
				system.Root.Send(pid, numbered{sender, number})
			}
		})
	}
	wait.Wait()
	<-done
	poison(t, system, pid)
}

// TestMailboxWakesUpFromIdleEveryTime lets the mailbox run empty before each
// message: the moment at which a wake-up could be lost.
func TestMailboxWakesUpFromIdleEveryTime(t *testing.T) {
	const rounds = 20000
	system := realSystem(t)
	done := make(chan struct{})
	ping := func(ctx actor.Context) {
		if n, ok := ctx.Message().(int); ok {
			if n == rounds {
				close(done)
				return
			}
			ctx.RequestWithCustomSender(ctx.Sender(), n+1, ctx.Self())
		}
	}
	a := system.Root.Spawn(Props(fn(ping), PropsOptions{}))
	b := system.Root.Spawn(Props(fn(ping), PropsOptions{}))
	system.Root.RequestWithCustomSender(a, 0, b)
	<-done
	poison(t, system, a, b)
}

func BenchmarkTell(b *testing.B) {
	for name, mailbox := range map[string]actor.MailboxProducer{
		"actorkit": Mailbox(MailboxOptions{Droppable: isDatagram}),
		"stock":    actor.Unbounded(),
	} {
		b.Run(name, func(b *testing.B) {
			benchmarkTell(b, func(p actor.Producer) *actor.Props { return actor.PropsFromProducer(p, actor.WithMailbox(mailbox)) })
		})
	}
	b.Run("guarded", func(b *testing.B) {
		benchmarkTell(b, func(p actor.Producer) *actor.Props { return Props(p, PropsOptions{}) })
	})
}

func benchmarkTell(b *testing.B, props func(actor.Producer) *actor.Props) {
	system := realSystem(b)
	done := make(chan struct{})
	var last any = b.N - 1
	pid := system.Root.Spawn(props(fn(func(ctx actor.Context) {
		if ctx.Message() == last {
			close(done)
		}
	})))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		system.Root.Send(pid, i)
	}
	<-done
	b.StopTimer()
	poison(b, system, pid)
}

func BenchmarkIdleActor(b *testing.B) {
	system := realSystem(b)
	props := Props(fn(func(actor.Context) {}), PropsOptions{})
	pids := make([]*actor.PID, 0, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		pids = append(pids, system.Root.Spawn(props))
	}
	b.StopTimer()
	for _, pid := range pids {
		system.Root.Stop(pid)
	}
	poison(b, system, pids...)
}
