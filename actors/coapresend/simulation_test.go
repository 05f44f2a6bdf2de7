package coapresend

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// simRand is a seeded Rand.
type simRand struct{ *rand.Rand }

func (r simRand) MID() uint16   { return uint16(r.Uint32()) }
func (r simRand) Token() []byte { return binary.BigEndian.AppendUint64(nil, r.Uint64()) }

// faults says what the link does to datagrams. The latency of each is drawn by
// itself, so that they overtake one another.
type faults struct {
	loss, duplication float64
	latency           time.Duration // at most
	think             time.Duration // that a handler takes, at most
}

// simulation joins two machines by a faulty link, in virtual time. Each end
// makes requests of the other.
type simulation struct {
	random *rand.Rand
	faults faults
	now    time.Time
	queue  []event
	ends   [2]*end
}

// event is an input that becomes due; timer inputs are void when the timer has
// been set again or stopped.
type event struct {
	at         time.Time
	to         *end
	input      any
	generation uint64 // of a timer; 0 for other inputs
}

// end is one machine, its owner and its handler.
type end struct {
	m          *Machine
	timers     map[core.Timer]uint64
	generation uint64
	executions map[string]int // by path
	outcomes   map[uint64][]any
	requests   map[uint64]messages.Request
}

func newSimulation(seed uint64, cfg Config, f faults) *simulation {
	s := &simulation{random: rand.New(rand.NewPCG(seed, 1)), faults: f, now: start}
	for i := range s.ends {
		random := simRand{rand.New(rand.NewPCG(seed, uint64(i+2)))}
		cfg.Epoch = epoch
		s.ends[i] = &end{
			m: New(cfg, random), timers: map[core.Timer]uint64{}, executions: map[string]int{},
			outcomes: map[uint64][]any{}, requests: map[uint64]messages.Request{},
		}
		s.step(s.ends[i], messages.LinkUp{Epoch: epoch})
	}
	return s
}

func (s *simulation) peerOf(e *end) *end {
	if e == s.ends[0] {
		return s.ends[1]
	}
	return s.ends[0]
}

// run lets time pass until nothing is due any more.
func (s *simulation) run() {
	for len(s.queue) > 0 {
		next := 0
		for i := range s.queue {
			if s.queue[i].at.Before(s.queue[next].at) {
				next = i
			}
		}
		due := s.queue[next]
		s.queue = slices.Delete(s.queue, next, next+1)
		s.now = due.at
		if expired, ok := due.input.(core.Expired); ok {
			if due.to.timers[expired.Timer] != due.generation {
				continue
			}
			delete(due.to.timers, expired.Timer)
		}
		s.step(due.to, due.input)
	}
}

func (s *simulation) step(e *end, input any) {
	if request, ok := input.(messages.Request); ok {
		e.requests[request.ID] = request
	}
	for _, effect := range e.m.Step(s.now, input) {
		switch effect := effect.(type) {
		case core.SetTimer:
			e.generation++
			e.timers[effect.Timer] = e.generation
			s.queue = append(s.queue, event{s.now.Add(effect.After), e, core.Expired{Timer: effect.Timer}, e.generation})
		case core.StopTimer:
			delete(e.timers, effect.Timer)
		case send:
			s.transmit(s.peerOf(e), effect.data)
		case core.Tell:
			s.tell(e, effect.Message)
		}
	}
}

func (s *simulation) tell(e *end, message any) {
	switch message := message.(type) {
	case messages.Inbound:
		s.handle(e, message)
	case messages.Response:
		e.outcomes[message.ID] = append(e.outcomes[message.ID], message)
	case messages.RequestFailed:
		e.outcomes[message.ID] = append(e.outcomes[message.ID], message)
	case messages.RequestStep: // is for those who ask only
	default:
		panic(fmt.Sprintf("told %T", message))
	}
}

func (s *simulation) transmit(to *end, data []byte) {
	copies := 1
	if s.random.Float64() < s.faults.duplication {
		copies = 3
	}
	for range copies {
		if s.random.Float64() >= s.faults.loss {
			s.later(s.faults.latency, to, messages.Datagram{Epoch: epoch, Data: bytes.Clone(data)})
		}
	}
}

func (s *simulation) later(atMost time.Duration, to *end, input any) {
	delay := time.Duration(s.random.Int64N(int64(atMost) + 1))
	s.queue = append(s.queue, event{at: s.now.Add(delay), to: to, input: input})
}

