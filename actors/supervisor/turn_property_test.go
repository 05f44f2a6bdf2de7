package supervisor

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// siege is a client whose accounts and retry resources an attacker has written,
// and whose attempts all fail.
type siege struct {
	*driver
	r    *rapid.T
	tree *lwm2m.Tree
	n    int
}

// Extremes of what a server may write.
var (
	extremeCounts = []uint64{0, 1, 2, 3, 5, 1<<32 - 1, 1<<64 - 1}
	extremeTimers = []uint64{0, 1, 2, 3, 60, 86400, 1<<32 - 1, 1<<64 - 1}
)

func newSiege(t *testing.T, r *rapid.T) *siege {
	s := &siege{driver: newDriver(t), r: r}
	s.n = rapid.SampledFrom([]int{1, 2, 8, 30}).Draw(r, "accounts")
	var boot []messages.Account
	if rapid.Bool().Draw(r, "bootstrap account") {
		boot = append(boot, bootstrapAccount(t))
		s.factory = accounts.ToTree(boot)
	}
	s.tree = armed(t, s.n, boot...)
	shared := rapid.Bool().Draw(r, "one address")
	for i := range uint16(s.n) {
		s.write(i)
		if shared {
			s.tree.PutResource(0, i+uint16(len(boot)), lwm2m.Resource{ID: 0, Value: lwm2m.String("coaps://192.0.2.9")})
		}
	}
	s.machine.config.MaxAccounts = 1000
	s.machine.config.PolicyKind = rapid.SampledFrom([]PolicyKind{PolicyAuto, PolicyExponential, PolicyLwM2M}).Draw(r, "policy")
	s.step(messages.Start{})
	s.loaded(s.tree, nil)
	return s
}

// write draws the resources /1/x/13 to 20.
func (s *siege) write(inst uint16) {
	set := func(id uint16, v lwm2m.Value) { s.tree.PutResource(1, inst, lwm2m.Resource{ID: id, Value: v}) }
	number := func(id uint16, from []uint64) { set(id, lwm2m.Unsigned(rapid.SampledFrom(from).Draw(s.r, "number"))) }
	number(17, extremeCounts)
	number(18, extremeTimers)
	number(19, extremeTimers)
	number(20, extremeCounts)
	if rapid.Bool().Draw(s.r, "ordered") {
		number(13, []uint64{0, 1, 2})
		set(15, lwm2m.Boolean(rapid.Bool().Draw(s.r, "blocks")))
	}
	if rapid.Bool().Draw(s.r, "delayed") {
		number(14, []uint64{0, 1, 3600})
	}
	set(16, lwm2m.Boolean(rapid.Bool().Draw(s.r, "bootstrap on failure")))
}

// failures of an attempt, and how long it takes.
var besieged = []struct {
	failure messages.Failure
	takes   time.Duration
	usable  bool
}{
	{refused, 0, false},
	{messages.Failure{Class: messages.ClassTimeout, Phase: messages.PhaseRegister}, 3 * time.Minute, false},
	{messages.Failure{Class: messages.ClassHandshakeStalled, Phase: messages.PhaseRegister}, time.Second, false},
	{messages.Failure{Class: messages.ClassCredentialsRefused, Phase: messages.PhaseRegister}, 0, false},
	{rejectedWith(messages.InternalServerError, messages.PhaseRegister), 0, false},
	{rejectedWith(messages.Forbidden, messages.PhaseRegister), 0, false},
	{rejectedWith(messages.ServiceUnavailable, messages.PhaseRegister), 0, false},
	{rejectedWith(messages.InternalServerError, messages.PhaseUpdate), 0, true},
	{rejectedWith(messages.NotFound, messages.PhaseUpdate), 0, true},
	{messages.Failure{Class: messages.ClassSilence, Phase: messages.PhaseRegistered}, 0, false},
	{messages.Failure{Class: messages.ClassCrash, Phase: messages.PhaseRegister}, 0, false},
}

