package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// ctlAnswer is the answer to a call.
type ctlAnswer struct {
	OK      bool           `json:"ok"`
	Code    int            `json:"code"`
	Name    string         `json:"name"`
	Detail  string         `json:"detail"`
	Remedy  string         `json:"remedy"`
	Seq     uint64         `json:"seq"`
	State   holdfast.State `json:"state"`
	Servers []string       `json:"servers"`
}

// ctlCall asks the client to do something. A stream of events is opened before, for
// two reasons: it shows that the client lives while a call waits for its disk, and
// it has what comes of the call, however soon.
func (p *program) ctlCall(c *ctlClient, action string, o ctlOptions) int {
	ctx, cancel := context.WithTimeoutCause(p.ctx, o.bound(action), errNoOutcome)
	defer cancel()
	stream, err := c.stream(ctx)
	switch _, refused := errors.AsType[*refusedError](err); {
	case refused: // there are too many readers of events, which must keep no call out
	case err != nil:
		p.ctlFailed(action, err)
		return exitFailed
	default:
		defer stream.end()
		ctx = stream.ctx
	}
	answer, ok := p.ctlPost(ctx, c, action, o)
	switch {
	case !ok:
		return exitFailed
	case o.wait && stream != nil:
		return p.ctlOutcome(stream, action, answer, o)
	}
	p.ctlSay(o, joined(", ", action+": "+begun[action], codeText(answer)))
	if o.wait {
		p.complain("%s: what comes of it cannot be waited for: %v", action, err)
		return exitFailed
	}
	return exitDone
}

// ctlFailed says why a call came to nothing.
func (p *program) ctlFailed(action string, err error) {
	if p.ctx.Err() != nil {
		p.complain("%s: interrupted; what was asked for may still be done", action)
		return
	}
	p.complain("%s: %v", action, err)
}

// begun says what has become of a call when it is answered.
var begun = map[string]string{
	"update": "on its way", "reconnect": "under way", "bootstrap": "under way",
	"factory-reset": "done", "pause": "done", "resume": "done", "close": "done",
	"firmware grant": "done", "firmware refuse": "done", "firmware defer": "done",
}

// errNoOutcome says that what was waited for has not come in time.
var errNoOutcome = errors.New("nothing has come of it in time; ctl explain says what the client waits for")

// bound is how long an action may take.
func (o ctlOptions) bound(action string) time.Duration {
	switch {
	case !o.wait:
		return ctlTimeout
	case o.timeout > 0:
		return o.timeout
	case action == "bootstrap":
		return ctlBootstrapWait
	}
	return ctlWait
}

// ctlPost makes the call, and says why where it is refused.
func (p *program) ctlPost(ctx context.Context, c *ctlClient, action string, o ctlOptions) (answer ctlAnswer, ok bool) {
	path := "/v1/" + strings.ReplaceAll(action, " ", "/")
	if o.period > 0 {
		path += "?for=" + o.period.String()
	}
	status, body, err := c.fetch(ctx, http.MethodPost, path, mediaJSON)
	if err != nil {
		p.ctlFailed(action, err)
		return answer, false
	}
	if o.json {
		_, _ = p.stdout.Write(body) // whoever asked has gone
	}
	if json.Unmarshal(body, &answer) != nil {
		answer = ctlAnswer{Name: http.StatusText(status)}
	}
	if status != http.StatusOK {
		p.complain("%s", printable(joined(" - ", joined(": ", codeText(answer), answer.Detail), answer.Remedy)))
	}
	return answer, status == http.StatusOK
}

// ctlSay prints a line for people.
func (p *program) ctlSay(o ctlOptions, text string) {
	if !o.json {
		fmt.Fprintln(p.stdout, printable(text))
	}
}

func codeText(a ctlAnswer) string {
	if a.Code == 0 {
		return a.Name
	}
	return fmt.Sprintf("%s (%d)", a.Name, a.Code)
}

