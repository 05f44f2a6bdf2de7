package supervisor

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// exile is a client whose two servers disable their accounts at any time, while
// everything else happens to it that may happen. It knows until when it has to stay
// away from each.
type exile struct {
	*driver
	r     *rapid.T
	until map[messages.Peer]time.Time
}

func newExile(t *testing.T, r *rapid.T) *exile {
	d := running(t, serverAccount(t, server(1), 0), serverAccount(t, server(2), 1))
	return &exile{driver: d, r: r, until: map[messages.Peer]time.Time{}}
}

// act does one thing, as far as it is possible.
func (e *exile) act() {
	id := server(uint16(rapid.IntRange(1, 2).Draw(e.r, "server")))
	switch rapid.SampledFrom([]string{
		"register", "register", "fail", "disable", "disable", "write", "leave", "left without an answer", "pass", "pass",
		"hint", "reconnect", "sleep", "clock", "pause", "crash", "reboot", "disk", "word", "word",
	}).Draw(e.r, "act") {
	case "register":
		if e.machine.accounts.of(id).attempting() {
			e.register(id)
		}
	case "fail":
		if a := e.machine.accounts.of(id); a.attempting() || a.stage == stageRegistered {
			e.fail(id, refused)
		}
	case "disable":
		e.disable(id)
	case "write":
		if e.machine.accounts.of(id).stage == stageRegistered {
			e.put(id, "/1/"+string(rune('0'+id.ID-1))+"/5", lwm2m.Integer(rapid.Int64Range(0, 2*86400).Draw(e.r, "timeout")))
		}
	case "word":
		e.word(id)
	case "leave":
		e.leave(id, nil)
	case "left without an answer":
		e.leave(id, &messages.Failure{Class: messages.ClassSilence, Phase: messages.PhaseClose})
	case "pass":
		e.pass()
	case "hint":
		e.step(messages.NetworkUp{})
	case "reconnect":
		e.call(messages.CallReconnect)
	case "sleep":
		e.sleep()
	case "clock":
		e.step(messages.ClockStepped{})
	case "pause":
		e.call(messages.CallPause)
		e.pass()
		e.call(messages.CallResume)
	case "crash":
		e.crash()
	case "reboot":
		e.restart(&Memory{})
	case "disk":
		if e.disk = nil; rapid.Bool().Draw(e.r, "works") {
			return
		}
		if len(e.until) == 0 { // else a reboot would not know of a pause
			e.disk = errors.New("no space")
		}
	}
}

func (e *exile) disable(id messages.Peer) {
	a := e.machine.accounts.of(id)
	if a.stage != stageRegistered || e.disk != nil {
		return
	}
	timeout := min(max(or(a.Disable, defaultDisabled), leastDisabled), longestDisabled)
	e.until[id] = e.now.Add(timeout)
	e.driver.disable(id)
}

func (e *exile) leave(id messages.Peer, f *messages.Failure) {
	if e.machine.accounts.of(id).stage == stageDisabling {
		e.step(messages.Deregistered{Epoch: e.epoch(id), Failure: f})
	}
}

// word has the actors of an account say what has become of a request that may have been
// under way when its server sent it away.
func (e *exile) word(id messages.Peer) {
	a := e.machine.accounts.of(id)
	if a.stage != stageRegistered && a.stage != stageDisabling {
		return
	}
	r := messages.Registration{Location: []string{"rd", "2"}, Version: "1.1", Lifetime: 24 * time.Hour, Accepted: e.now}
	switch rapid.SampledFrom([]string{"updated", "anew", "registered"}).Draw(e.r, "word") {
	case "updated":
		e.step(messages.Updated{Epoch: e.epoch(id), Registration: r})
	case "anew":
		e.step(messages.Reregistering{Epoch: e.epoch(id)})
	case "registered":
		e.step(messages.Registered{Epoch: e.epoch(id), Registration: r})
	}
}

func (e *exile) sleep() {
	slept := time.Duration(rapid.IntRange(0, 3600).Draw(e.r, "slept")) * time.Second
	for id, until := range e.until {
		e.until[id] = until.Add(-slept)
	}
	e.step(messages.Woke{Slept: slept})
}

// pass lets time pass to the next timer, or not so far.
func (e *exile) pass() {
	timer, at := e.soonest()
	if timer.Name == "" {
		return
	}
	if rapid.Bool().Draw(e.r, "before it") && at.After(e.now) {
		e.now = e.now.Add(at.Sub(e.now) / 2)
		return
	}
	if timer == timerLoad {
		delete(e.timers, timer)
		return
	}
	e.timers[timer] = later(at, e.now)
	e.fire(timer)
}

// check demands that nothing has begun within a pause, that each is over in time, and
// that nobody is forgotten.
func (e *exile) check(begun map[messages.Epoch]bool) {
	for epoch, id := range e.live {
		if !begun[epoch] && e.began[epoch].Before(e.until[id]) {
			e.r.Fatalf("an attempt at %s at %v, which is to be left alone until %v", id, e.began[epoch], e.until[id])
		}
		begun[epoch] = true
	}
	for _, a := range e.machine.accounts {
		id := a.Peer
		s := e.status(id)
		if !s.DisabledUntil.IsZero() && s.DisabledUntil.Sub(e.now) > longestDisabled {
			e.r.Fatalf("%s is disabled until %v", id, s.DisabledUntil)
		}
		if _, waits := e.timers[waitTimer(id)]; !waits && a.epoch == 0 {
			e.r.Fatalf("%s is %s, and nothing will come", id, a.stage)
		}
		if a.stage == stageDisabling && e.timers[guardTimer(id)].IsZero() {
			e.r.Fatalf("%s hangs on its de-registration", id)
		}
	}
}

// Whatever happens meanwhile, no server is contacted before the pause that it has asked
// for is over, and every one is when it is.
func TestNothingContactsADisabledServer(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		e := newExile(t, r)
		begun := map[messages.Epoch]bool{}
		for range rapid.IntRange(5, 60).Draw(r, "acts") {
			e.act()
			e.check(begun)
		}
		for range 50 { // everything goes well from now on
			for _, a := range e.machine.accounts {
				id := a.Peer
				if a.attempting() {
					e.register(id)
				}
				e.leave(id, nil)
			}
			if timer, at := e.soonest(); timer.Name != "" && timer != (core.Timer{Name: "load"}) {
				e.timers[timer] = later(at, e.now)
				e.fire(timer)
			} else {
				delete(e.timers, timer)
			}
			e.check(begun)
		}
		if e.machine.state != messages.StateRegistered {
			r.Fatalf("the client is %s in the end", e.machine.state)
		}
	})
}
