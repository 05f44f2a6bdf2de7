package actorkit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/messages"
)

// A ping is answered by the shell, also while effects wait for the store, and
// more often than anybody listens; the machine sees nothing of it.
func TestShellAnswersPings(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		answer := make(chan struct{}, 1)
		var log journal[string]
		store := system.Root.Spawn(Props(newShelf, PropsOptions{}))
		pid := system.Root.Spawn(Props(newStage(&log, time.Now(), routeToStore(store)), noteSaves(&log, time.Now())))
		for _, message := range []any{messages.Ping{Answer: answer}, script{persist(1, "a")}, messages.Ping{Answer: answer}} {
			system.Root.Send(pid, message)
			synctest.Wait()
			if _, waits := message.(script); !waits && len(answer) != 1 {
				t.Error("no answer")
			}
		}
		<-answer
		system.Root.Send(pid, messages.Ping{Answer: answer})
		<-answer
		poison(t, system, pid, store)
		if got := log.list(); len(got) != 1 || got[0] != "0s save 1a" {
			t.Errorf("%q", got)
		}
	})
}
