package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const (
	// commandTimeout bounds what is asked of a client that listens; CoAP gives up a
	// message after 93 s at most (RFC 7252 section 4.8.2).
	commandTimeout = 2 * time.Minute
	// fileTimeout bounds writing a file, which takes a message for each block.
	fileTimeout = time.Hour
	// mostPending is how many commands may wait for answers.
	mostPending = 1 << 10
)

// Options are what a [Console] works with.
type Options struct {
	Server *lwm2mtest.Server
	// Registry defines the objects whose names and types are known.
	Registry *lwm2m.Registry
	// Print gets every answer, from any goroutine, and must not block.
	Print func(Answer)
	// Quit is called by the command quit.
	Quit func()
}

// Console carries commands out. Its methods may be called from any goroutine.
type Console struct {
	server   *lwm2mtest.Server
	registry *lwm2m.Registry
	print    func(Answer)
	quit     func()
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	leaving bool // quit was typed
	pending int
	lanes   map[string][]job // commands that wait, by endpoint; the key is there while a goroutine takes them
}

// job is a command that is understood.
type job struct {
	answer Answer // with what it is an answer to
	// perform asks the client, and completes the answer. What it returns goes on
	// when the answer is printed; nil is nothing.
	perform func(ctx context.Context, a *Answer) (then func(), err error)
	timeout time.Duration // 0 means commandTimeout
	then    func()        // goes on when the answer of a command is printed that asks nobody; nil is nothing
}

// New returns a console. Close it when done.
func New(o Options) *Console {
	ctx, cancel := context.WithCancel(context.Background())
	return &Console{
		server: o.Server, registry: o.Registry, print: o.Print, quit: o.Quit,
		ctx: ctx, cancel: cancel, lanes: make(map[string][]job),
	}
}

// Close ends what is under way, and waits until it has ended. Observations are the
// server's: close that first.
func (c *Console) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
}

// Do carries a line out. It returns at once: the commands to one client are carried out one
// after the other, in order, those to several at the same time. An empty line, and
// what begins with #, is nothing.
func (c *Console) Do(line string) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return
	}
	words, err := split(line)
	if err != nil {
		c.answer(Answer{Command: brief(words[0]), Error: err.Error()})
		return
	}
	cmd, found := find(words[0])
	if !found {
		c.answer(Answer{Command: brief(words[0]), Error: noSuchCommand(words[0]).Error()})
		return
	}
	c.begin(cmd, words[1:])
}

// errMissing and errTooMany are about the number of words after a command.
var (
	errMissing = errors.New("a word is missing")
	errTooMany = errors.New("there are too many words")
)

func (c *Console) begin(cmd command, words []string) {
	j, err := cmd.prepare(c, words)
	j.answer.Command = cmd.name
	if errors.Is(err, errMissing) || errors.Is(err, errTooMany) {
		err = fmt.Errorf("%w: the usage is %s", err, cmd.usage())
	}
	switch {
	case err != nil:
		j.answer.Error = err.Error()
		c.answer(j.answer)
	case j.perform == nil:
		c.answer(j.answer)
		if j.then != nil {
			j.then()
		}
	case !c.enqueue(j):
		j.answer.Error = fmt.Sprintf("%d commands are waiting for answers already: try again when one has come", mostPending)
		c.answer(j.answer)
	}
}

// answer prints one.
func (c *Console) answer(a Answer) {
	a.Time = time.Now()
	if a.Type == "" {
		a.Type = TypeAnswer
	}
	c.print(a)
}

// enqueue puts a command behind the others to its client, and reports whether there is
// room.
func (c *Console) enqueue(j job) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.pending == mostPending {
		return c.closed
	}
	c.pending++
	endpoint := j.answer.Endpoint
	waiting, busy := c.lanes[endpoint]
	c.lanes[endpoint] = append(waiting, j)
	if !busy {
		c.wg.Go(func() { c.serve(endpoint) })
	}
	return true
}

// serve carries out the commands to one client until there are none.
func (c *Console) serve(endpoint string) {
	for {
		j, ok := c.next(endpoint)
		if !ok {
			return
		}
		c.carryOut(j)
	}
}

func (c *Console) next(endpoint string) (job, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := c.lanes[endpoint]
	if len(waiting) == 0 || c.closed {
		delete(c.lanes, endpoint)
		return job{}, false
	}
	c.lanes[endpoint] = waiting[1:]
	return waiting[0], true
}

func (c *Console) carryOut(j job) {
	c.awaitAwake(j.answer)
	ctx, cancel := context.WithTimeout(c.ctx, cmp.Or(j.timeout, commandTimeout))
	defer cancel()
	then, err := j.perform(ctx, &j.answer)
	if c.ctx.Err() != nil {
		return // nobody waits for it any more
	}
	if err != nil {
		j.answer.Error = failure(err)
	}
	c.answer(j.answer)
	if then != nil {
		then()
	}
	c.done()
}

// done ends a command, and the server if that was the last one before quit.
func (c *Console) done() {
	c.mu.Lock()
	c.pending--
	last := c.pending == 0 && c.leaving
	c.mu.Unlock()
	if last {
		c.quit()
	}
}

// awaitAwake waits for a client in queue mode that is asleep, and says so: nothing may be
// sent before it has sent something (LwM2M Core, Queue Mode Operation).
func (c *Console) awaitAwake(a Answer) {
	since, asleep := c.asleep(a.Endpoint)
	if !asleep {
		return
	}
	a.Type = TypeWaiting
	a.Detail = "asleep since " + since.Format(time.TimeOnly) + "; this will be sent when it wakes"
	c.answer(a)
	_ = c.server.Await(c.ctx, func() bool { // the request says what comes of an end
		_, still := c.asleep(a.Endpoint)
		return !still
	})
}

// asleep reports whether a registered client is, and since when.
func (c *Console) asleep(endpoint string) (since time.Time, yes bool) {
	awake, until := c.server.Awake(endpoint)
	return until, !awake && !until.IsZero()
}
