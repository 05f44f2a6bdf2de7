package management

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// Values of the Observe option of a request (RFC 7641 section 2).
const (
	observeBegin = 0
	observeEnd   = 1
)

// observe makes an observation of a Read that has been answered: what the answer says is
// the first that the server is told. Where there is no room it stays a Read, which an
// answer without an Observe option says (RFC 7641 section 4.1).
func (s session) observe(a *answer, in *messages.Inbound, targets []lwm2m.Path, p lwm2m.Payload) {
	if *in.Observe != observeBegin || a.Code != messages.Content || len(targets) == 0 || len(in.Key) > reporting.MaxKey {
		return
	}
	ob, before := s.observed.Begin(reporting.Spec{
		Peer: s.peer, Token: string(in.Token), Targets: targets, Composite: in.Code == messages.FETCH,
		Format: *a.Format, Key: in.Key,
	})
	if ob == nil {
		return
	}
	o, effects := s.observer(s.peer)
	effects = append(effects, s.replace(o, ob.Token, before)...)
	insert(&s.observations, ob.ID, &observation{Observation: ob, epoch: in.Epoch})
	s.observations[ob.ID].sample(s.Machine, p)
	ob.Proven, ob.Certain = in.Epoch, s.reportsOnly(ob)
	ob.Rules = s.rules(o, targets)
	ob.Told(s.now, settled(ob, p), true)
	if s.owed(s.peer, s.reportedIn(p.Nodes)) { // nobody acknowledges an answer, and it may be lost
		ob.Urge()
	}
	if s.since != s.changes { // what was read may be older than a change of which nobody was told
		ob.Changed()
	}
	s.schedule(ob)
	a.observe, a.keeps, a.before = o.number(), o, effects
}

// replace drops what is still to be said under a token that begins to name another
// observation than before, or the same anew: the answer says what is newer, and the end
// of the former one would be taken for that of the new one.
func (m *Machine) replace(o *observer, token string, before *reporting.Observation) []core.Effect {
	if before != nil {
		delete(m.observations, before.ID)
	}
	return o.hush(o.epoch, token, before)
}

// hush drops what is still to be said under a token, and has a link give up what it has of
// that, and of the observation that the token names, if there is one.
func (o *observer) hush(epoch messages.Epoch, token string, ob *reporting.Observation) (effects []core.Effect) {
	over := o.outbox.forget(token)
	if ob != nil {
		over = append(over, ob.ID)
	}
	slices.Sort(over)
	for _, id := range slices.Compact(over) {
		effects = append(effects, giveUp(epoch, id))
	}
	return effects
}

// giveUp has a link give up what is still to be said of an observation.
func giveUp(epoch messages.Epoch, observation uint64) core.Effect {
	return core.Tell{To: core.Link, Epoch: epoch, Message: messages.Unobserve{Epoch: epoch, Observation: observation}}
}

// unobserve ends the observation that a request names, if there is one.
func (m *Machine) unobserve(in *messages.Inbound) []core.Effect {
	if in.Observe == nil || *in.Observe != observeEnd || in.Code != messages.GET && in.Code != messages.FETCH {
		return nil
	}
	return m.cancel(in.Peer, in.Epoch, string(in.Token))
}

// begun returns the token of a request to observe; nil for any other.
func begun(in *messages.Inbound) *string {
	if in.Observe == nil || *in.Observe != observeBegin || in.Code != messages.GET && in.Code != messages.FETCH {
		return nil
	}
	return new(string(in.Token))
}

// unobserved ends the observation that has the token of a request to observe which is
// answered without an Observe option. To the server the answer says that the token names
// no observation, and it would take what follows for an answer (RFC 7641 section 3.1).
func (m *Machine) unobserved(peer messages.Peer, epoch messages.Epoch, token *string, a answer) []core.Effect {
	if token == nil || a.observe != nil {
		return nil
	}
	return m.cancel(peer, epoch, *token)
}

// cancel ends the observation that a token names, if there is one, and what is still to be
// said under that token: of one that has ended already, too, which the server knows by now.
func (m *Machine) cancel(peer messages.Peer, epoch messages.Epoch, token string) []core.Effect {
	o := m.observers.of(peer)
	if o == nil {
		return nil
	}
	ob, ends := m.observed.Get(peer, token), len(o.outbox.ending())
	over := o.hush(epoch, token, ob)
	if ob == nil && len(o.outbox.ending()) == ends {
		return over
	}
	if ob != nil {
		m.forget(o, ob)
	}
	return append(over, m.keep(o)...)
}

