package actorkit

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// note is an effect of the test actors: write text to the log.
type note struct {
	core.Marker
	text string
}

// feed is an effect that makes the executor give another input.
type feed struct {
	core.Marker
	input any
}

// unknown is an effect that no one handles.
type unknown struct{ core.Marker }

// script is an input that brings its effects along.
type script []core.Effect

// stage is an actor whose machine does what its inputs say. It writes inputs
// and effects down, each with the instant.
type stage struct {
	log   *journal[string]
	began time.Time
	shell *Shell
}

func newStage(log *journal[string], began time.Time, route Route) actor.Producer {
	return func() actor.Actor {
		s := &stage{log: log, began: began}
		s.shell = NewShell(ShellOptions{Machine: s, Executor: s, Route: route})
		return s
	}
}

func (s *stage) Receive(ctx actor.Context) { s.shell.Receive(ctx) }

func (s *stage) Step(now time.Time, input any) []core.Effect {
	if effects, ok := input.(script); ok {
		return effects
	}
	s.write(now, "in %T%v", input, input)
	return nil
}

func (s *stage) Run(ctx actor.Context, effect core.Effect) bool {
	switch effect := effect.(type) {
	case note:
		s.write(time.Now(), "%s", effect.text)
	case feed:
		s.shell.Input(ctx, effect.input)
		s.write(time.Now(), "fed")
	default:
		return false
	}
	return true
}

func (s *stage) write(now time.Time, format string, args ...any) {
	s.log.add(fmt.Sprintf("%v ", now.Sub(s.began)) + fmt.Sprintf(format, args...))
}

// play spawns a stage, sends it the steps, a time.Duration being a pause, and
// compares the log.
func play(t *testing.T, steps []any, want ...string) {
	t.Helper()
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var log journal[string]
		store := system.Root.Spawn(Props(newShelf, PropsOptions{}))
		pid := system.Root.Spawn(Props(newStage(&log, time.Now(), routeToStore(store)), noteSaves(&log, time.Now())))
		for _, step := range steps {
			switch step := step.(type) {
			case time.Duration:
				time.Sleep(step)
			case answer:
				synctest.Wait()
				system.Root.Send(store, step)
				synctest.Wait()
			default:
				system.Root.Send(pid, step)
			}
		}
		synctest.Wait()
		poison(t, system, pid, store)
		if got := log.list(); !slices.Equal(got, want) {
			t.Errorf("got\n%q\nwant\n%q", got, want)
		}
	})
}

func TestShellRunsEffectsInOrder(t *testing.T) {
	play(t, []any{script{note{text: "a"}, note{text: "b"}}, script{note{text: "c"}}, "hello"},
		"0s a", "0s b", "0s c", "0s in stringhello")
}

func TestShellTimers(t *testing.T) {
	set := func(name string, after time.Duration) core.Effect {
		return core.SetTimer{Timer: core.Timer{Name: name}, After: after}
	}
	play(t, []any{
		script{set("a", time.Second), set("b", 2*time.Second), set("c", 3*time.Second), set("d", -1)},
		script{core.StopTimer{Timer: core.Timer{Name: "b"}}, set("c", 4*time.Second), core.StopTimer{Timer: core.Timer{Name: "never set"}}},
		time.Minute,
	},
		"0s in core.Expired{d}", "1s in core.Expired{a}", "4s in core.Expired{c}")
}

func TestShellKeepsOrderWhenAnExecutorGivesInput(t *testing.T) {
	play(t, []any{
		script{feed{input: script{note{text: "nested"}}}, note{text: "first"}},
	},
		"0s fed", "0s first", "0s nested")
}

func TestShellIgnoresTheLifecycle(t *testing.T) {
	play(t, []any{&actor.DeadLetterResponse{}, &actor.Terminated{}})
}

func TestShellTellsByRole(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var log journal[string]
		var heard journal[any]
		link := system.Root.Spawn(Props(fn(func(ctx actor.Context) {
			if text, ok := ctx.Message().(string); ok {
				heard.add(text)
			}
		}), PropsOptions{}))
		route := func(role core.Role, _ messages.Epoch) *actor.PID {
			if role == core.Link {
				return link
			}
			return nil
		}
		pid := system.Root.Spawn(Props(newStage(&log, time.Now(), route), PropsOptions{}))
		system.Root.Send(pid, script{
			core.Tell{To: core.Link, Message: "one"},
			core.Tell{To: core.Network, Message: "lost"},
			core.Tell{To: core.Link, Message: "two"},
			note{text: "done"},
		})
		poison(t, system, pid, link)
		if want := []any{"one", "two"}; !slices.Equal(heard.list(), want) {
			t.Errorf("heard %v, want %v", heard.list(), want)
		}
		if want := []string{"0s done"}; !slices.Equal(log.list(), want) {
			t.Errorf("log %v, want %v", log.list(), want)
		}
	})
}

func TestShellPanicsOverAnUnknownEffect(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var log journal[string]
		var crashes journal[*Crash]
		guardian := NewGuardian(GuardianOptions{
			OnCrash: func(_ *actor.PID, crash *Crash, _ time.Duration, _ bool) { crashes.add(crash) },
		})
		root := system.Root.Copy().WithGuardian(guardian)
		pid := root.Spawn(Props(newStage(&log, time.Now(), nil), PropsOptions{}))
		system.Root.Send(pid, script{unknown{}})
		system.Root.Send(pid, script{note{text: "next incarnation"}})
		time.Sleep(time.Second)
		var unhandled *UnhandledEffect
		if len(crashes.list()) != 1 || !errors.As(crashes.list()[0], &unhandled) {
			t.Fatalf("crashes %v", crashes.list())
		}
		if want := "no one handles the effect actorkit.unknown"; unhandled.Error() != want {
			t.Errorf("Error() = %q, want %q", unhandled, want)
		}
		if want := []string{"100ms next incarnation"}; !slices.Equal(log.list(), want) {
			t.Errorf("log %v, want %v", log.list(), want)
		}
		poison(t, system, pid)
	})
}

func TestShellClosesWithItsActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal[string]
		var deadLetters journal[any]
		system := NewSystem(nil)
		system.EventStream.Subscribe(func(event any) {
			if letter, ok := event.(*actor.DeadLetterEvent); ok {
				deadLetters.add(letter.Message)
			}
		})
		store := system.Root.Spawn(Props(newShelf, PropsOptions{})) // it never answers
		pid := system.Root.Spawn(Props(newStage(&log, time.Now(), routeToStore(store)), PropsOptions{}))
		system.Root.Send(pid, script{
			core.SetTimer{Timer: core.Timer{Name: "a"}, After: time.Second}, core.Persist{Token: 1}, note{text: "held"},
		})
		poison(t, system, pid)
		time.Sleep(time.Hour)
		poison(t, system, store)
		if len(deadLetters.list()) != 0 {
			t.Errorf("timers went on: %v", deadLetters.list())
		}
		if len(log.list()) != 0 {
			t.Errorf("log %v", log.list())
		}
		Shutdown(system)
		time.Sleep(2 * time.Second)
	})
}
