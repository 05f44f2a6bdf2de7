package supervisor

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// scribe is a client whose servers write their lifetimes, and what has to be in
// force by what they have been answered.
type scribe struct {
	*driver
	r          *rapid.T
	configured []messages.Account
	delivered  []messages.Account
	asked      map[uint64]written // Writes without an answer, by ID
	answered   int                // outcomes that have been judged
	inForce    map[messages.Peer]int64
	ids        uint64
}

// written is what a Write says.
type written struct {
	peer     messages.Peer
	lifetime int64
}

func newScribe(t *testing.T, r *rapid.T) *scribe {
	s := &scribe{r: r, configured: []messages.Account{bootstrapAccount(t), serverAccount(t, server(1), 1)}}
	second := serverAccount(t, server(2), 2)
	second.ServerInstance = 1
	s.delivered = append(s.configured[:2:2], second)
	s.start(newDriver(t, s.configured...))
	s.reset(1)
	return s
}

// start begins the life of a process.
func (s *scribe) start(d *driver) {
	s.driver, s.asked, s.answered, s.ids = d, map[uint64]written{}, 0, 0
	d.step(messages.Start{})
	d.loaded(nil, nil)
	s.registerAll()
}

// reset is the state that the configuration, or a bootstrap, begins with.
func (s *scribe) reset(servers uint16) {
	s.inForce = map[messages.Peer]int64{}
	for id := range servers {
		s.inForce[server(id+1)] = 24 * hour
	}
}

func (s *scribe) registerAll() {
	for _, a := range s.machine.servers() {
		if a.attempting() {
			s.register(a.Peer)
		}
	}
}

// ask has a server write its lifetime.
func (s *scribe) ask() {
	id := server(rapid.Uint16Range(1, 2).Draw(s.r, "server"))
	a := s.machine.accounts.of(id)
	if a == nil || a.epoch == 0 {
		return
	}
	s.ids++
	w := written{id, rapid.SampledFrom([]int64{60, 120, hour, 24 * hour, -1}).Draw(s.r, "lifetime")}
	s.asked[s.ids] = w
	path := lwm2m.PathOf(1, a.ServerInstance, 1)
	s.step(messages.WriteModel{
		Peer: id, Epoch: a.epoch, ID: s.ids, Path: path, Replace: true, Deadline: s.now.Add(30 * time.Second),
		Payload: lwm2m.Payload{Nodes: []lwm2m.Node{{Path: path, Value: lwm2m.Integer(w.lifetime)}}, Instances: []lwm2m.Path{path.Prefix(2)}},
	})
}

// judge takes the outcomes that are new: one for each Write, in force when it is
// 2.04, and nothing in force that is not.
func (s *scribe) judge() {
	for ; s.answered < len(s.outcomes); s.answered++ {
		outcome := s.outcomes[s.answered]
		w, waits := s.asked[outcome.ID]
		if !waits {
			continue // repeated, after a crash of management
		}
		delete(s.asked, outcome.ID)
		if outcome.Code == messages.Changed {
			s.inForce[w.peer] = w.lifetime
		}
		if s.now.Nanosecond()%2 == 0 {
			s.step(messages.WriteAnswered{Epoch: outcome.Epoch, ID: outcome.ID})
		}
	}
	for peer, want := range s.inForce {
		if a := s.machine.accounts.of(peer); a == nil || int64(a.Lifetime/time.Second) != want {
			s.r.Fatalf("%v: account %v in force, want the lifetime %d s", peer, a != nil, want)
		}
	}
}

// restart ends the process. A Write that is at the disk may have come through.
func (s *scribe) restart() {
	for _, save := range s.saves {
		came := rapid.Bool().Draw(s.r, "came through") && s.disk == nil
		if !came {
			continue
		}
		s.store(save)
		if save.Token == tokenWrite {
			w := s.asked[s.machine.writes.queue[0].id]
			s.inForce[w.peer] = w.lifetime
		}
	}
	next := newDriver(s.t, s.configured...)
	next.now, next.records = s.now.Add(time.Minute), s.records
	s.start(next)
}

// carryOn ends an attempt of the bootstrap server, if one is under way.
func (s *scribe) carryOn() {
	if s.idle(messages.BootstrapPeer()) {
		return
	}
	if s.machine.writes.underWay() {
		s.r.Fatal("a bootstrap is under way beside a Write")
	}
	if rapid.Bool().Draw(s.r, "fails") {
		s.fail(messages.BootstrapPeer(), messages.Failure{Class: messages.ClassTimeout, Phase: messages.PhaseBootstrap})
		return
	}
	tree := accounts.ToTree(s.delivered)
	s.records[messages.RecordCredentials] = accounts.Encode(tree) // as bootstrap does
	s.bootstrap(tree)
	s.reset(2)
	s.registerAll()
}

func (s *scribe) factoryReset() {
	if s.hung || s.disk != nil {
		return
	}
	s.step(messages.CallRequest{Call: messages.CallFactoryReset})
	s.judge()
	delete(s.records, messages.RecordServer)
	delete(s.records, messages.RecordCredentials)
	s.step(messages.CredentialsForgotten{Token: s.resets[len(s.resets)-1].Token})
	s.loaded(nil, nil)
	s.reset(1)
	s.registerAll()
}

func (s *scribe) crashManagement() {
	s.step(Crashed{Role: core.Management, Reason: errors.New("broken")})
	s.fire(respawnTimer(core.Management))
}

// breakDisk lets the disk hang, fail, or be good again.
func (s *scribe) breakDisk() {
	s.hung, s.disk = rapid.Bool().Draw(s.r, "hangs"), nil
	if rapid.Bool().Draw(s.r, "fails") {
		s.disk = errors.New("no space left on device")
	}
	s.answerSaves()
}

// Whatever happens around them: every Write has one answer, what is answered 2.04 is
// in force and outlives the process, and nothing else is; a bootstrap never runs
// beside a Write.
func TestWritesKeepTheirWord(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := newScribe(t, r)
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			s.now = s.now.Add(time.Duration(rapid.Int64Range(0, 20_000_000_001).Draw(r, "pause")))
			switch rapid.IntRange(0, 9).Draw(r, "what") {
			case 0:
				s.call(messages.CallBootstrap)
			case 1:
				s.carryOn()
			case 2:
				s.crashManagement()
			case 3:
				s.restart()
			case 4:
				s.breakDisk()
			case 5:
				s.factoryReset()
			default:
				s.ask()
			}
			s.judge()
		}
		s.hung = false
		s.answerSaves()
		s.judge()
		if len(s.asked) > 0 {
			r.Fatalf("no answer to %v", s.asked)
		}
	})
}
