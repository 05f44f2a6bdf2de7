package supervisor

import (
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// downloadFailed takes the end of an attempt. While another address can be tried, it goes on
// there; else the next attempt begins after the delay of the policy, unless update has given
// up.
func (m *Machine) downloadFailed(now time.Time, in messages.DownloadFailed) {
	f := m.fetch
	if f == nil || in.ID != f.id || m.stop != nil {
		return
	}
	in.Failure.Phase = messages.PhaseFirmware
	switch {
	case in.Final:
		f.outage.fail(&in.Failure)
		m.do(Emit{Event: fetchGivenUp(f, &in.Failure)})
		m.endFetch()
	case f.stage != fetchOpen, in.Failure.Epoch != 0 && in.Failure.Epoch != f.epoch:
		// Of an attempt that has been interrupted meanwhile.
	default:
		m.attemptFailed(now, f, in.Failure)
	}
}

func (m *Machine) attemptFailed(now time.Time, f *fetch, failure messages.Failure) {
	if failure.Class == messages.ClassMoved {
		m.fetchMoved(now, f, &failure)
		return
	}
	f.attempt.note(failure)
	if f.link != 0 && f.attempt.goesOn(now, &failure) {
		m.leaveFetch()
		m.spawnFetch(now, f)
		return
	}
	m.retryFetch(now, f, f.attempt.outcome(), 0)
}

// retryFetch reports a failed attempt, in exactly one event, and waits for the next. Only
// the code and the remedy are those of the recovery table: the step is always to try again.
func (m *Machine) retryFetch(now time.Time, f *fetch, failure messages.Failure, least time.Duration) {
	f.outage.fail(&failure)
	floor := max(floorOf(&failure), f.pending.floor.Sub(now))
	delay := Floored(m.config.Policy.Delay(f.outage.failures-1), max(floor, least))
	e := fetchEvent(f, &failure)
	e.Action, e.RetryInMS = messages.ActionRetry, new(delay.Milliseconds())
	m.do(Emit{Event: e})
	m.leaveFetch()
	f.pending = pending{}
	if floor > 0 {
		f.pending.floor = now.Add(floor)
	}
	m.waitFetch(now, now.Add(delay))
}

// fetchLost ends an attempt of which update has not said how it went: it is told.
func (m *Machine) fetchLost(now time.Time, class messages.Class, cause error, least time.Duration) {
	f := m.fetch
	m.do(core.Tell{To: core.Update, Message: messages.DownloadInterrupted{ID: f.id}})
	failure := messages.Failure{Class: class, Phase: messages.PhaseFirmware, Peer: fetchPeer, Epoch: f.link, Cause: cause}
	m.retryFetch(now, f, failure, least)
}

// fetchStranded gives up a link that has said nothing: no lost message may strand a
// download.
func (m *Machine) fetchStranded(now time.Time) {
	if m.fetch != nil && m.fetch.link != 0 {
		m.fetchLost(now, messages.ClassUnknown, errStranded, 0)
	}
}

// fetchCrashed takes the panic of an actor of the link.
func (m *Machine) fetchCrashed(now time.Time, in Crashed) {
	if f := m.fetchOver(in.Epoch); f != nil {
		delay, _ := f.outage.crashed(now, m.config.Policy.Max)
		m.fetchLost(now, messages.ClassCrash, in.Reason, delay)
	}
}

// waitFetch lets the next attempt begin at an instant, or as soon as it can.
func (m *Machine) waitFetch(now, until time.Time) {
	f := m.fetch
	f.stage, f.pending.due = fetchHeld, time.Time{}
	if delay := until.Sub(now); delay > 0 {
		f.stage, f.pending.due = fetchWaiting, until
		m.do(core.SetTimer{Timer: timerFetch, After: delay})
	}
}

// fetchDue ends a wait.
func (m *Machine) fetchDue(now time.Time) {
	if m.fetch != nil && m.fetch.stage == fetchWaiting {
		m.waitFetch(now, now)
	}
}

// hurryFetch moves the end of a wait forward to an instant, or to now, but never before
// what the server has asked for.
func (m *Machine) hurryFetch(now, until time.Time) {
	f := m.fetch
	if f == nil || f.stage != fetchWaiting {
		return
	}
	if until = later(until, f.pending.floor); f.pending.due.After(until) {
		m.do(core.StopTimer{Timer: timerFetch})
		m.waitFetch(now, until)
	}
}

// fetchSlept subtracts the time of a suspend from the wait, and from what the server has
// asked for.
func (m *Machine) fetchSlept(now time.Time, d time.Duration) {
	f := m.fetch
	if f == nil {
		return
	}
	if !f.pending.floor.IsZero() {
		f.pending.floor = f.pending.floor.Add(-d)
	}
	m.hurryFetch(now, f.pending.due.Add(-d))
}

// fetchEvent is the event of a failed attempt, but for what is done.
func fetchEvent(f *fetch, failure *messages.Failure) messages.Event {
	e := errorEvent(Lookup(failure, false), failure)
	e.Server, e.Attempt = f.server(), f.outage.failures
	return e
}

// fetchGivenUp is the event of the last attempt.
func fetchGivenUp(f *fetch, failure *messages.Failure) messages.Event {
	e := fetchEvent(f, failure)
	e.Action = messages.ActionNone
	e.Remedy = strings.TrimSuffix(e.Remedy, goesOn) + " The update has ended."
	return e
}

// server is where the image is, for events: without a query, which may carry a key.
func (f *fetch) server() string {
	if f.at.Host == "" {
		return ""
	}
	return f.at.String()
}
