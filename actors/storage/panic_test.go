package storage

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// A panic at the disk or in a file is a crash of the actor, not of the process.
func TestPanicAtTheDiskIsACrashOfTheActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken invariant")
		sources := Sources{
			Records: &slowDisk{loaded: store.ErrNotExist},
			Factory: func() (*lwm2m.Tree, error) { panic(broken) },
		}
		crashes := make(chan *actorkit.Crash, 1)
		system := actorkit.NewSystem(nil)
		parent := system.Root.Spawn(actorkit.Props(func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if _, started := ctx.Message().(*actor.Started); started {
					ctx.Request(ctx.Spawn(Props(sources, actorkit.PropsOptions{})), messages.LoadAccounts{Token: 1})
				}
			})
		}, actorkit.PropsOptions{OnChildCrash: func(_ *actor.PID, crash *actorkit.Crash) { crashes <- crash }}))
		crash := <-crashes
		if !errors.Is(crash, broken) || len(crash.Stack) == 0 || crash.MessageType != "messages.LoadAccounts" {
			t.Errorf("%+v", crash)
		}
		if err := actorkit.StopInOrder(context.Background(), system, parent); err != nil {
			t.Error(err)
		}
		actorkit.Shutdown(system)
		time.Sleep(2 * time.Second)
	})
}
