package property_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// act is one thing that a server does with the client's objects, or the application.
type act struct {
	Kind actKind
	At   time.Duration // since the beginning
	Whom whom          // the server, or the one that a Send goes to
	N    int
}

type actKind uint8

const (
	actSet actKind = iota // the application has another value
	actObserve
	actCancel
	actDropObservation // the server forgets an observation, and answers RST
	actAttributes
	actWrite
	actWriteComposite
	actCreate
	actDelete
	actMute // a server forbids or allows Sends
	actSend
	actGrant   // the owner gives the other server the right to read a value, or takes it away
	actKill    // the process dies, and the next one starts a minute later
	actBinding // a server wants queue mode, or does not any more
	actDisable // a server sends the client away for a while
	actKinds   // their number

	actIgnore // a server does not listen to its observations: no schedule has that
)

func (k actKind) String() string {
	return [...]string{
		"set", "observe", "cancel", "drop observation", "attributes", "write", "write composite", "create", "delete",
		"mute", "send", "grant", "kill", "binding", "disable", "", "ignore",
	}[k]
}

// Objects that the client serves besides its own.
const (
	sensorID = 3303  // values of the application, two instances
	partID   = 26241 // servers create, write and delete its instances
)

// part is an instance that servers make.
type part struct {
	Name string `lwm2m:"0,RW"`
}

// managing is what the lab knows of the management of its client.
type managing struct {
	lab     *lab
	sensors *object.Values
	parts   *object.Typed[part]
	calls   sync.WaitGroup

	mu     sync.Mutex
	value  int // the latest of the sensors
	views  map[*lwm2mtest.ObserveRelation]*view
	names  map[uint16]*register // of parts, by instance
	muted  map[whom]*register   // what servers have written to /1/x/23
	boots  map[whom]int         // bootstraps before the latest write to that
	took   map[whom]int         // Sends that a server is said to have taken
	faults []string

	earlier map[whom]map[string]bool // tokens of the notifications of the change before the last
}

// view is what a server was told of an observation.
type view struct {
	by    *manager
	watch watch
	token string
	last  string // the latest payload
}

// watch is what can be observed, and how it is read again.
type watch struct {
	format lwm2m.Format
	paths  []string // several: an Observe-Composite
}

var watches = []watch{
	{messages.FormatText, []string{"/3303/0/5700"}},
	{messages.FormatText, []string{"/3303/1/5700"}},
	{messages.FormatSenMLJSON, []string{"/3303/0"}},
	{messages.FormatTLV, []string{"/3303"}},
	{messages.FormatSenMLCBOR, []string{"/3303/0/5700", "/26241", "/3303/1"}},
	{messages.FormatSenMLJSON, []string{"/26241"}},
	{messages.FormatText, []string{"/26241/0/0"}},
	{messages.FormatTLV, []string{"/26241/1"}},
}

// senses reports whether every change of the sensors changes what is watched.
func (w watch) senses() bool { return w.paths[0][:5] == "/3303" }

// register is what the judge knows of a value that servers write: the latest one that
// was acknowledged while no other write was under way, and those of which nobody knows
// whether and when they are executed.
type register struct {
	sure    string
	doubts  map[string]bool
	pending int
}

func newRegister(sure string) *register { return &register{sure: sure, doubts: map[string]bool{}} }

func (r *register) begin(value string) { r.pending++; r.doubts[value] = true }

func (r *register) end(value string, acknowledged bool) {
	if r.pending--; acknowledged && r.pending == 0 {
		r.sure = value
	}
}

// may reports whether it may have that value.
func (r *register) may(value string) bool { return r.sure == value || r.doubts[value] }

// manage lets the servers of a schedule with acts manage the client.
func (l *lab) manage() {
	if len(l.plan.Acts) == 0 {
		return
	}
	g := &managing{
		lab: l, sensors: newSensors(l), parts: newParts(l), views: map[*lwm2mtest.ObserveRelation]*view{},
		names: map[uint16]*register{}, muted: map[whom]*register{}, boots: map[whom]int{}, took: map[whom]int{},
	}
	l.managing = g
	l.config.Objects = []object.Object{g.sensors, g.parts}
	l.config.QueueMode = l.plan.Queue
	l.traffic = follow(l.Network)
	if l.plan.Setup.boots() {
		l.deliverAccount()
	}
	g.set()
}

