package crash_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// busyFor is how long the server of an ordeal asks to be left alone.
const busyFor = 10 * time.Minute

// ordeal is a client whose server refuses three Registers, the second time with a
// Max-Age, then takes the client, and forgets it.
type ordeal struct {
	*systemtest.World
	client *systemtest.Client
	fire   *fire
}

func newOrdeal(t *testing.T, target spot, nth int) *ordeal {
	o := &ordeal{
		World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{}),
		fire:  &fire{seen: map[spot]int{}, target: target, nth: nth},
	}
	o.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
	o.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: messages.InternalServerError})
	o.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{
		Answer: messages.ServiceUnavailable, MaxAge: new(uint32(busyFor / time.Second)),
	})
	o.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: messages.InternalServerError})
	return o
}

// undergo lets the client come through, and judges what its events say.
func (o *ordeal) undergo() {
	o.T.Helper()
	o.client = o.Start(o.NoSec(), lwm2mtest.WithTap(o.fire))
	for registered := false; !registered; {
		select {
		case e := <-o.client.Feed:
			o.client.Seen = append(o.client.Seen, e)
			registered = e.Type == holdfast.EventRegistered
			if e.Type == holdfast.EventError {
				o.client.NetworkUp() // ends no pause that a server asked for
			}
		case <-time.After(2 * busyFor):
			o.T.Fatalf("not registered: %s", o.client.Story())
		}
	}
	_ = o.client.Close(o.T.Context())
	o.client.Story()
	o.judge()
}

// judge demands that no count and no floor has been lost: the attempts are
// numbered without a step back, and none begins within the pause.
func (o *ordeal) judge() {
	o.T.Helper()
	var count uint64
	var pause time.Time
	for _, e := range o.client.Seen {
		switch {
		case e.Type == holdfast.EventRegistered && e.Attempts != count+1:
			o.T.Errorf("registered at attempt %d after %d failures", e.Attempts, count)
		case e.Type == holdfast.EventRegistered:
			count = 0
		case e.Type == holdfast.EventError && e.Server != "" && e.Phase == "register":
			if e.Attempt != count+1 {
				o.T.Errorf("attempt %d follows %d: %s", e.Attempt, count, o.client.Story())
			}
			count = e.Attempt
			if e.Time.Before(pause) {
				o.T.Errorf("an attempt %v before the end of the pause", pause.Sub(e.Time))
			}
			if e.CoAP == "5.03" {
				pause = e.Time.Add(busyFor)
			}
		}
	}
}

// A crash of the supervisor, whatever it is about to do, resets no count, shortens
// no pause and costs no Location.
func TestSupervisorRemembersUnderFire(t *testing.T) {
	spots := map[spot]int{}
	synctest.Test(t, func(t *testing.T) {
		o := newOrdeal(t, spot{}, 0)
		defer o.World.Close()
		o.undergo()
		maps.Copy(spots, o.fire.seen)
	})
	maps.DeleteFunc(spots, func(s spot, _ int) bool {
		// What is emitted or answered is lost with the one that was to do it.
		return s.actor != "supervisor" || strings.HasPrefix(s.message, "*actor.") || s.message == "supervisor.Emit"
	})
	for _, target := range slices.SortedFunc(maps.Keys(spots), func(a, b spot) int { return strings.Compare(a.String(), b.String()) }) {
		for nth := 1; nth <= min(4, spots[target]); nth++ {
			t.Run(fmt.Sprintf("%s/%d", target, nth), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := newOrdeal(t, target, nth)
					defer o.World.Close()
					o.undergo()
				})
			})
		}
	}
}

// epochs is a tap that notes the epoch of every link, and lets the supervisor
// crash whenever a server registers the client.
type epochs struct {
	mu      sync.Mutex
	seen    []messages.Epoch
	crashes int
}

// Message implements lwm2mtest.Tap.
func (e *epochs) Message(actor string, stage lwm2mtest.Stage, message any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if connect, ok := message.(messages.Connect); ok && stage == lwm2mtest.StageInvoking {
		e.seen = append(e.seen, connect.Epoch)
	}
	if _, ok := message.(messages.Registered); ok && stage == lwm2mtest.StageInvoking && e.crashes > 0 {
		e.crashes--
		panic(systemtest.ErrInjected)
	}
}

// Epochs never repeat within the life of a client, however often its supervisor
// is restarted, also when what it remembered is set aside.
func TestEpochsNeverRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		tap := &epochs{crashes: 5}
		c := w.Start(w.NoSec(), lwm2mtest.WithTap(tap))
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
		if len(tap.seen) != 6 {
			t.Fatalf("links %v", tap.seen)
		}
		for i, epoch := range tap.seen {
			if epoch != messages.Epoch(i+1) {
				t.Errorf("link %d has epoch %d: %v", i+1, epoch, tap.seen)
			}
		}
	})
}

// A supervisor that crashes while the client is registered goes on with an Update
// of the Location that the server gave it.
func TestCrashedSupervisorResumesTheRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		tap := systemtest.NewCrashOnce[messages.CallRequest]("supervisor")
		c := w.Start(w.NoSec(), lwm2mtest.WithTap(tap))
		c.Next(holdfast.EventRegistered)
		registers := w.Server.Registers(systemtest.Endpoint)
		systemtest.Rest(time.Hour)
		go func() { _ = c.RegisterUpdate(t.Context()) }() // the call is lost with the supervisor
		e := c.Next(holdfast.EventRegistered)
		if got := w.Server.Registers(systemtest.Endpoint); got != registers || !tap.Done.Load() {
			t.Errorf("%d Registers more, crashed %v", got-registers, tap.Done.Load())
		}
		if lost := e.Time.Sub(e.LostAt); e.LostAt.IsZero() || lost > time.Second {
			t.Errorf("lost at %v", e.LostAt)
		}
		c.ExpectClose(nil)
	})
}