// attempt lets the attempt of an account fail, or a bootstrap deliver what is
// there already.
func (s *siege) attempt(id messages.Peer) {
	how := rapid.SampledFrom(besieged).Draw(s.r, "failure")
	if id == messages.BootstrapPeer() {
		if rapid.Bool().Draw(s.r, "bootstraps") {
			s.bootstrap(s.tree)
			return
		}
		how.failure.Phase, how.usable = messages.PhaseBootstrap, false
	}
	if how.takes > 0 && s.n < 8 { // else the others would have to go on meanwhile
		s.now = s.now.Add(how.takes)
	}
	if s.machine.accounts.of(id) != nil && !s.idle(id) {
		s.report(id, how.failure, how.usable)
	}
}

// attempting returns the accounts of which an attempt is under way.
func (s *siege) attempting() (ids []messages.Peer) {
	for _, a := range s.machine.accounts {
		if a.attempting() {
			ids = append(ids, a.Peer)
		}
	}
	return ids
}

// nudge is what an application, a person or the network does.
func (s *siege) nudge() {
	switch rapid.IntRange(0, 30).Draw(s.r, "nudge") {
	case 0:
		s.step(messages.NetworkUp{})
	case 1:
		s.call(messages.CallReconnect)
	case 2:
		s.call(messages.CallPause)
		s.call(messages.CallResume)
	case 3:
		if s.machine.accounts.of(messages.BootstrapPeer()) != nil {
			s.call(messages.CallBootstrap)
		}
	}
}

// answer lets the store answer when it has been asked.
func (s *siege) answer() {
	if s.machine.loader.asked {
		s.loaded(s.tree, nil)
	}
}

// advance lets time pass to the next timer.
func (s *siege) advance() bool {
	s.answer()
	timer, at := s.soonest()
	if timer.Name == "" {
		return false
	}
	if at.After(s.now) {
		s.nudge()
	}
	if timer, at = s.soonest(); timer.Name == "" {
		return len(s.attempting()) > 0
	}
	if at.Before(s.now) { // an attempt has taken its time meanwhile
		delete(s.timers, timer)
		s.timers[timer] = s.now
	}
	s.fire(timer)
	return true
}

// failed counts the error events of attempts.
func (s *siege) failed() (n int) {
	for _, e := range s.errors() {
		if e.RetryInMS != nil && e.Phase != messages.PhaseStore.String() {
			n++
		}
	}
	return n
}

// end demands that every account registers now that nothing is wrong any more:
// at the latest when it has its turn, or after those that stand before it in
// the line, each of which may have a delay of an hour.
func (s *siege) end() {
	back := s.now
	bound := 2*Week + time.Duration(s.n)*(time.Hour+10*time.Second)
	for {
		left := 0
		s.answer()
		for _, id := range s.attempting() {
			if id == messages.BootstrapPeer() {
				s.bootstrap(s.tree)
				break // the others are new ones
			}
			s.register(id)
		}
		for _, a := range s.machine.servers() {
			if a.stage != stageRegistered {
				left++
			}
		}
		if left == 0 {
			return
		}
		if len(s.attempting()) > 0 {
			continue
		}
		if timer, at := s.soonest(); timer.Name == "" || at.Sub(back) > bound {
			s.r.Fatalf("%d of %d accounts are not registered after %v", left, s.n, bound)
		}
		timer, at := s.soonest()
		s.timers[timer] = later(at, s.now)
		s.fire(timer)
	}
}

// Whatever accounts and retry resources a bootstrap writes, and however their
// attempts fail: no 10 s see more than 10 attempts and no 10 minutes more than
// 60 while nothing succeeds, each makes one error event at most, and every
// account registers when nothing is wrong any more.
func TestNoBootstrapArmsAClient(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := newSiege(t, r)
		steps := rapid.SampledFrom([]int{20, 80, 200}).Draw(r, "steps")
		for range steps {
			for _, id := range s.attempting() {
				s.attempt(id)
			}
			if !s.advance() {
				break
			}
		}
		if group := crowded(s.begun); group != nil {
			r.Fatalf("too many attempts: %v", group)
		}
		if n := s.failed(); n > len(s.begun) {
			r.Errorf("%d error events of %d attempts", n, len(s.begun))
		}
		s.end()
	})
}