// ctlOutcome waits for what a call has promised.
func (p *program) ctlOutcome(stream *ctlStream, action string, answer ctlAnswer, o ctlOptions) int {
	w := newCtlWaiting(action, answer)
	for !w.done {
		e, open := <-stream.events
		if !open {
			break
		}
		if decisive := w.take(e); decisive && o.json {
			jsonLines(p.stdout)(e)
		}
	}
	switch err := stream.err(); {
	case w.failed != nil:
		p.complain("%s: %s", action, printable(describe(*w.failed)))
	case w.done, action == "close" && stream.closed:
		p.ctlSay(o, joined(", ", action+": done", codeText(answer), w.text()))
		return exitDone
	case stream.closed:
		p.complain("%s: the client was closed meanwhile", action)
	default:
		p.ctlFailed(action, err)
	}
	return exitFailed
}

// ctlWaiting knows what is still to come of a call.
type ctlWaiting struct {
	since   uint64   // events after this one count
	servers []string // whose answers are waited for
	said    []string // who has answered
	state   holdfast.State
	whole   bool // it is about the state of the client as a whole
	done    bool
	failed  *holdfast.Event
}

// newCtlWaiting says what a call promises: an answer of each server to an update and
// to a bootstrap; a registration, where attempts begin; an end.
func newCtlWaiting(action string, answer ctlAnswer) *ctlWaiting {
	w := &ctlWaiting{since: answer.Seq, servers: slices.Clone(answer.Servers), state: answer.State}
	switch action {
	case "pause", "firmware grant", "firmware refuse", "firmware defer":
		w.done = true
	case "reconnect", "resume", "factory-reset":
		w.whole = true
		w.done = settled(answer.State)
	}
	return w
}

// settled reports whether a state is one that a client stays in by itself.
func settled(s holdfast.State) bool {
	return s == holdfast.Registered || s == holdfast.Paused || s == holdfast.Stopping || s == holdfast.Stopped
}

// take notes an event, and reports whether it says what has become of the call.
func (w *ctlWaiting) take(e holdfast.Event) (decisive bool) {
	if e.Seq <= w.since {
		return false
	}
	switch e.Type {
	case holdfast.EventError:
		return w.takeError(e)
	case holdfast.EventState:
		return w.takeState(e)
	case holdfast.EventRegistrationUpdated, holdfast.EventRegistered, holdfast.EventBootstrapped:
		return w.answered(e.Server)
	}
	return false
}

// takeError ends the wait with an attempt that has failed. Refused calls and dropped
// messages are none.
func (w *ctlWaiting) takeError(e holdfast.Event) bool {
	attempt := e.Action != holdfast.ActionNone && e.Action != holdfast.ActionIgnore
	if !attempt || !w.whole && !slices.Contains(w.servers, e.Server) {
		return false
	}
	w.done, w.failed = true, &e
	return true
}

// takeState ends the wait when the client is where it was to come, or where it
// waits for somebody else.
func (w *ctlWaiting) takeState(e holdfast.Event) bool {
	w.state = e.State
	switch {
	case w.whole && e.State == holdfast.Registered:
		w.done = true
	case len(w.servers)+len(w.said) > 0 && e.State == holdfast.Paused, w.whole && settled(e.State):
		w.done, w.failed = true, &e
	}
	return w.done
}

func (w *ctlWaiting) answered(server string) bool {
	i := slices.Index(w.servers, server)
	if i < 0 {
		return false
	}
	w.servers = slices.Delete(w.servers, i, i+1)
	w.said = append(w.said, server)
	w.done = len(w.servers) == 0
	return true
}

// text says what has come.
func (w *ctlWaiting) text() string {
	switch {
	case len(w.said) > 0:
		return "accepted by " + strings.Join(w.said, " and ")
	case w.whole:
		return "the client is " + string(w.state)
	}
	return ""
}
