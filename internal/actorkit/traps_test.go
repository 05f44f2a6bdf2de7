package actorkit

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/decay"
)

// The tests of this file are named after protoactor's traps (the package
// comment lists them). Each shows that this package avoids one.

// counting counts what an ordinary dispatcher schedules.
type counting struct {
	actor.Dispatcher
	scheduled atomic.Int64
}

func newCounting() *counting {
	return &counting{Dispatcher: actor.NewDefaultDispatcher(300)}
}

func (c *counting) Schedule(f func()) {
	c.scheduled.Add(1)
	c.Dispatcher.Schedule(f)
}

// TestTrap01FullMailboxNeverBlocksSender fills the mailbox of an actor that
// does not read, from outside and from the actor itself.
func TestTrap01FullMailboxNeverBlocksSender(t *testing.T) {
	const capacity, sent = 8, 1000
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var handled journal[any]
		var drops atomic.Uint64
		release := make(chan struct{})
		pid := system.Root.Spawn(Props(fn(func(ctx actor.Context) {
			switch message := ctx.Message().(type) {
			case chan struct{}:
				<-message
				for i := range sent {
					ctx.Send(ctx.Self(), datagram(i)) // full: must not deadlock
				}
			case datagram, string:
				handled.add(message)
			}
		}), PropsOptions{Mailbox: MailboxOptions{
			Capacity:  capacity,
			Droppable: isDatagram,
			OnDrop:    func(_ any, dropped uint64) { drops.Store(dropped) },
		}}))
		system.Root.Send(pid, release)
		synctest.Wait()
		began := time.Now()
		for i := range sent {
			system.Root.Send(pid, datagram(i))
			system.Root.Send(pid, fmt.Sprint("control ", i))
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the sender was blocked for %v", waited)
		}
		close(release)
		poison(t, system, pid)
		// Four datagrams and four control messages fill it; then only
		// control messages are accepted.
		if want := uint64(2*sent - capacity/2); drops.Load() != want {
			t.Errorf("%d drops, want %d", drops.Load(), want)
		}
		if want := sent + capacity/2; len(handled.list()) != want {
			t.Errorf("%d handled, want %d", len(handled.list()), want)
		}
	})
}

// TestTrap02AfterDropsTheIdleMailboxRests counts how often the mailbox is
// scheduled: never without a message.
func TestTrap02AfterDropsTheIdleMailboxRests(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		dispatcher := newCounting()
		pid := system.Root.Spawn(Props(fn(func(ctx actor.Context) {
			if wait, ok := ctx.Message().(time.Duration); ok {
				time.Sleep(wait)
			}
		}), PropsOptions{Mailbox: MailboxOptions{Capacity: 2, Droppable: isDatagram}},
			actor.WithDispatcher(dispatcher)))
		system.Root.Send(pid, time.Second)
		for i := range 100 {
			system.Root.Send(pid, datagram(i))
		}
		time.Sleep(2 * time.Second)
		before := dispatcher.scheduled.Load()
		time.Sleep(24 * time.Hour)
		poison(t, system, pid)
		time.Sleep(24 * time.Hour)
		// One for the poison pill, one for the Watch of the test, if they
		// did not come together.
		if more := dispatcher.scheduled.Load() - before; more > 2 {
			t.Errorf("scheduled %d times while idle and stopping", more)
		}
	})
}

// TestTrap02SuspendedMailboxRests posts to an actor that failed: no wake-up
// before its restart.
func TestTrap02SuspendedMailboxRests(t *testing.T) {
	box, _, dispatcher := newTestMailbox(MailboxOptions{})
	box.PostSystemMessage(&actor.SuspendMailbox{})
	dispatcher.run()
	for i := range 10 {
		box.PostUserMessage(i)
	}
	if len(dispatcher.scheduled) != 0 {
		t.Error("a user message woke a suspended mailbox up")
	}
	box.PostSystemMessage(&actor.ResumeMailbox{})
	dispatcher.run()
	if box.UserMessageCount() != 0 {
		t.Error("messages are left after the resume")
	}
}

