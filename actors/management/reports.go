package management

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/access"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// A firmware update reports by resources of which a server is to have every value, in order.
// It goes on to the next value only when it is told here that the present one has arrived, so
// that nothing is queued: what a server is owed is what is there. A value that is owed leaves
// confirmable, whatever the server has set, and no threshold keeps it back.

// audience is what update was told last of the resources that a server observes.
type audience struct {
	epoch messages.Epoch
	paths []lwm2m.Path
	asOf  outlook
	again bool // it is to be told anew, whatever it was told
}

// outlook is what an audience follows from: while it is the same, so is the audience.
type outlook struct {
	epoch   messages.Epoch
	changes uint64 // of observations
	rights  *access.Table
}

// audiences tells update which servers observe what is reported, where that has changed.
func (m *Machine) audiences() (effects []core.Effect) {
	if len(m.config.Updates.Reported) == 0 {
		return nil
	}
	for _, o := range m.observers {
		effects = append(effects, m.audienceOf(o)...)
	}
	return effects
}

// audienceOf says what of what is reported a server observes. With a session that goes on
// nobody knows that before the record has been read.
func (m *Machine) audienceOf(o *observer) []core.Effect {
	now := outlook{epoch: o.epoch, changes: m.observed.Changes(), rights: m.access}
	unknown := o.epoch != 0 && o.record.resumed && !o.record.read
	if unknown || now == o.audience.asOf && !o.audience.again {
		return nil
	}
	was := o.audience
	o.audience = audience{epoch: o.epoch, paths: m.observedBy(o.peer), asOf: now}
	if !was.again && was.epoch == o.epoch && slices.Equal(was.paths, o.audience.paths) {
		return nil
	}
	return []core.Effect{core.Tell{To: core.Update, Message: messages.ReportsObserved{
		Peer: o.peer, Epoch: o.epoch, Paths: slices.Clone(o.audience.paths),
	}}}
}

// observedBy lists the reported resources that a server observes, and may read.
func (m *Machine) observedBy(peer messages.Peer) (paths []lwm2m.Path) {
	s := session{Machine: m, peer: peer, now: m.now}
	for _, path := range m.config.Updates.Reported {
		by := func(ob *reporting.Observation) bool { return ob.Peer == peer }
		if slices.ContainsFunc(m.tellingOf(path), by) && s.mayReadAt(path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// tellingOf lists the observations that tell of a reported resource.
func (m *Machine) tellingOf(path lwm2m.Path) []*reporting.Observation {
	return slices.DeleteFunc(m.observed.Concerned(path), func(ob *reporting.Observation) bool {
		return !slices.ContainsFunc(ob.Targets, func(target lwm2m.Path) bool { return target.Contains(path) })
	})
}

// reportsAsked says everything anew to an update that was started anew. It may not have
// heard that a value has arrived, or not yet, and goes on only when it does: it hears that
// again, and of what is owed still and not under way the server is told once more.
func (m *Machine) reportsAsked() (effects []core.Effect) {
	for _, o := range m.observers {
		o.audience = audience{again: o.epoch != 0}
	}
	for _, path := range m.config.Updates.Reported {
		for _, ob := range m.tellingOf(path) {
			switch {
			case !m.config.Updates.Owed(ob.Peer, path), m.observers.of(ob.Peer).outbox.underWay(ob):
			case m.acknowledged(ob, path):
				effects = append(effects, tellDelivered(ob.Peer, m.observations[ob.ID].has, false)...)
			default:
				m.urge(ob)
			}
		}
	}
	return effects
}

// acknowledged reports whether a server has acknowledged the value that a resource shows,
// though update has not noted that.
func (m *Machine) acknowledged(ob *reporting.Observation, path lwm2m.Path) bool {
	return slices.ContainsFunc(m.observations[ob.ID].has, func(n lwm2m.Node) bool {
		return n.Path == path && !m.config.Updates.Has(ob.Peer, n)
	})
}

// underWay reports whether a notification of an observation has not arrived yet.
func (b *outbox) underWay(ob *reporting.Observation) bool {
	return b.isSent(ob) || b.has(ob) || slices.ContainsFunc(b.ready, func(n note) bool { return n.observation == ob })
}

func (m *Machine) isReported(path lwm2m.Path) bool {
	_, is := slices.BinarySearchFunc(m.config.Updates.Reported, path, lwm2m.Path.Compare)
	return is
}

// reportsOnly reports whether an observation tells of nothing but what is reported.
func (m *Machine) reportsOnly(ob *reporting.Observation) bool {
	if len(m.config.Updates.Reported) == 0 {
		return false
	}
	return !slices.ContainsFunc(ob.Targets, func(target lwm2m.Path) bool { return !m.isReported(target) })
}

// upToDate reports whether an observation tells of nothing but what is reported, and the
// server has that: update would not have said so otherwise.
func (m *Machine) upToDate(ob *reporting.Observation) bool {
	return m.reportsOnly(ob) && !slices.ContainsFunc(ob.Targets, func(path lwm2m.Path) bool { return m.config.Updates.Owed(ob.Peer, path) })
}

// delivered reports whether an observation tells of nothing but what is reported, and the
// server has what was read of that.
func (m *Machine) delivered(ob *reporting.Observation, values []lwm2m.Node) bool {
	return m.reportsOnly(ob) && !m.owed(ob.Peer, values)
}

// recall takes what was just read of an observation for what the server knows, where it was
// told that before this process began. It is asked after the reading: a value that has taken
// the place of this one since is owed, and is told as a change of it.
func (m *Machine) recall(now time.Time, ob *reporting.Observation, values []lwm2m.Node) {
	w := m.observations[ob.ID]
	if w.unsure && m.delivered(ob, values) {
		ob.Told(now, values, true)
	}
	w.unsure = false
}

// reportedIn picks what is reported of what was read.
func (m *Machine) reportedIn(nodes []lwm2m.Node) (reported []lwm2m.Node) {
	if len(m.config.Updates.Reported) == 0 {
		return nil
	}
	for _, n := range nodes {
		if m.isReported(n.Path) {
			reported = append(reported, n)
		}
	}
	return reported
}

// owed reports whether one of some reported values, as they were read, has not been delivered
// to a server yet.
func (m *Machine) owed(peer messages.Peer, reported []lwm2m.Node) bool {
	return slices.ContainsFunc(reported, func(n lwm2m.Node) bool { return !m.config.Updates.Has(peer, n) })
}

// thresholds are those that a server has set: nil where it has set none. What is reported
// has none.
func (m *Machine) thresholds(o *observer) func(lwm2m.Path) reporting.Attributes {
	set := o.attributes.Thresholds()
	if set == nil || len(m.config.Updates.Reported) == 0 {
		return set
	}
	return func(path lwm2m.Path) reporting.Attributes {
		if m.isReported(path) {
			return reporting.Attributes{}
		}
		return set(path)
	}
}

// tellsReports has update told that a server has what it has read, once it is answered. Of what
// it begins to observe with that it is notified: only then it is known to have it.
func (s session) tellsReports(a *answer, p lwm2m.Payload) {
	if a.Code == messages.Content && a.observe == nil {
		a.behind = tellDelivered(s.peer, s.reportedIn(p.Nodes), true)
	}
}

func tellDelivered(peer messages.Peer, nodes []lwm2m.Node, asked bool) []core.Effect {
	if len(nodes) == 0 {
		return nil
	}
	return []core.Effect{core.Tell{To: core.Update, Message: messages.ReportsDelivered{Peer: peer, Nodes: nodes, Asked: asked}}}
}
