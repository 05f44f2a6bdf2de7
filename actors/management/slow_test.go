package management

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// arrivals are the replies that a link has got, by request ID, with when that was.
type arrivals map[uint64]arrival

type arrival struct {
	code  messages.CoAPCode
	after time.Duration
}

// serveFor has an actor with some objects serve in a bubble, and returns what came of
// it once script has ended. Everything is gone then.
func serveFor(t *testing.T, config Config, script func(tell func(messages.Inbound))) arrivals {
	got := arrivals{}
	synctest.Test(t, func(t *testing.T) {
		system, begun := actorkit.NewSystem(nil), time.Now()
		link := system.Root.Spawn(actorkit.Props(func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if r, is := ctx.Message().(messages.Reply); is {
					got[r.ID] = arrival{r.Code, time.Since(begun)}
				}
			})
		}, actorkit.PropsOptions{}))
		route := func(role core.Role, _ messages.Epoch) *actor.PID {
			if role == core.Link {
				return link
			}
			return nil
		}
		pid := system.Root.Spawn(Props(config, route, actorkit.PropsOptions{}))
		script(func(in messages.Inbound) { system.Root.Send(pid, in) })
		if err := actorkit.PoisonInOrder(context.Background(), system, pid, link); err != nil {
			t.Error(err)
		}
		actorkit.Shutdown(system)
		time.Sleep(2 * time.Second)
	})
	return got
}

// A handler that takes its time, with or without an eye on its context, delays no other
// request: they are answered at the instant at which they come.
func TestSlowHandlersDelayNobody(t *testing.T) {
	patient, stubborn, quick := newShelf(4000, 0), newShelf(4001, 0), newShelf(4002, 0)
	patient.hook = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
	stubborn.hook = func(context.Context, string) error { time.Sleep(time.Hour); return nil }
	leisurely := newShelf(4003, 0)
	leisurely.hook = func(context.Context, string) error { time.Sleep(9 * time.Second); return nil }

	var faults []Fault
	config := Config{Log: func(f Fault) { faults = append(faults, f) }}
	config.Objects = append(config.Objects, patient, stubborn, quick, leisurely)
	got := serveFor(t, config, func(tell func(messages.Inbound)) {
		for id, path := range []string{"/4000/0/1", "/4001/0/1", "/4002/0/1", "/4003/0/1", "/3/0/0"} {
			tell(at(request(messages.GET, path), uint64(id), uint16(1+id%2)))
		}
		time.Sleep(2 * time.Hour)
		tell(at(request(messages.GET, "/4002/0/1"), 5, 1))
		synctest.Wait()
	})
	for id, want := range map[uint64]arrival{
		0: {messages.InternalServerError, 10 * time.Second},
		1: {messages.InternalServerError, 10 * time.Second},
		2: {messages.Content, 0},
		3: {messages.Content, 9 * time.Second},
		4: {messages.Content, 0},
		5: {messages.Content, 2 * time.Hour},
	} {
		if got[id] != want {
			t.Errorf("request %d: %v, want %v", id, got[id], want)
		}
	}
	if len(faults) != 2 {
		t.Errorf("logged: %v", faults)
	}
}

// The end of the actor is the end of every handler's context.
func TestHandlersEndWithTheActor(t *testing.T) {
	s := newShelf(4000, 0)
	var ended error
	s.hook = func(ctx context.Context, _ string) error {
		<-ctx.Done()
		ended = ctx.Err()
		return ended
	}
	config := Config{}
	config.Objects = append(config.Objects, s)
	serveFor(t, config, func(tell func(messages.Inbound)) {
		tell(slowRead)
		time.Sleep(time.Second)
	})
	if !errors.Is(ended, context.Canceled) {
		t.Errorf("it ended with %v", ended)
	}
}