func newSensors(l *lab) *object.Values {
	v, err := object.NewValues(lwm2m.ObjectDef{ID: sensorID, Name: "Temperature", Version: "1.0", Multiple: true, Resources: []lwm2m.ResourceDef{
		{ID: 5700, Name: "Sensor Value", Kind: lwm2m.KindFloat, Operations: lwm2m.OpRead, Mandatory: true},
	}})
	if err != nil {
		l.T.Fatal(err)
	}
	return v
}

func newParts(l *lab) *object.Typed[part] {
	parts, err := object.Of(lwm2m.ObjectDef{ID: partID, Name: "Part", Version: "1.0", Multiple: true},
		object.OnCreate(func(context.Context, uint16) (part, error) { return part{}, nil }),
		object.OnDelete(func(context.Context, uint16, part) error { return nil }))
	if err != nil {
		l.T.Fatal(err)
	}
	return parts
}

// rights is object 2 for two servers: the second one may read what the application
// offers, and each of them may create parts, of which it is the owner.
func rights() (all []lwm2mtest.BootstrapWrite) {
	for i, r := range []struct {
		object, instance uint16
		first, second    int64
	}{
		{objects.Device, 0, 31, 31}, {sensorID, 0, 31, 1}, {sensorID, 1, 31, 1}, {partID, objects.AnyInstance, 16, 16},
	} {
		at := lwm2m.PathOf(objects.AccessControl, uint16(i))
		acl := at.Child(objects.AccessControlACL)
		all = append(all, lwm2mtest.BootstrapWrite{Path: at.String(), Nodes: []lwm2m.Node{
			{Path: at.Child(objects.AccessControlObjectID), Value: lwm2m.Integer(int64(r.object))},
			{Path: at.Child(objects.AccessControlObjectInstanceID), Value: lwm2m.Integer(int64(r.instance))},
			{Path: acl.Child(1), Value: lwm2m.Integer(r.first)}, {Path: acl.Child(2), Value: lwm2m.Integer(r.second)},
			{Path: at.Child(objects.AccessControlOwner), Value: lwm2m.Integer(1)},
		}})
	}
	return all
}

func (g *managing) failf(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = append(g.faults, fmt.Sprintf(format, args...))
}

// actions returns what an act does. What servers ask for takes as long as the network
// wants, and nothing waits for it.
func (g *managing) actions(a act) []action {
	switch a.Kind {
	case actSet:
		return []action{{a.At, g.set}}
	case actKill:
		return []action{{a.At, g.lab.kill}, {min(a.At+time.Minute, g.lab.plan.Span), g.lab.open}}
	case actSend:
		return []action{{a.At, func() { g.send(a) }}}
	}
	do := map[actKind]func(context.Context, *manager, int){
		actObserve: g.observe, actCancel: g.cancel, actDropObservation: g.drop, actAttributes: g.attributes, actWrite: g.write,
		actWriteComposite: g.writeComposite, actCreate: g.create, actDelete: g.delete, actMute: g.mute, actGrant: g.grant,
		actIgnore: g.ignore, actBinding: g.binding, actDisable: g.disable,
	}[a.Kind]
	return []action{{a.At, func() {
		g.call(func(ctx context.Context) { do(ctx, g.lab.managers[int(a.Whom)%len(g.lab.managers)], a.N) })
	}}}
}

// call does something that takes a while, but has an end.
func (g *managing) call(do func(context.Context)) {
	g.calls.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), maxDelay)
		defer cancel()
		do(ctx)
	})
}

// set gives the sensors values that they never had.
func (g *managing) set() {
	g.mu.Lock()
	g.value++
	value := g.value
	g.mu.Unlock()
	for i := range uint16(2) {
		if err := g.sensors.Set(lwm2m.PathOf(sensorID, i, 5700), lwm2m.Float(float64(value)+float64(i)/2)); err != nil {
			g.failf("set: %v", err)
		}
	}
}

