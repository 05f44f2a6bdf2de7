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
	outcomes   map[asked][]any
	requests   map[asked]messages.Request
	images     map[uint64][]byte // what has come of them
}

// asked names a request: each requester has IDs of its own.
type asked struct {
	requester messages.Requester
	id        uint64
}

func newSimulation(seed uint64, cfg Config, f faults) *simulation {
	s := &simulation{random: rand.New(rand.NewPCG(seed, 1)), faults: f, now: start}
	for i := range s.ends {
		random := simRand{rand.New(rand.NewPCG(seed, uint64(i+2)))}
		cfg.Epoch = epoch
		s.ends[i] = &end{
			m: New(cfg, random), timers: map[core.Timer]uint64{}, executions: map[string]int{},
			outcomes: map[asked][]any{}, requests: map[asked]messages.Request{}, images: map[uint64][]byte{},
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
		e.requests[asked{request.For, request.ID}] = request
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
			s.tell(e, requesterAt(effect.To), effect.Message)
		}
	}
}

// requesterAt is who is told when a role is.
func requesterAt(role core.Role) messages.Requester {
	if role == core.Update {
		return messages.ForUpdate
	}
	return messages.ForOwner
}

func (s *simulation) tell(e *end, to messages.Requester, message any) {
	switch message := message.(type) {
	case messages.Inbound:
		s.handle(e, message)
	case messages.Response:
		e.over(asked{to, message.ID}, message)
	case messages.RequestFailed:
		e.over(asked{to, message.ID}, message)
	case messages.ResponseBlock:
		s.takePart(e, to, message)
	case messages.RequestStep: // is for those who ask only
	default:
		panic(fmt.Sprintf("told %T", message))
	}
}

func (e *end) over(of asked, outcome any) { e.outcomes[of] = append(e.outcomes[of], outcome) }

// takePart takes a part of an image, and asks for the next when it has been dealt with.
func (s *simulation) takePart(e *end, to messages.Requester, part messages.ResponseBlock) {
	first := e.requests[asked{to, part.ID}].From
	if part.Offset != first+uint64(len(e.images[part.ID])) {
		panic(fmt.Sprintf("a part at %d after %d bytes from %d", part.Offset, len(e.images[part.ID]), first))
	}
	e.images[part.ID] = append(e.images[part.ID], part.Data...)
	if part.Next {
		s.later(s.faults.think, e, messages.More{Epoch: epoch, ID: part.ID, For: to})
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

// fetch asks for the rest of an image that has that size, in parts of so many bytes.
func (s *simulation) fetch(e *end, id uint64, from, rest, gather int) {
	s.later(time.Minute, e, messages.Request{
		Epoch: epoch, ID: id, For: messages.ForUpdate, Code: messages.GET, Stream: true, From: uint64(from), Gather: gather,
		Path: []string{fmt.Sprintf("i%d", id), fmt.Sprint(from + rest)},
	})
}

// check asserts what holds whatever the link did.
func (s *simulation) check(t *rapid.T, lossless bool) {
	for _, e := range s.ends {
		for of, request := range e.requests {
			s.checkOutcome(t, e, of, request, lossless)
		}
		for path, n := range e.executions {
			if n > 1 && path[0] != 'i' { // a GET is repeated where its answer is not kept any more
				t.Fatalf("request %s was executed %d times", path, n)
			}
		}
		checkIdle(t, e)
	}
}

func (s *simulation) checkOutcome(t *rapid.T, e *end, of asked, request messages.Request, lossless bool) {
	if len(e.outcomes[of]) != 1 {
		t.Fatalf("request %v has %d outcomes: %v", of, len(e.outcomes[of]), e.outcomes[of])
	}
	response, ok := e.outcomes[of][0].(messages.Response)
	if lossless && (!ok || !response.Code.IsSuccess()) {
		t.Fatalf("request %v failed on a good link: %+v", of, e.outcomes[of][0])
	}
	if !ok || !response.Code.IsSuccess() {
		return
	}
	body := response.Payload
	if request.Stream {
		body = e.images[of.id]
	}
	if !bytes.Equal(body, answerTo(request.Path, request.Payload)[request.From:]) {
		t.Fatalf("request %v: a wrong body of %d bytes", of, len(body))
	}
	if n := s.peerOf(e).executions[request.Path[0]]; n != 1 && !request.Stream {
		t.Fatalf("request %v succeeded and was executed %d times", of, n)
	}
}

// checkIdle: once all is over, nothing is kept.
func checkIdle(t *rapid.T, e *end) {
	m := e.m
	if len(m.queue)+len(m.separate)+len(m.active)+len(m.entries)+len(m.uploads)+len(m.bodies)+len(m.stalled)+m.calls > 0 || len(e.timers) > 0 {
		t.Fatalf("left over: %d queued, %d active, %d entries, %d uploads, %d bodies, %d calls, timers %v",
			len(m.queue), len(m.active), len(m.entries), len(m.uploads), len(m.bodies), m.calls, e.timers)
	}
}

// TestTwoMachines: whatever a link loses, duplicates and reorders: every
// request ends in exactly one Response or RequestFailed, the handler executes
// it at most once, and bodies arrive as they were sent, in both directions; of an image
// what was asked for, whoever else uses its ID.
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
			if rapid.Bool().Draw(t, "image") {
				s.fetch(e, id, 1024*rapid.IntRange(0, 2).Draw(t, "from"), rapid.IntRange(1, 3000).Draw(t, "rest"),
					rapid.SampledFrom([]int{0, 100, 1024, 8192}).Draw(t, "gather"))
			}
		}
		s.run()
		s.check(t, f.loss == 0 && f.latency < 3*time.Second)
	})
}
