package management

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/goleak"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inbox is what one neighbour received, but for protoactor's own messages.
type inbox struct {
	mu  sync.Mutex
	got []any
}

func (b *inbox) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case messages.Reply, messages.UpdateTriggered:
		b.mu.Lock()
		defer b.mu.Unlock()
		b.got = append(b.got, message)
	}
}

// Two links ask the one actor; each gets its own answer, whoever sent the
// request.
func TestActorAnswersTheLinkThatAsked(t *testing.T) {
	var first, second, supervisor inbox
	synctest.Test(t, func(t *testing.T) {
		system := actorkit.NewSystem(nil)
		spawn := func(b *inbox) *actor.PID {
			return system.Root.Spawn(actorkit.Props(func() actor.Actor { return b }, actorkit.PropsOptions{}))
		}
		one, two, boss := spawn(&first), spawn(&second), spawn(&supervisor)
		pid := system.Root.Spawn(Props(Config{}, func(role core.Role, epoch messages.Epoch) *actor.PID {
			if role == core.Supervisor {
				return boss
			}
			return map[messages.Epoch]*actor.PID{4: one, 5: two}[epoch]
		}, actorkit.PropsOptions{}))

		system.Root.Send(pid, messages.ModelChanged{Tree: model(true)})
		system.Root.Send(pid, request(messages.POST, "/1/0/8"))
		other := request(messages.GET, "/3/0")
		other.ID, other.Epoch = 18, 5
		system.Root.Send(pid, other)

		if err := actorkit.PoisonInOrder(context.Background(), system, pid, one, two, boss); err != nil {
			t.Error(err)
		}
		actorkit.Shutdown(system)
		time.Sleep(2 * time.Second)
	})
	if ids := replies(first.got); !slices.Equal(ids, []uint64{17}) {
		t.Errorf("the first link got %v", first.got)
	}
	if ids := replies(second.got); !slices.Equal(ids, []uint64{18}) {
		t.Errorf("the second link got %v", second.got)
	}
	if len(supervisor.got) != 1 {
		t.Errorf("the supervisor got %v", supervisor.got)
	}
}

func replies(got []any) []uint64 {
	var ids []uint64
	for _, message := range got {
		if reply, ok := message.(messages.Reply); ok {
			ids = append(ids, reply.ID)
		}
	}
	return ids
}