// observe begins an observation. One of which the server has no answer is none for it.
func (g *managing) observe(ctx context.Context, by *manager, n int) {
	w := watches[n%len(watches)]
	var relation *lwm2mtest.ObserveRelation
	var answer lwm2mtest.Response
	var err error
	if len(w.paths) > 1 {
		relation, answer, err = by.server.ObserveComposite(ctx, systemtest.Endpoint, w.format, w.paths...)
	} else {
		relation, answer, err = by.server.Observe(ctx, systemtest.Endpoint, w.paths[0], w.format)
	}
	switch {
	case relation == nil:
		return
	case err != nil:
		relation.Forget()
		return
	}
	v := &view{by: by, watch: w, token: string(relation.Token()), last: string(answer.Payload)}
	g.mu.Lock()
	g.views[relation] = v
	g.mu.Unlock()
	go func() {
		for told := range relation.Notifications() {
			g.mu.Lock()
			v.last = string(told.Payload)
			g.mu.Unlock()
		}
	}()
}

// any returns an observation of a server; nil when it has none.
func (g *managing) any(by *manager, n int) *lwm2mtest.ObserveRelation {
	all := by.server.Observations(systemtest.Endpoint)
	if len(all) == 0 {
		return nil
	}
	return all[n%len(all)]
}

// cancel ends an observation. When nobody answers, the server forgets it all the same.
func (g *managing) cancel(ctx context.Context, by *manager, n int) {
	if relation := g.any(by, n); relation != nil {
		if _, err := relation.Cancel(ctx); err != nil {
			relation.Forget()
		}
	}
}

func (g *managing) drop(_ context.Context, by *manager, n int) {
	if relation := g.any(by, n); relation != nil {
		relation.Forget()
	}
}

func (g *managing) ignore(_ context.Context, by *manager, n int) {
	if relation := g.any(by, n); relation != nil {
		relation.Ignore(true)
	}
}

func (g *managing) attributes(ctx context.Context, by *manager, n int) {
	w := watches[n%len(watches)]
	set := [][]string{{"pmin=20"}, {"pmin=60", "pmax=600"}, {"pmax=3600"}, {"pmin", "pmax"}, {"epmin=1", "epmax=30"}}[n/8%5]
	_, _ = by.server.WriteAttributes(ctx, systemtest.Endpoint, w.paths[0], set...) // it may be refused, or lost
}

// write names a part, by replacing it, by merging, or the resource alone.
func (g *managing) write(ctx context.Context, by *manager, n int) {
	g.name(ctx, by, n, func(path, name string) (lwm2mtest.Response, error) {
		mode, target := lwm2mtest.WriteMode(n/4%2), path
		if n/8%2 == 0 {
			target += "/0"
		}
		content := g.content(messages.FormatTLV, target, path+"/0", name)
		return by.server.Write(ctx, systemtest.Endpoint, target, mode, content)
	})
}

func (g *managing) writeComposite(ctx context.Context, by *manager, n int) {
	g.name(ctx, by, n, func(path, name string) (lwm2mtest.Response, error) {
		return by.server.WriteComposite(ctx, systemtest.Endpoint, g.content(messages.FormatSenMLCBOR, "/", path+"/0", name))
	})
}

func (g *managing) content(format lwm2m.Format, target, path, name string) lwm2mtest.Content {
	at, err := lwm2m.ParsePath(path)
	if err != nil {
		g.failf("%v", err)
	}
	content, err := lwm2mtest.Encode(format, target, lwm2m.Node{Path: at, Value: lwm2m.String(name)})
	if err != nil {
		g.failf("%v", err)
	}
	return content
}