// handle executes a request: the answer depends on all of it.
func (s *simulation) handle(e *end, in messages.Inbound) {
	e.executions[in.Path[0]]++
	s.later(s.faults.think, e, messages.Reply{
		Epoch: epoch, ID: in.ID, Code: messages.Changed, Payload: answerTo(in.Path, in.Payload),
	})
}

// answerTo returns the response body of a request: the second path segment is
// its size.
func answerTo(path []string, payload []byte) []byte {
	var size int
	_, _ = fmt.Sscan(path[1], &size)
	answer := pattern(size)
	for i := range answer {
		answer[i] ^= path[0][0]
		if len(payload) > 0 {
			answer[i] ^= payload[i%len(payload)]
		}
	}
	return answer
}

// submit makes a request whose bodies have those sizes.
func (s *simulation) submit(e *end, id uint64, code messages.CoAPCode, up, down int) {
	s.later(time.Minute, e, messages.Request{
		Epoch: epoch, ID: id, Code: code, Payload: pattern(up),
		Path: []string{fmt.Sprint(id), fmt.Sprint(down)},
	})
}

// check asserts what holds whatever the link did.
func (s *simulation) check(t *rapid.T, lossless bool) {
	for _, e := range s.ends {
		for id, request := range e.requests {
			s.checkOutcome(t, e, id, request, lossless)
		}
		for path, n := range e.executions {
			if n > 1 {
				t.Fatalf("request %s was executed %d times", path, n)
			}
		}
		checkIdle(t, e)
	}
}

func (s *simulation) checkOutcome(t *rapid.T, e *end, id uint64, request messages.Request, lossless bool) {
	if len(e.outcomes[id]) != 1 {
		t.Fatalf("request %d has %d outcomes: %v", id, len(e.outcomes[id]), e.outcomes[id])
	}
	response, ok := e.outcomes[id][0].(messages.Response)
	if lossless && (!ok || !response.Code.IsSuccess()) {
		t.Fatalf("request %d failed on a good link: %+v", id, e.outcomes[id][0])
	}
	if !ok || !response.Code.IsSuccess() {
		return
	}
	if !bytes.Equal(response.Payload, answerTo(request.Path, request.Payload)) {
		t.Fatalf("request %d: a wrong body of %d bytes", id, len(response.Payload))
	}
	if n := s.peerOf(e).executions[request.Path[0]]; n != 1 {
		t.Fatalf("request %d succeeded and was executed %d times", id, n)
	}
}

// checkIdle: once all is over, nothing is kept.
func checkIdle(t *rapid.T, e *end) {
	m := e.m
	if len(m.queue)+len(m.separate)+len(m.active)+len(m.entries)+len(m.uploads)+len(m.bodies)+m.calls > 0 || len(e.timers) > 0 {
		t.Fatalf("left over: %d queued, %d active, %d entries, %d uploads, %d bodies, %d calls, timers %v",
			len(m.queue), len(m.active), len(m.entries), len(m.uploads), len(m.bodies), m.calls, e.timers)
	}
}

// TestTwoMachines: whatever a link loses, duplicates and reorders: every
// request ends in exactly one Response or RequestFailed, the handler executes
// it at most once, and bodies arrive as they were sent, in both directions.
func TestTwoMachines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := faults{
			loss:        rapid.SampledFrom([]float64{0, 0, 0.1, 0.3, 0.6, 1}).Draw(t, "loss"),
			duplication: rapid.SampledFrom([]float64{0, 0.1, 0.5}).Draw(t, "duplication"),
			latency:     rapid.SampledFrom([]time.Duration{0, 50 * time.Millisecond, 3 * time.Second, 20 * time.Second}).Draw(t, "latency"),
			think:       rapid.SampledFrom([]time.Duration{0, 2 * time.Second, 30 * time.Second}).Draw(t, "think"),
		}
		cfg := Config{
			NStart:       rapid.IntRange(1, 3).Draw(t, "nstart"),
			BlockSize:    rapid.SampledFrom([]int{64, 512, 1024}).Draw(t, "block size"),
			DedupEntries: 4096,
		}
		s := newSimulation(rapid.Uint64().Draw(t, "seed"), cfg, f)
		id := uint64(0)
		for _, e := range s.ends {
			for range rapid.IntRange(0, 4).Draw(t, "requests") {
				id++
				s.submit(e, id, rapid.SampledFrom([]messages.CoAPCode{messages.POST, messages.PUT}).Draw(t, "code"),
					rapid.IntRange(0, 3000).Draw(t, "up"), rapid.IntRange(0, 3000).Draw(t, "down"))
			}
		}
		s.run()
		s.check(t, f.loss == 0 && f.latency < 3*time.Second)
	})
}
