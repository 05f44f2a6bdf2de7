package dns

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/internal/alarm"
)

// maxTurn is how long a candidate is waited for before the next one is tried
// beside it; less where otherwise the last would come too late.
const maxTurn = 3 * time.Second

// candidate is a name that a host may stand for, and who knows of it.
type candidate struct {
	name  string
	ask   source
	extra bool // not DNS: why it failed counts only where nothing else is known
}

// candidates are those of a host, in the order in which they count: the system's
// other sources first for names of multicast DNS, else last.
func (r *Resolver) candidates(host, name string, conf conf, others bool) []candidate {
	var all []candidate
	system := candidate{name, r.askSystem(name), true}
	if others && isLocal(name) {
		all = append(all, system)
	}
	for _, n := range conf.names(host) {
		all = append(all, candidate{n, r.askServers(conf.servers, n), false})
	}
	if others && !isLocal(name) {
		all = append(all, system)
	}
	return all
}

// search tries candidates, and takes the first that has addresses. One that fails
// gives its turn to the next at once, and one that is silent after a while: a name
// server may drop what it is asked for a domain of the search list.
type search struct {
	resolver *Resolver
	late     func([]netip.Addr)
	all      []candidate
	errs     []error // of those that have failed
	cancels  []context.CancelFunc
	patience time.Duration
	again    *alarm.Alarm
	due      chan int // how many had been tried when the patience with the last one ended
	outcomes chan outcome
	pending  int
	running  sync.WaitGroup
}

type outcome struct {
	index int
	addrs []netip.Addr
	err   error
}

func (r *Resolver) search(ctx context.Context, all []candidate, late func([]netip.Addr)) ([]netip.Addr, error) {
	s := &search{
		resolver: r, late: late, all: all, errs: make([]error, len(all)), patience: turn(ctx, len(all)),
		due: make(chan int, len(all)), outcomes: make(chan outcome, len(all)),
	}
	return s.run(ctx)
}

// turn shares the time of a lookup, so that the last candidate has as much as each
// of the others.
func turn(ctx context.Context, candidates int) time.Duration {
	deadline, has := ctx.Deadline()
	if !has {
		return maxTurn
	}
	return min(maxTurn, time.Until(deadline)/time.Duration(candidates+1))
}

func (s *search) run(ctx context.Context) ([]netip.Addr, error) {
	s.next(ctx)
	for s.pending > 0 {
		select {
		case tried := <-s.due:
			if tried == len(s.cancels) { // else one that failed has been quicker
				s.next(ctx)
			}
		case got := <-s.outcomes:
			s.pending--
			if got.err == nil {
				s.settle(got.index)
				return got.addrs, nil
			}
			s.errs[got.index] = got.err
			s.next(ctx)
		}
	}
	return nil, s.worst()
}

func (s *search) next(ctx context.Context) {
	index := len(s.cancels)
	if index == len(s.all) || index > 0 && ctx.Err() != nil { // the first one says why
		return
	}
	own, cancel := context.WithCancel(ctx)
	s.cancels = append(s.cancels, cancel)
	s.pending++
	s.running.Go(func() {
		addrs, err := s.resolver.both(own, s.all[index].name, s.all[index].ask, s.late)
		s.outcomes <- outcome{index, addrs, err}
	})
	if s.again != nil {
		s.again.Stop()
	}
	s.again = alarm.After(s.patience, func() { s.due <- index + 1 })
}

// settle ends the other candidates. The context of the one that has won goes on:
// its other family may still come.
func (s *search) settle(winner int) {
	s.again.Stop()
	for i, cancel := range s.cancels {
		if i != winner {
			cancel()
		}
	}
	s.running.Wait()
}

// worst is the error that says most: that a name server failed or was silent
// counts for more than that a name does not exist.
func (s *search) worst() error {
	s.again.Stop()
	var failed error
	weight := -1
	for i, err := range s.errs {
		if w := s.weight(i); err != nil && w > weight {
			failed, weight = err, w
		}
	}
	return failed
}

func (s *search) weight(index int) int {
	switch {
	case s.all[index].extra:
		return 0
	case isNotFound(s.errs[index]):
		return 1
	}
	return 2
}
