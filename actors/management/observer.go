package management

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/access"
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// DefaultObservations is how many observations there are at most, of all servers
// together.
const DefaultObservations = 256

// observer is a server, as far as it observes (RFC 7641 section 1.2): what it has asked
// to be told belongs to its registration, and ends with it.
type observer struct {
	peer       messages.Peer
	epoch      messages.Epoch // the link of its session; 0 while it is away
	attributes reporting.Table
	sequence   reporting.Sequence
	outbox     outbox
	record     record
	tally      tally
	audience   audience
	// unnumbered are the Observe options of answers that wait for the record, which says
	// what numbers have been used.
	unnumbered []*uint32
	// early are attributes that came on a link whose session was not announced yet:
	// they belong to the registration that will be.
	early earlyAttributes
}

// observers are in the order of their servers: effects do not depend on chance. There is
// one or there are a few, which takes no map.
type observers []*observer

// of returns the observer that a server is; nil when nothing is known of it.
func (all observers) of(peer messages.Peer) *observer {
	for _, o := range all {
		if o.peer == peer {
			return o
		}
	}
	return nil
}

func (all *observers) add(o *observer) {
	at, _ := slices.BinarySearchFunc(*all, o.peer, func(o *observer, peer messages.Peer) int { return o.peer.Compare(peer) })
	*all = slices.Insert(*all, at, o)
}

type earlyAttributes struct {
	epoch messages.Epoch
	table reporting.Table
}

// observation is what this actor keeps of one observation beside its rules.
type observation struct {
	*reporting.Observation
	epoch   messages.Epoch // the link on which it began
	sampled bool           // Sample is known
	reading bool           // the values are being read
	changed bool           // something has changed since that began
	unsure  bool           // nobody knows what the server was told: it goes on from another process
	again   time.Duration  // the last delay after which values were read again that could not be; 0 for none
	has     []lwm2m.Node   // of what is reported, what the server has acknowledged last
}

// observer returns what is known of a server as an observer, and begins to read what
// outlived the process where nothing is.
func (m *Machine) observer(peer messages.Peer) (o *observer, effects []core.Effect) {
	if o = m.observers.of(peer); o == nil {
		o = &observer{peer: peer}
		m.observers.add(o)
		effects = m.load(o)
	}
	return o, effects
}

// number returns the next number of the Observe option. Before the record has been read
// it is set when that is, and so before the answer leaves.
func (o *observer) number() *uint32 {
	if o.record.read {
		return new(o.sequence.Next())
	}
	o.unnumbered = append(o.unnumbered, new(uint32))
	return o.unnumbered[len(o.unnumbered)-1]
}

// numbersRead goes on behind the numbers that had been used when a record was written.
func (o *observer) numbersRead(found *reporting.Record) {
	if found != nil {
		o.sequence = reporting.RestoredSequence(found.Sequence)
	}
	for _, number := range o.unnumbered {
		*number = o.sequence.Next()
	}
	o.unnumbered = nil
}

// sessionUp takes up what a server has asked for where its registration goes on, and
// forgets it where there is a new one. What has overtaken the announcement belongs to
// the new one.
func (m *Machine) sessionUp(in messages.SessionUp) []core.Effect {
	m.versions.add(in.Epoch, in.Version)
	o, effects := m.observer(in.Peer)
	m.undelivered(o)
	o.epoch, o.record.said, o.tally.unsaid, o.audience.again = in.Epoch, nil, true, true
	o.record.owed = o.record.owed || in.Observed && !in.Again
	if goesOn := in.Resumed || in.Again; goesOn {
		effects = append(effects, m.goOn(o)...)
	} else {
		effects = append(effects, m.beginAnew(o)...)
	}
	o.early = earlyAttributes{}
	if o.record.read && !o.record.writing {
		effects = append(effects, m.say(o)...)
	}
	return append(effects, m.flush(o)...)
}

// goOn has everything looked at that may have changed while the server was away, and told
// what may not have arrived before it was known to be.
func (m *Machine) goOn(o *observer) []core.Effect {
	for _, ob := range m.observed.Of(o.peer) {
		m.lookAt(ob)
		if ob.Unconfirmed() && !o.outbox.has(ob) && !m.upToDate(ob) {
			m.urge(ob)
		}
	}
	return m.takeUp(o)
}

// woke has the periods of observations go on that stood still while the machine was
// suspended.
func (m *Machine) woke(in messages.Woke) []core.Effect {
	for _, o := range m.observers {
		for _, ob := range m.observed.Of(o.peer) {
			ob.Slept(in.Slept)
			m.schedule(ob)
		}
	}
	return nil
}

