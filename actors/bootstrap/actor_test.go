package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/goleak"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/alarm"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal notes what the neighbours of the actor receive, with the instant.
type journal struct {
	mu    sync.Mutex
	began time.Time
	lines []string
}

func (j *journal) add(who core.Role, message any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	line := fmt.Sprintf("%v %v: %T", time.Since(j.began), who, message)
	if code, ok := message.(messages.CoAPCode); ok {
		line = fmt.Sprintf("%v %v: %v", time.Since(j.began), who, code)
	}
	j.lines = append(j.lines, line)
}

// neighbours spawns the actors in the other roles. The store takes a while.
func neighbours(system *actor.ActorSystem, j *journal, disk time.Duration) map[core.Role]*actor.PID {
	pids := map[core.Role]*actor.PID{}
	for _, role := range []core.Role{core.Supervisor, core.Link, core.Store} {
		pids[role] = system.Root.Spawn(actorkit.Props(func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if _, lifecycle := ctx.Message().(actor.SystemMessage); lifecycle {
					return
				}
				if _, lifecycle := ctx.Message().(actor.AutoReceiveMessage); lifecycle {
					return
				}
				if reply, ok := ctx.Message().(messages.Reply); ok {
					j.add(role, reply.Code)
				} else {
					j.add(role, ctx.Message())
				}
				if save, ok := ctx.Message().(messages.Save); ok {
					to := ctx.Sender()
					alarm.After(disk, func() { system.Root.Send(to, core.Persisted{Token: save.Token}) })
				}
			})
		}, actorkit.PropsOptions{}))
	}
	return pids
}

// runActor plays inputs to the actor, each after the former has settled, and
// returns what its neighbours saw.
func runActor(t *testing.T, withStore bool, inputs ...any) []string {
	t.Helper()
	var j *journal
	synctest.Test(t, func(t *testing.T) {
		system := actorkit.NewSystem(nil)
		j = &journal{began: time.Now()}
		pids := neighbours(system, j, 20*time.Millisecond)
		route := func(role core.Role, _ messages.Epoch) *actor.PID {
			if role == core.Store && !withStore {
				return nil
			}
			return pids[role]
		}
		pid := system.Root.Spawn(Props(Config{}, route, actorkit.PropsOptions{}))
		for _, in := range inputs {
			if pause, ok := in.(time.Duration); ok {
				time.Sleep(pause)
				continue
			}
			system.Root.Send(pid, in)
			synctest.Wait()
		}
		time.Sleep(time.Second)
		if err := actorkit.PoisonInOrder(context.Background(), system, pid, pids[core.Supervisor], pids[core.Link], pids[core.Store]); err != nil {
			t.Error(err)
		}
		actorkit.Shutdown(system)
		time.Sleep(2 * time.Second)
	})
	return j.lines
}

// wantLines compares without the order between neighbours: each runs on a
// goroutine of its own.
func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// atBubbleStart is begin with a deadline on the bubble's clock.
func atBubbleStart() messages.BeginBootstrap {
	b := begin("1.1", factoryTree())
	b.Deadline = time.Date(2000, 1, 1, 0, 3, 0, 0, time.UTC)
	return b
}

// The answer to Finish leaves after the disk has answered, not before.
func TestActorPersistsBeforeItAnswers(t *testing.T) {
	got := runActor(t, true,
		atBubbleStart(),
		messages.LinkUp{Epoch: epoch},
		messages.Response{Epoch: epoch, ID: 1, Code: messages.Changed},
		messages.Inbound{Epoch: epoch, ID: 5, Code: messages.POST, Path: []string{bs}},
	)
	wantLines(t, got,
		"0s coapresend: messages.Request",
		"0s supervisor: messages.BootstrapStarted",
		"0s store: messages.Save",
		"20ms coapresend: 2.04",
		"20ms supervisor: messages.Bootstrapped")
}

func TestActorTimesOut(t *testing.T) {
	got := runActor(t, true,
		atBubbleStart(),
		messages.LinkUp{Epoch: epoch},
		messages.Response{Epoch: epoch, ID: 1, Code: messages.Changed},
		time.Minute,
		messages.Inbound{Epoch: epoch, ID: 5, Code: messages.DELETE},
		DefaultSilence,
	)
	wantLines(t, got,
		"0s coapresend: messages.Request",
		"0s supervisor: messages.BootstrapStarted",
		"1m0s coapresend: 2.02",
		"5m7s supervisor: messages.Failed")
}

func TestActorWithoutStore(t *testing.T) {
	got := runActor(t, false,
		atBubbleStart(),
		messages.LinkUp{Epoch: epoch},
		messages.Response{Epoch: epoch, ID: 1, Code: messages.Changed},
		messages.Inbound{Epoch: epoch, ID: 5, Code: messages.POST, Path: []string{bs}},
	)
	wantLines(t, got,
		"0s coapresend: messages.Request",
		"0s supervisor: messages.BootstrapStarted",
		"0s coapresend: 5.00",
		"0s supervisor: messages.Failed")
}

// What a server asks for while the disk writes is refused at once, but for another
// Finish: that is answered when it is known what has become of the first.
func TestActorServesWhileItPersists(t *testing.T) {
	got := runActor(t, true,
		atBubbleStart(),
		messages.LinkUp{Epoch: epoch},
		messages.Response{Epoch: epoch, ID: 1, Code: messages.Changed},
		messages.Inbound{Epoch: epoch, ID: 5, Code: messages.POST, Path: []string{bs}},
		5*time.Millisecond,
		messages.Inbound{Epoch: epoch, ID: 6, Code: messages.DELETE},
		5*time.Millisecond,
		messages.Inbound{Epoch: epoch, ID: 7, Code: messages.POST, Path: []string{bs}},
	)
	wantLines(t, got,
		"0s coapresend: messages.Request",
		"0s supervisor: messages.BootstrapStarted",
		"0s store: messages.Save",
		"5ms coapresend: 4.05",
		"20ms coapresend: 4.05",
		"20ms coapresend: 2.04",
		"20ms supervisor: messages.Bootstrapped")
}
