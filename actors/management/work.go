package management

import (
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// Bounds of the requests that handlers of the application work on. Beyond them a
// server is asked to come again.
const (
	jobsPerServer = 8
	jobsPerClient = 64
	// overduePerObject is how many handlers of one object may go on after their
	// deadline until the object is not asked any more.
	overduePerObject = 4
)

// DefaultDeadline is how long handlers of the application have for one request.
const DefaultDeadline = 10 * time.Second

// Call has the shell run methods of one object of the application on a goroutine of their
// own, with a context that ends at Deadline. The outcome comes back as a [Returned]
// with the same ID, unless the methods never return.
type Call struct {
	core.Marker
	ID       uint64
	Server   uint16 // short server ID of who has asked
	Object   object.Object
	Path     lwm2m.Path // what the request is about, for the log
	Deadline time.Time
	Do       any // reads, a write, create, remove, execute or commit
}

// What a [Call] does.
type (
	reads   struct{ targets []lwm2m.Path }
	write   struct{ change object.Change }
	create  struct{ instance lwm2m.Instance }
	remove  struct{ instance uint16 }
	execute struct {
		target lwm2m.Path
		args   lwm2m.Arguments
	}
	commit struct{ carryOut object.Commit }
)

// Returned is the outcome of a [Call].
type Returned struct {
	ID     uint64
	Reads  []Read        // of reads, one for each target
	Commit object.Commit // of a write or create
	Err    error         // what the method said; a *Fault where it panicked

	of   *served    // whose Call it was
	path lwm2m.Path // what it was about
}

// Read is the outcome of one target of reads.
type Read struct {
	Resources []lwm2m.Resource
	Err       error
}

// job is a request, or something that this actor does of its own, that handlers of the
// application work on: one of them at a time, or several that read.
type job struct {
	id       uint64
	peer     messages.Peer
	epoch    messages.Epoch
	request  uint64
	observes *string // the token of a request to observe; nil for another
	deadline time.Time
	calls    []uint64     // that have not returned, in the order in which they were made
	path     lwm2m.Path   // what the last of them is about
	changes  []lwm2m.Path // instances that it changes, which are closed to others
	supplies bool         // it will have the supervisor change what that keeps
	screened []lwm2m.Path // instances that are shown as they were before it
	// beyond is what is done at the deadline, when the handlers that have not returned have
	// been left to themselves; nil where the request is answered with 5.00.
	beyond func(*job, time.Time) []core.Effect
	late   func(answer) []core.Effect // takes what becomes of a job that has no request
	behind []core.Effect              // the answer
	renews bool                       // it waits for a [messages.RenewalJudged]
}

const nameJob = "job"

// timerJob ends the time that handlers have for a job.
func timerJob(id uint64) core.Timer { return core.Timer{Name: nameJob, Key: id} }

// busy refuses what may be asked for again in so many seconds.
func busy(text string, after time.Duration) *answer {
	refusal := refuse(messages.ServiceUnavailable, text)
	refusal.maxAge = new(max(1, uint32((after+time.Second-1)/time.Second)))
	return refusal
}

// admit refuses a request of a server that takes handlers of some objects, where there
// are too many under way, or one of the objects has just panicked.
func (m *Machine) admit(peer messages.Peer, wanted ...*served) *answer {
	if len(m.faults) > 0 {
		return failed
	}
	for _, o := range wanted {
		if m.overdue(o) >= overduePerObject {
			return busy("handlers of the object have not returned", m.config.Deadline)
		}
	}
	own, all := 0, 0
	for _, j := range m.jobs {
		if j.late != nil { // no request
			continue
		}
		if all++; j.peer == peer {
			own++
		}
	}
	for _, p := range m.parked {
		if all++; p.peer == peer {
			own++
		}
	}
	if own >= jobsPerServer || all >= jobsPerClient {
		return busy("too many requests are under way", time.Second)
	}
	return nil
}

// begin makes a job of a request that has been admitted. Handlers have until its
// deadline.
func (s session) begin(in *messages.Inbound, changes ...lwm2m.Path) (*job, core.Effect) {
	s.lastID++
	j := &job{
		id: s.lastID, peer: s.peer, epoch: in.Epoch, request: in.ID, observes: begun(in), deadline: s.deadline(),
		changes: changes, late: s.late,
	}
	insert(&s.jobs, j.id, j)
	for _, path := range changes {
		insert(&s.changing, path, j.id)
	}
	return j, core.SetTimer{Timer: timerJob(j.id), After: j.deadline.Sub(s.now)}
}

// deadline is that of a request: what it has waited is part of its time.
func (s session) deadline() time.Time {
	if !s.until.IsZero() {
		return s.until
	}
	return s.now.Add(s.config.Deadline)
}

// extend gives a job the time of a request once more.
func (m *Machine) extend(j *job, now time.Time) core.Effect {
	j.deadline = now.Add(m.config.Deadline)
	return core.SetTimer{Timer: timerJob(j.id), After: m.config.Deadline}
}

// end ends a job whose handlers have all returned, or been left to themselves. What has
// come of it is seen from now on.
func (m *Machine) end(j *job) core.Effect {
	delete(m.jobs, j.id)
	m.unlock(j.id, j.changes)
	m.unscreen(j)
	return core.StopTimer{Timer: timerJob(j.id)}
}

// finish ends a job with the answer to its request.
func (m *Machine) finish(j *job, a answer) []core.Effect {
	return append([]core.Effect{m.end(j)}, m.conclude(j, a)...)
}

func (m *Machine) conclude(j *job, a answer) []core.Effect {
	if j.late != nil {
		return j.late(a)
	}
	a = m.sound(a)
	effects := append(m.reply(j.epoch, j.request, a), j.behind...)
	return append(effects, m.unobserved(j.peer, j.epoch, j.observes, a)...)
}

var tooSlow = refuse(messages.InternalServerError, "the object did not answer in time")

// jobExpired answers the request of handlers that have not returned in time.
func (m *Machine) jobExpired(now time.Time, id uint64) []core.Effect {
	j := m.jobs[id]
	if j == nil {
		return nil
	}
	m.abandon(j)
	if j.beyond != nil {
		return j.beyond(j, now)
	}
	m.end(j)
	return m.conclude(j, *tooSlow)
}

// refusal is the answer to a request that an application's object has refused: its own
// words where it chose a code, else 5.00 without them. What is no refusal is for the log.
func (m *Machine) refusal(path lwm2m.Path, err error) answer {
	var said *object.Error
	if errors.As(err, &said) && (said.Code.Class() == 4 || said.Code.Class() == 5) {
		return *refuse(said.Code, said.Detail)
	}
	m.fault(path, err)
	return *failed
}

// fault notes what went wrong for the log.
func (m *Machine) fault(path lwm2m.Path, err error) {
	fault, is := errors.AsType[*Fault](err)
	switch {
	case is:
		m.faults = append(m.faults, *fault)
	case len(m.faults) == 0: // else the reason is there already
		m.faults = append(m.faults, Fault{Path: path, What: err.Error()})
	}
}