// name gives one of four parts a name that nobody had, in some way.
func (g *managing) name(_ context.Context, _ *manager, n int, write func(path, name string) (lwm2mtest.Response, error)) {
	id := uint16(n % 4)
	g.mu.Lock()
	g.value++
	name := strconv.Itoa(g.value)
	g.nameOf(id).begin(name)
	g.mu.Unlock()
	answer, err := write(fmt.Sprintf("/%d/%d", partID, id), name)
	g.mu.Lock()
	g.nameOf(id).end(name, err == nil && answer.Code == messages.Changed)
	g.mu.Unlock()
}

// nameOf returns what is known of the name of a part. The lock is held.
func (g *managing) nameOf(id uint16) *register {
	if g.names[id] == nil {
		g.names[id] = newRegister("")
	}
	return g.names[id]
}

// create makes one of four parts, or leaves the choice to the client.
func (g *managing) create(ctx context.Context, by *manager, n int) {
	path, target := fmt.Sprintf("/%d/%d", partID, n%4), fmt.Sprintf("/%d", partID)
	g.name(ctx, by, n, func(_, name string) (lwm2mtest.Response, error) {
		answer, err := by.server.Create(ctx, systemtest.Endpoint, target, g.content(messages.FormatSenMLJSON, target, path+"/0", name))
		if err == nil && answer.Code == messages.Created {
			answer.Code = messages.Changed
		}
		return answer, err
	})
}

func (g *managing) delete(ctx context.Context, by *manager, n int) {
	_, _ = by.server.Delete(ctx, systemtest.Endpoint, fmt.Sprintf("/%d/%d", partID, n%4)) // it may be refused, or lost
}

// mute forbids Sends to a server, or allows them.
func (g *managing) mute(ctx context.Context, by *manager, n int) {
	value := strconv.Itoa(n % 2)
	g.mu.Lock()
	if g.muted[by.whom] == nil {
		g.muted[by.whom] = newRegister("")
	}
	r, boots := g.muted[by.whom], g.lab.bootstraps()
	if g.boots[by.whom] != boots { // an account that was delivered since says nothing of it
		r.doubts[r.sure], r.sure = true, ""
	}
	r.begin(value)
	g.boots[by.whom] = boots
	g.mu.Unlock()
	answer, err := by.server.Write(ctx, systemtest.Endpoint, mutePath(by), lwm2mtest.Replace, lwm2mtest.Content{Format: messages.FormatText, Payload: []byte(value)})
	g.mu.Lock()
	defer g.mu.Unlock()
	r.end(value, err == nil && answer.Code == messages.Changed)
}

// bootstraps is how many the client has asked for.
func (l *lab) bootstraps() int {
	return l.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest)
}

func mutePath(by *manager) string { return fmt.Sprintf("/1/%d/23", by.whom) }

// grant lets the second server read the second sensor, or no longer.
func (g *managing) grant(ctx context.Context, by *manager, n int) {
	_, _ = by.server.Write(ctx, systemtest.Endpoint, "/2/2/2/2", lwm2mtest.Replace,
		lwm2mtest.Content{Format: messages.FormatText, Payload: []byte(strconv.Itoa(n % 2))}) // only the owner may
}

// send has the client send to a server.
func (g *managing) send(a act) {
	client, to := g.lab.client, a.Whom%whom(len(g.lab.managers))
	if client == nil {
		return
	}
	g.call(func(ctx context.Context) {
		err := client.Send(ctx, uint16(to)+1, "/3303/0/5700", "/26241")
		var refused *holdfast.SendError
		switch {
		case err == nil:
			g.mu.Lock()
			g.took[to]++
			g.mu.Unlock()
		case errors.As(err, &refused), errors.Is(err, holdfast.ErrNotAllowed), errors.Is(err, context.DeadlineExceeded):
		default:
			g.failf("Send: %v", err)
		}
	})
}

// kill ends the client as kill -9 does.
func (l *lab) kill() {
	if l.client == nil {
		return
	}
	l.life().note(entryKill, first, "")
	l.config = l.World.Kill(&systemtest.Client{Client: l.client, T: l.T}, l.config)
	<-l.life().drained
	l.client, l.forgot = nil, l.forgot || l.disk.count > 0
}
