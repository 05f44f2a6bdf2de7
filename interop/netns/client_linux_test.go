package netns

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// early is by how much an attempt may come before its instant: the event that
// announces it is stamped a moment after its timer was set. How late it comes
// says more about the machine than about the client; exact instants are those
// of virtual time, in internal/systemtest.
const early = 50 * time.Millisecond

// client is a client process with a record of its events.
type client struct {
	*process
	host *host
	seen []holdfast.Event
}

// next returns the next event for which match is true.
func (c *client) next(what string, match func(holdfast.Event) bool) holdfast.Event {
	c.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case line, open := <-c.lines:
			if !open {
				c.t.Fatalf("the client has ended without a %s", what)
			}
			if e := c.note(line); match(e) {
				return e
			}
		case <-timeout.C:
			c.t.Fatalf("no %s within %v", what, patience)
		}
	}
}

func (c *client) note(line []byte) holdfast.Event {
	c.t.Helper()
	var e holdfast.Event
	if err := json.Unmarshal(line, &e); err != nil {
		c.t.Fatalf("a line that is no event: %q: %v", line, err)
	}
	c.seen = append(c.seen, e)
	return e
}

func (c *client) nextOf(kind holdfast.EventType) holdfast.Event {
	c.t.Helper()
	return c.next(string(kind), func(e holdfast.Event) bool { return e.Type == kind })
}

// registered waits until the client is registered, or is again.
func (c *client) registered() holdfast.Event {
	c.t.Helper()
	return c.nextOf(holdfast.EventRegistered)
}

// fails demands one of the codes of the next error.
func (c *client) fails(codes ...holdfast.ErrorCode) holdfast.Event {
	c.t.Helper()
	e := c.nextOf(holdfast.EventError)
	if !slices.Contains(codes, e.Code) {
		c.t.Errorf("error %s, want one of %v", describe(e), codes)
	}
	return e
}

// update asks for a registration Update now.
func (c *client) update() { c.do("update") }

// updated asks for an Update and demands that it is answered.
func (c *client) updated() {
	c.t.Helper()
	c.update()
	c.nextOf(holdfast.EventRegistrationUpdated)
}

// errors returns the error events so far.
func (c *client) errors() (all []holdfast.Event) {
	for _, e := range c.seen {
		if e.Type == holdfast.EventError {
			all = append(all, e)
		}
	}
	return all
}

// codes returns the codes of the errors so far, for people.
func (c *client) codes() string {
	var text []string
	for _, e := range c.errors() {
		if s := e.Code.String(); len(text) == 0 || text[len(text)-1] != s {
			text = append(text, s)
		}
	}
	return strings.Join(text, ", ")
}

// checkSchedule demands that every delay is the policy's, or none before the
// one attempt that follows a silence at once, and that no attempt begins before
// the announced instant.
func (c *client) checkSchedule() {
	c.t.Helper()
	for i, e := range c.seen {
		wait, announced := e.RetryIn()
		if e.Type != holdfast.EventError || !announced || e.Action == "ignore" {
			continue
		}
		atOnce := wait == 0 && e.Code == network && e.Phase == "update" && e.Attempt == 1
		if policy := firstDelay << (e.Attempt - 1); wait != policy && !atOnce {
			c.t.Errorf("%s: the policy waits %v", describe(e), policy)
		}
		begun := slices.IndexFunc(c.seen[i:], func(next holdfast.Event) bool {
			return beginsAttempt(next) && next.Server == e.Server
		})
		if begun < 0 {
			continue
		}
		took := c.seen[i+begun].Time.Sub(e.Time)
		if took < wait-early {
			c.t.Errorf("%s: the next attempt began after %v", describe(e), took)
		}
	}
}

// beginsAttempt reports whether an event is the first sign of an attempt.
func beginsAttempt(e holdfast.Event) bool {
	attempts := []holdfast.State{holdfast.Resolving, holdfast.Connecting, holdfast.Registering, holdfast.Bootstrapping}
	return e.Type == holdfast.EventState && slices.Contains(attempts, e.State)
}

// tell logs the events of a client whose test has failed.
func (c *client) tell() {
	if !c.t.Failed() {
		return
	}
	for _, e := range c.seen {
		c.t.Log(describe(e))
	}
}

func describe(e holdfast.Event) string {
	fields := []string{
		e.Time.Format("15:04:05.000"), string(e.Type), string(e.State), e.Server, e.Name, string(e.Phase), string(e.Action), e.Detail,
	}
	if wait, announced := e.RetryIn(); announced {
		fields = append(fields, "again in", wait.String())
	}
	return strings.Join(strings.Fields(strings.Join(fields, " ")), " ")
}