// TestTrap07WhatAStopAndARestartLose pins down what the actors' protocols must
// cope with: a stop loses what is queued, a restart only the failing message.
func TestTrap07WhatAStopAndARestartLose(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var handled journal[int]
		var pid *actor.PID
		root := system.Root.Copy().WithGuardian(NewGuardian(GuardianOptions{}))
		pid = root.Spawn(Props(fn(func(ctx actor.Context) {
			switch message := ctx.Message().(type) {
			case int:
				handled.add(message)
			case boom:
				panic(message.reason)
			case time.Duration:
				time.Sleep(message)
			}
		}), PropsOptions{}))
		for _, message := range []any{time.Second, 1, boom{"x"}, 2, time.Hour, 3} {
			system.Root.Send(pid, message)
		}
		time.Sleep(time.Minute)
		if got := handled.list(); !slices.Equal(got, []int{1, 2}) {
			t.Errorf("handled %v, want [1 2]", got)
		}
		if err := StopInOrder(t.Context(), system, pid); err != nil {
			t.Error(err)
		}
		if got := handled.list(); !slices.Equal(got, []int{1, 2}) {
			t.Errorf("handled %v after the stop, want [1 2]", got)
		}
	})
}

// TestTrap09TheDelayDoublesToTheCap crashes a root actor at every start and
// asserts the instants of the restarts; the pure part has its own tests.
func TestTrap09TheDelayDoublesToTheCap(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var starts journal[time.Duration]
		began := time.Now()
		guardian := NewGuardian(GuardianOptions{Decay: decay.Decay{Min: time.Second, Max: 8 * time.Second}})
		pid := system.Root.Copy().WithGuardian(guardian).Spawn(Props(fn(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); ok {
				starts.add(time.Since(began) / time.Second)
				panic("at start")
			}
		}), PropsOptions{}))
		time.Sleep(40 * time.Second)
		guardian.Stop()
		if want := []time.Duration{0, 1, 3, 7, 15, 23, 31, 39}; !slices.Equal(starts.list(), want) {
			t.Errorf("started after %v s, want %v", starts.list(), want)
		}
		if err := StopInOrder(t.Context(), system, pid); err != nil {
			t.Error(err)
		}
	})
}

// TestTrap10ARootActorIsRestartedForEver lets one fail for a week.
func TestTrap10ARootActorIsRestartedForEver(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var starts, crashes, repeats atomic.Int32
		guardian := NewGuardian(GuardianOptions{
			Decay: decay.Decay{Max: time.Minute},
			OnCrash: func(_ *actor.PID, crash *Crash, delay time.Duration, repeated bool) {
				crashes.Add(1)
				if repeated {
					repeats.Add(1)
				}
				if delay > time.Minute || crash.Reason != "at start" {
					t.Errorf("delay %v, crash %v", delay, crash)
				}
				panic("a careless callback")
			},
		})
		pid := system.Root.Spawn(Props(fn(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); ok {
				starts.Add(1)
				panic("at start")
			}
		}), PropsOptions{}, actor.WithGuardian(guardian)))
		time.Sleep(7 * 24 * time.Hour)
		n := starts.Load()
		if n < 7*24*60 || crashes.Load() != n || repeats.Load() != n-2 {
			t.Errorf("%d starts, %d crashes, %d repeated", n, crashes.Load(), repeats.Load())
		}
		if err := StopInOrder(t.Context(), system, pid); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		if starts.Load() != n {
			t.Error("restarted after it was stopped")
		}
	})
}

func TestTrap11ShutdownMayBeCalledAgain(t *testing.T) {
	system := realSystem(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() { Shutdown(system) })
	}
	wait.Wait()
	if !system.IsStopped() {
		t.Error("not stopped")
	}
}

func TestTrap12NoMetricsProvider(t *testing.T) {
	if realSystem(t).Config.MetricsProvider != nil {
		t.Error("there is a metrics provider")
	}
}