// noticed notes that something has changed at a path, or may have. What concerns
// nobody costs nothing.
func (m *Machine) noticed(path lwm2m.Path) {
	m.changes++
	for _, ob := range m.observed.Concerned(path) {
		m.lookAt(ob)
	}
}

// lookAt has the values of an observation looked at, which may have changed.
func (m *Machine) lookAt(ob *reporting.Observation) {
	ob.Changed()
	if w := m.observations[ob.ID]; w.reading {
		w.changed = true
	}
	m.schedule(ob)
}

// dormant reports whether nothing of an observation is due until its server is back: that is
// away and wants nothing stored, or there is nothing but what is reported, whose present
// value is all that it is owed.
func (m *Machine) dormant(ob *reporting.Observation) bool {
	return m.observers.of(ob.Peer).epoch == 0 && (m.reportsOnly(ob) || !m.stores(ob.Peer))
}

// schedule notes when an observation is due, if it is at all: not while its values are
// being read, nor while it is dormant.
func (m *Machine) schedule(ob *reporting.Observation) {
	if m.observations[ob.ID].reading || m.dormant(ob) {
		m.observed.Suspend(ob)
		return
	}
	m.observed.Schedule(ob, ob.Next())
}

// sample finds out how often the values that a payload has are to be read.
func (w *observation) sample(m *Machine, p lwm2m.Payload) {
	w.Sample, w.sampled = m.sampled(w.Targets, p), true
}

// sampled is how often values that change without a word are read: as often as the one
// that changes most.
func (m *Machine) sampled(targets []lwm2m.Path, p lwm2m.Payload) (every time.Duration) {
	at := func(period time.Duration) {
		if period > 0 && (every == 0 || period < every) {
			every = period
		}
	}
	for _, target := range targets {
		if o := m.catalog[target.Object()]; target.Len() > 0 && o != nil {
			at(o.unwatched())
		}
	}
	var last lwm2m.Path
	for _, n := range p.Nodes {
		resource := n.Path.Prefix(3)
		if resource != last {
			at(m.sampleOf(resource))
		}
		last = resource
	}
	return every
}

// unwatched is how often an object is read that says nothing of changes; 0 for one that
// does.
func (o *served) unwatched() time.Duration {
	_, watcher := o.app.(object.Watcher)
	_, sampler := o.app.(object.Sampler)
	if o.app == nil || watcher || sampler {
		return 0
	}
	return object.DefaultSample
}

func (m *Machine) sampleOf(resource lwm2m.Path) time.Duration {
	o := m.catalog[resource.Object()]
	if o == nil {
		return 0
	}
	if sampler, is := o.app.(object.Sampler); is {
		defer m.guard(resource)
		return sampler.Sample(resource)
	}
	return o.unwatched()
}

// settled are the values by which changes are seen: all but the Current Time, unless
// that is what is observed. It is told along with the others, but that it goes on is no
// news. What is there without a value counts as one that has none: that it comes or goes
// is a change of what it is part of.
func settled(ob *reporting.Observation, p lwm2m.Payload) []lwm2m.Node {
	nodes := p.Nodes
	isTime := func(n lwm2m.Node) bool { return n.Path == currentTime }
	if !slices.Equal(ob.Targets, []lwm2m.Path{currentTime}) && slices.ContainsFunc(nodes, isTime) {
		nodes = slices.DeleteFunc(slices.Clone(nodes), isTime)
	}
	if bare := append(empty(p.Instances, p.Nodes), empty(p.Multiples, p.Nodes)...); len(bare) > 0 {
		return slices.Concat(nodes, bare)
	}
	return nodes
}

// empty lists the containers that have no node. Both are in the order of a walk through
// the tree, so that one pass finds them.
func empty(containers []lwm2m.Path, nodes []lwm2m.Node) (bare []lwm2m.Node) {
	for _, path := range containers {
		for len(nodes) > 0 && nodes[0].Path.Compare(path) < 0 {
			nodes = nodes[1:]
		}
		if len(nodes) == 0 || !path.Contains(nodes[0].Path) {
			bare = append(bare, lwm2m.Node{Path: path})
		}
	}
	return bare
}
