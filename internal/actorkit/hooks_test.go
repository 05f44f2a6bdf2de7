package actorkit

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/core"
)

// Invoking comes before the message is processed, Effect before each effect,
// Invoked after all.
func TestHooksSeeMessagesAndEffectsInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var log journal[string]
		hooks := &Hooks{
			Invoking: func(msg any) { log.add(fmt.Sprintf("invoking %T", msg)) },
			Effect:   func(effect core.Effect) { log.add(fmt.Sprintf("before %v", effect.(note).text)) },
			Invoked:  func(msg any) { log.add(fmt.Sprintf("invoked %T", msg)) },
		}
		pid := system.Root.Spawn(Props(newStage(&log, time.Now(), nil), PropsOptions{Mailbox: MailboxOptions{Hooks: hooks}}))
		system.Root.Send(pid, script{note{text: "one"}, note{text: "two"}})
		synctest.Wait()
		want := []string{
			"invoking *actor.Started", "invoked *actor.Started", "invoking actorkit.script",
			"before one", "0s one", "before two", "0s two", "invoked actorkit.script",
		}
		if got := log.list(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		poison(t, system, pid)
	})
}

// A panic of Invoking or Effect is a crash of the actor, with its stack.
func TestPanicOfAHookIsACrashOfTheActor(t *testing.T) {
	for name, hooks := range map[string]*Hooks{
		"invoking": {Invoking: func(msg any) {
			if _, ok := msg.(script); ok {
				panic("hook")
			}
		}},
		"effect": {Effect: func(core.Effect) { panic("hook") }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, system *actor.ActorSystem) {
				var crashes journal[string]
				var log journal[string]
				child := Props(newStage(&log, time.Now(), nil), PropsOptions{Mailbox: MailboxOptions{Hooks: hooks}})
				parent := system.Root.Spawn(Props(fn(func(ctx actor.Context) {
					if _, ok := ctx.Message().(*actor.Started); ok {
						ctx.Send(ctx.Spawn(child), script{note{text: "never"}})
					}
				}), PropsOptions{OnChildCrash: func(_ *actor.PID, crash *Crash) {
					crashes.add(fmt.Sprintf("%v %v", crash, len(crash.Stack) > 0))
				}}))
				synctest.Wait()
				if want := []string{"actor crashed on actorkit.script: hook true"}; !slices.Equal(crashes.list(), want) || len(log.list()) != 0 {
					t.Errorf("crashes %q, done %q", crashes.list(), log.list())
				}
				poison(t, system, parent)
			})
		})
	}
}
