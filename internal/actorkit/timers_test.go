package actorkit

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/decay"
)

// tick is what a ticker saw, and when.
type tick struct {
	key   any
	fresh bool
	after time.Duration
}

// ticker runs the functions it is sent and notes its timers' expiries.
func ticker(began time.Time, ticks *journal[tick]) actor.Producer {
	return func() actor.Actor {
		var timers *Timers
		return actor.ReceiveFunc(func(ctx actor.Context) {
			switch message := ctx.Message().(type) {
			case *actor.Started:
				timers = NewTimers(ctx.ActorSystem(), ctx.Self())
			case *actor.Stopping:
				timers.StopAll()
			case func(*Timers):
				message(timers)
			case Expired:
				ticks.add(tick{message.Key, timers.Fresh(message), time.Since(began)})
			case boom:
				panic(message.reason)
			}
		})
	}
}

func TestTimersExpireAtTheExactInstant(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var ticks journal[tick]
		pid := system.Root.Spawn(Props(ticker(time.Now(), &ticks), PropsOptions{}))
		system.Root.Send(pid, func(timers *Timers) {
			timers.Set("week", 7*24*time.Hour)
			timers.Set("second", time.Second)
			timers.Set("negative", -time.Hour)
			timers.Set("stopped", time.Minute)
			timers.Stop("stopped")
			timers.Stop("never set")
			if timers.Len() != 3 {
				t.Errorf("Len = %d, want 3", timers.Len())
			}
		})
		time.Sleep(8 * 24 * time.Hour)
		want := []tick{{"negative", true, 0}, {"second", true, time.Second}, {"week", true, 7 * 24 * time.Hour}}
		if got := ticks.list(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		poison(t, system, pid)
	})
}

// What is due at once comes after what the mailbox holds, never in the middle of
// a message, and not at all when its timer was stopped or set again meanwhile.
func TestTimersWithoutDelaySendAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var ticks journal[tick]
		pid := system.Root.Spawn(Props(ticker(time.Now(), &ticks), PropsOptions{}))
		system.Root.Send(pid, func(timers *Timers) {
			system.Root.Send(pid, func(timers *Timers) {
				if n := len(ticks.list()); n > 0 {
					t.Errorf("%d ticks came before a message that was sent earlier", n)
				}
				timers.Stop("stopped")
				timers.Set("renewed", 0)
			})
			timers.Set("kept", 0)
			timers.Set("stopped", -1)
			timers.Set("renewed", time.Minute)
			timers.Set("renewed", 0)
			if n := len(ticks.list()); n > 0 || timers.Len() != 3 {
				t.Errorf("%d ticks within a message, %d timers", n, timers.Len())
			}
		})
		synctest.Wait()
		want := []tick{{"kept", true, 0}, {"stopped", false, 0}, {"renewed", false, 0}, {"renewed", true, 0}}
		if got := ticks.list(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		poison(t, system, pid)
	})
}

// Actors by the dozen, each with thousands of timers without a delay: as many
// real timers of no delay crash under the race detector.
func TestTimersWithoutDelayByTheThousand(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var pids []*actor.PID
		for range 16 {
			pids = append(pids, system.Root.Spawn(Props(spinner(2000), PropsOptions{})))
		}
		synctest.Wait()
		for _, pid := range pids {
			poison(t, system, pid)
		}
	})
}

// spinner sets a timer without delay each time that it has expired.
func spinner(turns int) actor.Producer {
	return func() actor.Actor {
		var timers *Timers
		return actor.ReceiveFunc(func(ctx actor.Context) {
			switch message := ctx.Message().(type) {
			case *actor.Started:
				timers = NewTimers(ctx.ActorSystem(), ctx.Self())
				timers.Set("spin", 0)
			case Expired:
				if turns--; timers.Fresh(message) && turns > 0 {
					timers.Set("spin", 0)
				}
			}
		})
	}
}

// TestTimersDropStaleTicks blocks the actor while a timer expires, so that the
// tick is in the mailbox when the timer is stopped or set again.
func TestTimersDropStaleTicks(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var ticks journal[tick]
		pid := system.Root.Spawn(Props(ticker(time.Now(), &ticks), PropsOptions{}))
		system.Root.Send(pid, func(timers *Timers) {
			timers.Set("stopped", time.Second)
			timers.Set("renewed", time.Second)
			time.Sleep(2 * time.Second)
			timers.Stop("stopped")
			timers.Set("renewed", 3*time.Second)
		})
		time.Sleep(time.Minute)
		fresh := slices.DeleteFunc(ticks.list(), func(t tick) bool { return !t.fresh })
		if want := []tick{{"renewed", true, 5 * time.Second}}; !slices.Equal(fresh, want) {
			t.Errorf("fresh %v, want %v", fresh, want)
		}
		if len(ticks.list()) != 3 {
			t.Errorf("ticks %v, want 3 of them", ticks.list())
		}
		poison(t, system, pid)
	})
}

func TestTimersTickIsFreshOnce(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		timers := NewTimers(system, actor.NewPID("nonhost", "nobody"))
		timers.Set("a", time.Hour)
		expired := Expired{Key: "a", Generation: 1, owner: timers}
		if !timers.Fresh(expired) || timers.Fresh(expired) {
			t.Error("a tick is fresh exactly once")
		}
		timers.Set("b", time.Hour)
		timers.StopAll()
		if timers.Len() != 0 {
			t.Error("StopAll left a timer")
		}
	})
}

// TestTimersOfAnEarlierIncarnationAreStale restarts an actor: the generations
// of the new incarnation begin anew, and the old tick must not pass for one.
func TestTimersOfAnEarlierIncarnationAreStale(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var ticks journal[tick]
		guardian := NewGuardian(GuardianOptions{Decay: decay.Decay{Min: 10 * time.Second}})
		root := system.Root.Copy().WithGuardian(guardian)
		pid := root.Spawn(Props(ticker(time.Now(), &ticks), PropsOptions{}))
		set := func(timers *Timers) { timers.Set("a", 5*time.Second) }
		system.Root.Send(pid, set)
		system.Root.Send(pid, boom{"x"})
		synctest.Wait()
		system.Root.Send(pid, set)
		time.Sleep(time.Minute)
		want := []tick{{"a", false, 10 * time.Second}, {"a", true, 15 * time.Second}}
		if got := ticks.list(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		poison(t, system, pid)
	})
}
