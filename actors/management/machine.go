package management

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/access"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// Config is what does not change while the client runs.
type Config struct {
	Device Device
	// Objects are the application's, with different IDs, none of them 0, 1, 2 or 21. One
	// with ID 3 takes the place of Device.
	Objects []object.Object
	// Registry defines the objects of the model, those of the application included; nil
	// means the core objects and what Objects say of themselves.
	Registry *lwm2m.Registry
	// Deadline is how long handlers of the application have for one request; 0 means
	// DefaultDeadline.
	Deadline time.Duration
	// Endpoint is the name of the client: what servers observe outlives the process
	// under it.
	Endpoint string
	// Observations is how many there are at most, of all servers together; 0 means
	// DefaultObservations.
	Observations int
	// UsedIDs is behind which ID those of observations and notifications begin: a link may
	// still speak of those that an actor has used that has crashed.
	UsedIDs uint64
	// Updates is what updates of the firmware need; nil where there are none, and so no
	// core.Update.
	Updates *Updates
	// Log is told of every fault of an application's object. It must not block; nil
	// means that nobody wants to know.
	Log func(Fault)
}

// Updates is what updates of the firmware need.
type Updates struct {
	// Reported are the resources of which a server is to have every value, in order: those
	// that say how an update goes on. Sorted.
	Reported []lwm2m.Path
	// Owed says whether a server is not known to have the present value of a reported
	// resource. It is asked from the actor's goroutine, and never blocks.
	Owed func(messages.Peer, lwm2m.Path) bool
	// Has says whether a server is known to have a value that was read: any but the present
	// one it has had, since nothing takes the place of one that is owed. It is asked after the
	// value has been read, from the same goroutine, and never blocks.
	Has func(messages.Peer, lwm2m.Node) bool
	// PostWrites are resources to which servers also write by POST.
	PostWrites []lwm2m.Path
}

// noUpdates is what all clients share that have no updates.
var noUpdates = &Updates{}

func (c Config) withDefaults() Config {
	if c.Updates == nil {
		c.Updates = noUpdates
	}
	if c.Registry == nil {
		c.Registry = RegistryOf(c.Objects)
	}
	c.Deadline = cmp.Or(c.Deadline, DefaultDeadline)
	c.Observations = cmp.Or(c.Observations, DefaultObservations)
	return c
}

// coreRegistry is what all clients share whose applications offer no objects.
var coreRegistry = objects.Core()

// RegistryOf defines the core objects and those of the application, whose definitions
// count where they define the same object.
func RegistryOf(apps []object.Object) *lwm2m.Registry {
	if len(apps) == 0 {
		return coreRegistry
	}
	defs := []lwm2m.ObjectDef{objects.SecurityDef(), objects.ServerDef(), objects.AccessControlDef(), objects.DeviceDef()}
	for _, app := range apps {
		defs = append(defs, app.Definition())
	}
	return lwm2m.NewRegistry(defs...)
}

// Machine is the pure core. It implements core.Machine. A request is answered from the
// model as it stands, but for a Write to objects 1 and 2, whose answer waits for the
// supervisor, and for what the application's objects do on goroutines of their own.
//
// Inputs are messages.ModelChanged, messages.ModelWritten, messages.RenewalJudged, messages.SessionUp,
// messages.SessionLost, messages.Inbound, messages.InboundBlock, messages.CollectSend,
// messages.Notified, messages.Woke, messages.ReportsAsked, Returned and Changed, and what the
// store answers. A reply goes to core.Link of the epoch that brought the request.
type Machine struct {
	config   Config
	catalog  catalog
	device   *lwm2m.Tree                     // object 3 of the client's own, but for the time; nil before it is asked for
	model    *lwm2m.Tree                     // objects 0, 1 and 2
	access   *access.Table                   // what that says of the rights of servers
	versions versions                        // of the sessions that are up
	writes   map[messages.Epoch]pendingWrite // of each link, to the supervisor

	lastID   uint64                // of jobs, calls and requests that wait
	jobs     map[uint64]*job       // by ID
	calls    map[uint64]*underWay  // by ID, those that are overdue too
	changing map[lwm2m.Path]uint64 // the job, or the overdue call, that changes an instance
	parked   []*parked             // in the order in which they came
	screens  map[lwm2m.Path]screen // of instances that are changed along with others
	faults   []Fault               // of the application's objects, in this step

	observed     *reporting.Set
	observers    observers
	observations map[uint64]*observation // by the ID of the observation
	changes      uint64                  // that were noticed
	now          time.Time               // of this step
	alarm        time.Time               // for which timerObserve is set; zero for none
	lastNote     uint64
	rounds       map[roundOf]*rounds
	tallied      bool // timerTally is set
}

// New returns a machine without a Server object, until the first
// messages.ModelChanged.
func New(config Config) *Machine {
	config = config.withDefaults()
	m := &Machine{
		config: config, catalog: newCatalog(config), model: lwm2m.NewTree(), access: access.New(lwm2m.NewTree(), 0),
		observed: reporting.NewSet(config.Observations), lastNote: config.UsedIDs,
	}
	m.observed.StartBehind(config.UsedIDs)
	return m
}

// Step implements core.Machine.
func (m *Machine) Step(now time.Time, in any) []core.Effect {
	m.now = now
	effects := append(m.step(now, in), m.takeTurns(now)...)
	effects = append(effects, m.attend(now)...)
	effects = append(effects, m.audiences()...)
	effects = append(effects, m.reportTallies()...)
	if len(m.faults) > 0 {
		effects = append(effects, m.reports()...)
	}
	if alarm := m.setAlarm(now); alarm != nil { // before a write that would hold it up
		effects = append(alarm, effects...)
	}
	return effects
}

