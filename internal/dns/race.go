package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/holdfast-iot/holdfast/internal/alarm"
)

const (
	// patience is how long a server is waited for before the next one is asked
	// beside it, in the first round; it doubles with each round.
	patience = time.Second
	// maxTries bounds the queries for one question.
	maxTries = 16
	// maxRounds is where patience doubles no more.
	maxRounds = 5
)

// race asks several servers one question, and takes the first good answer.
type race struct {
	resolver *Resolver
	question question
	servers  []string // those that have not failed
	turn     int      // queries so far
	round    int      // servers to begin with
	again    *alarm.Alarm
	due      chan int // the turn whose patience has ended
	pending  int
	replies  chan reply // room for all, so that no query waits for its reader
	queries  sync.WaitGroup
	worst    error
	alias    dnsmessage.Name // to be asked for next; its length is 0 for none
}

type reply struct {
	server string
	answer answer
	err    error
}

// query returns the addresses for one question, or the alias to ask for in its place:
// some forwarders know the alias, and leave it to the client to follow it. The error
// is a *net.DNSError.
func (r *Resolver) query(ctx context.Context, servers []string, q question) (addrs []netip.Addr, alias dnsmessage.Name, err error) {
	ctx, cancel := context.WithCancel(ctx)
	race := &race{resolver: r, question: q, servers: servers, round: len(servers),
		replies: make(chan reply, maxTries), due: make(chan int),
	}
	defer race.queries.Wait()
	defer cancel()
	addrs, err = race.run(ctx)
	return addrs, race.alias, err
}

func (r *race) run(ctx context.Context) ([]netip.Addr, error) {
	if ctx.Err() != nil { // an answer may come sooner than the end is seen
		return nil, r.timeout(ctx)
	}
	r.next(ctx)
	defer func() { r.again.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil, r.timeout(ctx)
		case turn := <-r.due:
			if turn == r.turn { // else an answer has been quicker
				r.next(ctx)
			}
		case got := <-r.replies:
			r.pending--
			if got.err != nil && ctx.Err() != nil {
				return nil, r.timeout(ctx) // the end of ctx has closed the socket
			}
			addrs, done, err := r.judge(got)
			switch {
			case done:
				return addrs, err
			case r.pending == 0 && len(r.servers) == 0:
				return nil, r.worst
			case r.pending == 0:
				r.again.Stop()
				r.next(ctx)
			}
		}
	}
}

// next asks the server whose turn it is, and arms the alarm for the one after it.
func (r *race) next(ctx context.Context) {
	round := r.turn / max(r.round, 1)
	if len(r.servers) > 0 && r.turn < maxTries {
		server := r.servers[r.turn%len(r.servers)]
		r.pending++
		r.queries.Go(func() {
			a, err := r.resolver.exchange(ctx, server, r.question)
			r.replies <- reply{server, a, err}
		})
	}
	r.turn++
	turn := r.turn
	r.again = alarm.After(patience<<min(round, maxRounds), func() {
		select {
		case r.due <- turn:
		case <-ctx.Done():
		}
	})
}

// judge decides whether an answer is the last word. A server that could not
// answer is not asked again: the lookup of the next attempt does that.
func (r *race) judge(got reply) (addrs []netip.Addr, done bool, err error) {
	switch {
	case got.err == nil && len(got.answer.addrs) > 0:
		return got.answer.addrs, true, nil
	case got.err == nil && got.answer.empty() && !got.answer.truncated && !sameName(got.answer.alias, r.question.name):
		r.alias = got.answer.alias
		return nil, true, nil
	case got.err == nil && got.answer.code == dnsmessage.RCodeNameError,
		got.err == nil && got.answer.empty() && !got.answer.lame && !got.answer.truncated:
		return nil, true, r.notFound(got.server)
	}
	r.failed(got)
	return nil, false, nil
}

func (r *race) failed(got reply) {
	r.servers = slices.DeleteFunc(slices.Clone(r.servers), func(s string) bool { return s == got.server })
	why := &net.DNSError{Err: "server misbehaving", Name: r.host(), Server: got.server, IsTemporary: true}
	switch {
	case got.err != nil:
		why.Err, why.UnwrapErr = got.err.Error(), got.err
	case got.answer.truncated:
		why.Err = "the answer was cut short, also over TCP and with EDNS"
	case got.answer.lame:
		why.Err = "the name server does not ask others"
	default:
		why.Err = "the name server answers " + codeName(got.answer.code)
	}
	r.worst = why
}

func (r *race) notFound(server string) error {
	return &net.DNSError{Err: "no such host", Name: r.host(), Server: server, IsNotFound: true}
}

// timeout is the error at the end of ctx: what a server said counts for more than
// that another was silent.
func (r *race) timeout(ctx context.Context) error {
	if r.worst != nil {
		return r.worst
	}
	why := &net.DNSError{Err: "no name server answered", Name: r.host(), UnwrapErr: ctx.Err(), IsTemporary: true}
	if len(r.servers) > 0 {
		why.Server = r.servers[0]
	}
	why.IsTimeout = errors.Is(ctx.Err(), context.DeadlineExceeded)
	return why
}

func (r *race) host() string {
	name := r.question.name.String()
	return name[:len(name)-1]
}

// codeName returns the field's name of a code (RFC 1035 section 4.1.1).
func codeName(c dnsmessage.RCode) string {
	switch c {
	case dnsmessage.RCodeFormatError:
		return "FORMERR"
	case dnsmessage.RCodeServerFailure:
		return "SERVFAIL"
	case dnsmessage.RCodeNotImplemented:
		return "NOTIMP"
	case dnsmessage.RCodeRefused:
		return "REFUSED"
	}
	return c.String()
}