// TestTrap14HooksBelongToOneActorAndSeeTheFailingMessage spawns two actors
// from different Props with their own hooks.
func TestTrap14HooksBelongToOneActorAndSeeTheFailingMessage(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		seen := make(map[string]*journal[any])
		root := system.Root.Copy().WithGuardian(NewGuardian(GuardianOptions{}))
		for _, name := range []string{"a", "b"} {
			seen[name] = &journal[any]{}
			options := PropsOptions{Mailbox: MailboxOptions{Hooks: &Hooks{Invoked: seen[name].add}}}
			pid, err := root.SpawnNamed(Props(fn(func(ctx actor.Context) {
				if message, ok := ctx.Message().(boom); ok {
					panic(message.reason)
				}
			}), options), name)
			if err != nil {
				t.Fatal(err)
			}
			defer poison(t, system, pid)
			system.Root.Send(pid, name)
			system.Root.Send(pid, boom{name})
		}
		time.Sleep(time.Second)
		for name, journal := range seen {
			user := slices.DeleteFunc(journal.list(), func(message any) bool {
				_, lifecycle := message.(actor.SystemMessage)
				return lifecycle
			})
			if want := []any{name, boom{name}}; !slices.Equal(user, want) {
				t.Errorf("%s: invoked %v, want %v", name, user, want)
			}
		}
	})
}

// TestTrap15ACrashCarriesReasonAndStack follows a panic to the parent.
func TestTrap15ACrashCarriesReasonAndStack(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var crashes journal[*Crash]
		parent := system.Root.Spawn(Props(fn(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); ok {
				child := ctx.Spawn(Props(fn(explode), PropsOptions{}))
				ctx.Send(child, boom{fmt.Errorf("wrapped: %w", io.ErrUnexpectedEOF)})
			}
		}), PropsOptions{OnChildCrash: func(_ *actor.PID, crash *Crash) { crashes.add(crash) }}))
		synctest.Wait()
		if len(crashes.list()) != 1 {
			t.Fatalf("%d crashes, want 1", len(crashes.list()))
		}
		crash := crashes.list()[0]
		if !errors.Is(crash, io.ErrUnexpectedEOF) {
			t.Errorf("errors.Is does not see the reason of %v", crash)
		}
		if !strings.Contains(string(crash.Stack), "actorkit.explode") {
			t.Errorf("the stack does not name the function that panicked:\n%s", crash.Stack)
		}
		if crash.MessageType != "actorkit.boom" {
			t.Errorf("MessageType = %q", crash.MessageType)
		}
		poison(t, system, parent)
	})
}

func explode(ctx actor.Context) {
	if message, ok := ctx.Message().(boom); ok {
		panic(message.reason)
	}
}

// TestCrashLoopUnderRandomFailures is the soak: ten actors that crash at
// random, from anywhere in their life, are all alive in the end.
func TestCrashLoopUnderRandomFailures(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		random := rand.New(rand.NewPCG(1, 2))
		guardian := NewGuardian(GuardianOptions{Decay: decay.Decay{Max: time.Second}})
		root := system.Root.Copy().WithGuardian(guardian)
		var pids []*actor.PID
		var alive journal[*actor.PID]
		for range 10 {
			pids = append(pids, root.Spawn(Props(fn(func(ctx actor.Context) {
				switch ctx.Message().(type) {
				case boom, *actor.Restarting, *actor.Stopping, *actor.Stopped:
					panic("any time")
				case string:
					alive.add(ctx.Self())
				}
			}), PropsOptions{})))
		}
		for range 1000 {
			system.Root.Send(pids[random.IntN(len(pids))], boom{})
			time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		}
		time.Sleep(time.Hour)
		for _, pid := range pids {
			system.Root.Send(pid, "are you there?")
		}
		poison(t, system, pids...)
		if len(alive.list()) != len(pids) {
			t.Errorf("%d of %d alive", len(alive.list()), len(pids))
		}
	})
}