func (m *Machine) step(now time.Time, in any) []core.Effect {
	switch in := in.(type) {
	case messages.ModelChanged:
		return m.modelChanged(in)
	case messages.SessionUp:
		return m.sessionUp(in)
	case messages.SessionLost:
		return m.sessionLost(in)
	case messages.Inbound:
		return session{Machine: m, peer: in.Peer, now: now}.serve(in)
	case messages.InboundBlock:
		return session{Machine: m, peer: in.Peer, now: now}.push(in)
	case messages.ModelWritten:
		return m.written(now, in)
	case messages.RenewalJudged:
		return m.renewalJudged(in)
	case Returned:
		return m.returned(now, in)
	case Changed:
		return m.changed(in)
	case messages.CollectSend:
		return session{Machine: m, peer: in.Peer, now: now}.collect(in)
	case core.Expired:
		return m.expired(now, in.Timer)
	}
	return m.observing(now, in)
}

// observing takes what concerns observations only.
func (m *Machine) observing(now time.Time, in any) []core.Effect {
	switch in := in.(type) {
	case messages.Notified:
		return m.notified(now, in)
	case messages.Woke:
		return m.woke(in)
	case messages.ReportsAsked:
		return m.reportsAsked()
	case messages.RecordLoaded:
		return m.loaded(in)
	case core.Persisted:
		return m.persisted(in.Token, false)
	case core.PersistFailed:
		return m.persisted(in.Token, true)
	}
	return nil
}

// serve answers a request, or has it go on.
func (s session) serve(in messages.Inbound) []core.Effect {
	if in.Observe != nil {
		in.Token = slices.Clone(in.Token)
	}
	over := s.unobserve(&in)
	s.since = s.changes
	a := s.answer(&in)
	if a.later != nil {
		return append(a.later, over...)
	}
	a = s.sound(a)
	effects := append(s.reply(in.Epoch, in.ID, a), over...)
	return append(effects, s.unobserved(in.Peer, in.Epoch, begun(&in), a)...)
}

// sound is an answer, or that the object has failed: what it has answered in the step in
// which it was at fault counts for nothing.
func (m *Machine) sound(a answer) answer {
	if len(m.faults) > 0 && a.Code.Class() != failed.Code.Class() {
		return *failed
	}
	return a
}

// reply answers a request, and sets off what follows the answer.
func (m *Machine) reply(epoch messages.Epoch, id uint64, a answer) []core.Effect {
	a = m.sound(a)
	message := messages.Reply{
		Epoch: epoch, ID: id, Code: a.Code, LocationPath: a.location, ContentFormat: a.Format, MaxAge: a.maxAge, Payload: a.Payload,
		Observe: a.observe,
	}
	effects := []core.Effect{core.Tell{To: core.Link, Epoch: epoch, Message: message}}
	switch a.trigger {
	case triggerUpdate:
		effects = append(effects, tell(messages.UpdateTriggered{Epoch: epoch}))
	case triggerDisable:
		effects = append(effects, tell(messages.DisableTriggered{Epoch: epoch}))
	case triggerBootstrap:
		effects = append(effects, tell(messages.BootstrapTriggered{Epoch: epoch}))
	}
	effects = append(effects, a.behind...)
	if a.keeps != nil {
		return append(a.before, m.keep(a.keeps, effects...)...)
	}
	return effects
}

// changed has the registrations told where instances may have come or gone.
func (m *Machine) changed(in Changed) []core.Effect {
	for _, path := range in.Paths {
		m.noticed(path)
	}
	for _, path := range in.Paths {
		if path.Len() == 1 {
			return []core.Effect{tell(messages.InstancesChanged{})}
		}
	}
	return nil
}

func (m *Machine) expired(now time.Time, timer core.Timer) []core.Effect {
	switch timer.Name {
	case nameJob:
		return append(m.jobExpired(now, timer.Key), m.parkedExpired(timer.Key)...)
	case nameWrite:
		return m.writeExpired(now, messages.Epoch(timer.Key))
	case nameRecords:
		return m.recordExpired(messages.PeerOfKey(timer.Key))
	case timerTally.Name:
		m.tallied = false // what has changed is reported at the end of the step
		return nil
	case nameOutbox:
		return m.outboxExpired(messages.PeerOfKey(timer.Key))
	}
	m.alarm = time.Time{} // timerObserve: what is due is done at the end of the step
	return nil
}

// versions are the LwM2M versions of sessions: of one or a few, which takes no map.
type versions []versionOf

type versionOf struct {
	epoch   messages.Epoch
	version string
}

// of returns the version of a session; empty where it is not known.
func (v versions) of(epoch messages.Epoch) string {
	for _, known := range v {
		if known.epoch == epoch {
			return known.version
		}
	}
	return ""
}

func (v *versions) add(epoch messages.Epoch, version string) {
	v.drop(epoch)
	*v = append(*v, versionOf{epoch, version})
}

func (v *versions) drop(epoch messages.Epoch) {
	*v = slices.DeleteFunc(*v, func(known versionOf) bool { return known.epoch == epoch })
}

// insert adds to a map, which is made then: most clients have no use for most of them.
func insert[K comparable, V any](to *map[K]V, key K, value V) {
	if *to == nil {
		*to = map[K]V{}
	}
	(*to)[key] = value
}

func tell(message any) core.Effect { return core.Tell{To: core.Supervisor, Message: message} }