// beginAnew ends what the server asked for under a registration of before. What has overtaken
// the announcement was dormant until now.
func (m *Machine) beginAnew(o *observer) []core.Effect {
	for _, ob := range m.observed.Of(o.peer) {
		if m.observations[ob.ID].epoch != o.epoch {
			m.forget(o, ob)
			continue
		}
		m.lookAt(ob)
	}
	o.outbox.drop(func(n note) bool { return n.ends() && n.began != o.epoch }) // the token may name another by now
	o.attributes = reporting.Table{}
	if o.early.epoch == o.epoch {
		o.attributes = o.early.table
	}
	m.refreshAll(o)
	o.record.void()
	return m.keep(o)
}

// sessionLost keeps what the server has asked for as long as it may know us.
func (m *Machine) sessionLost(in messages.SessionLost) []core.Effect {
	m.versions.drop(in.Epoch)
	o := m.observers.of(in.Peer)
	if o == nil || o.epoch != in.Epoch {
		return nil
	}
	m.undelivered(o)
	o.epoch = 0
	if !in.StillRegistered {
		return m.endAll(o)
	}
	for _, ob := range m.observed.Of(o.peer) {
		if m.dormant(ob) {
			m.observed.Suspend(ob)
		}
	}
	return nil
}

// endAll ends everything that a server has asked for.
func (m *Machine) endAll(o *observer) []core.Effect {
	for _, ob := range m.observed.Of(o.peer) {
		m.forget(o, ob)
	}
	o.outbox.drop(note.ends)
	o.attributes = reporting.Table{}
	o.record.void()
	return m.keep(o)
}

// forget ends an observation without a word to the link.
func (m *Machine) forget(o *observer, ob *reporting.Observation) {
	m.observed.Cancel(ob.Peer, ob.Token)
	delete(m.observations, ob.ID)
	o.outbox.forget(ob.Token)
}

// modelChanged takes objects 0 and 1, which have the defaults of the rules, and which
// can be observed themselves. A server that is no account any more is no observer.
func (m *Machine) modelChanged(in messages.ModelChanged) (effects []core.Effect) {
	before := m.owners()
	m.model = in.Tree.Clone()
	m.access = access.New(m.model, accounts.Managements(m.model))
	owners := m.owners()
	for _, o := range m.observers {
		owner, is := owners[o.peer]
		switch {
		case !is && o.epoch == 0:
			effects = append(effects, m.endAll(o)...)
		case owner != before[o.peer]: // whom the record names
			effects = append(effects, m.keep(o)...)
		}
		m.refreshAll(o)
	}
	m.noticed(lwm2m.Path{}) // what servers may read can have changed, too
	return effects
}

// refreshAll finds out the rules of a server's observations anew.
func (m *Machine) refreshAll(o *observer) {
	for _, ob := range m.observed.Of(o.peer) {
		m.refresh(o, ob)
	}
}

// refresh finds out the rules of an observation anew.
func (m *Machine) refresh(o *observer, ob *reporting.Observation) {
	rules := m.rules(o, ob.Targets)
	if rules != ob.Rules {
		ob.Rules = rules
		m.schedule(ob)
	}
}

// rules are those in force for an observation of targets.
func (m *Machine) rules(o *observer, targets []lwm2m.Path) (rules reporting.Rules) {
	defaults := m.defaults(o.peer)
	for i, target := range targets {
		r := reporting.RulesOf(o.attributes.InForce(target), defaults)
		if i > 0 {
			r = rules.Join(r)
		}
		rules = r
	}
	return rules
}

// serverResource is a resource of the Server instance of a server; the zero value where
// it is not there.
func (m *Machine) serverResource(peer messages.Peer, resource uint16) (v lwm2m.Value, found bool) {
	for _, inst := range m.model.Instances(objects.Server) {
		if owns(m.model, peer, inst) {
			return m.model.Value(lwm2m.PathOf(objects.Server, inst, resource))
		}
	}
	return v, false
}

// defaultNotificationMode is the resource of LwM2M 1.2 that says whether notifications
// are confirmable: 1, or not: 0.
const defaultNotificationMode = 26

// defaults are what a server's Server instance says. Where it does not say it,
// notifications are confirmable: without an acknowledgement a gateway would not know
// that nobody listens.
func (m *Machine) defaults(peer messages.Peer) reporting.Defaults {
	seconds := func(resource uint16) time.Duration {
		v, _ := m.serverResource(peer, resource)
		return time.Duration(min(max(v.Int(), 0), maxPeriod)) * time.Second
	}
	mode, set := m.serverResource(peer, defaultNotificationMode)
	return reporting.Defaults{
		MinPeriod: seconds(objects.ServerDefaultMinimumPeriod), MaxPeriod: seconds(objects.ServerDefaultMaximumPeriod),
		Confirmable: !set || mode.Int() == 1,
	}
}

// maxPeriod bounds default periods, in seconds, as attributes are.
const maxPeriod = 1<<32 - 1

// stores reports whether notifications are stored while the server is away, as it wants
// it or by default (resource 6).
func (m *Machine) stores(peer messages.Peer) bool {
	v, set := m.serverResource(peer, objects.ServerNotificationStoring)
	return !set || v.Bool()
}
