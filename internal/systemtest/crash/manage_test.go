package crash_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// Objects of a managed life.
const (
	sensorID = 3303  // temperatures of the application, which can be reset
	partID   = 26241 // servers create, write and delete its instances
)

type part struct {
	Name string `lwm2m:"0,RW"`
}

// managed is a client whose server manages it: it observes, is notified, and away for a
// while, gets a Send, executes, writes, creates and deletes.
type managed struct {
	*systemtest.World
	cfg     holdfast.Config
	client  *systemtest.Client
	fire    *fire
	sensors *object.Values
	degrees float64 // the latest temperature

	mu     sync.Mutex
	latest map[*lwm2mtest.ObserveRelation]string // what the server was told last
}

// observed are the paths that the server observes.
var observed = []string{"/3303/0/5700", "/3303/1", "/26241"}

func newManaged(t *testing.T, f *fire) *managed {
	m := &managed{
		World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), fire: f, latest: map[*lwm2mtest.ObserveRelation]string{},
	}
	m.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
	m.cfg = m.NoSec()
	m.offer()
	return m
}

// offer makes the objects of a process.
func (m *managed) offer() {
	m.T.Helper()
	reset := lwm2m.ResourceDef{ID: 5605, Name: "Reset", Operations: lwm2m.OpExecute}
	sensors, err := object.NewValues(lwm2m.ObjectDef{ID: sensorID, Name: "Temperature", Version: "1.0", Multiple: true, Resources: []lwm2m.ResourceDef{
		{ID: 5700, Name: "Sensor Value", Kind: lwm2m.KindFloat, Operations: lwm2m.OpRead, Mandatory: true}, reset,
	}})
	if err == nil {
		err = sensors.Handle(lwm2m.PathOf(sensorID, 0, 5605), func(context.Context, lwm2m.Arguments) error { return nil })
	}
	if err != nil {
		m.T.Fatal(err)
	}
	parts, err := object.Of(lwm2m.ObjectDef{ID: partID, Name: "Part", Version: "1.0", Multiple: true},
		object.OnCreate(func(context.Context, uint16) (part, error) { return part{}, nil }),
		object.OnDelete(func(context.Context, uint16, part) error { return nil }))
	if err != nil {
		m.T.Fatal(err)
	}
	m.sensors, m.cfg.Objects = sensors, []object.Object{sensors, parts}
	m.warm()
}

// warm gives both sensors a value that they never had.
func (m *managed) warm() {
	m.T.Helper()
	m.degrees++
	for i := range uint16(2) {
		if err := m.sensors.Set(lwm2m.PathOf(sensorID, i, 5700), lwm2m.Float(m.degrees)); err != nil {
			m.T.Error(err)
		}
	}
	synctest.Wait()
}

// within does something that a crash may have taken the answer of.
func within(do func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	do(ctx)
	synctest.Wait()
}

func (m *managed) registeredWithin(bound time.Duration) {
	m.T.Helper()
	(&life{World: m.World, client: m.client}).registeredWithin(bound)
}

// observe begins an observation. One of which the server has no answer is none for it.
func (m *managed) observe(path string) {
	within(func(ctx context.Context) {
		relation, first, err := m.Server.Observe(ctx, systemtest.Endpoint, path, messages.FormatSenMLJSON)
		if relation == nil {
			return
		}
		if err != nil {
			relation.Forget()
			return
		}
		m.mu.Lock()
		m.latest[relation] = string(first.Payload)
		m.mu.Unlock()
		go func() {
			for told := range relation.Notifications() {
				m.mu.Lock()
				m.latest[relation] = string(told.Payload)
				m.mu.Unlock()
			}
		}()
	})
}

// ask sends a request of the server.
func (m *managed) ask(method messages.CoAPCode, path, text string, query ...string) {
	r := lwm2mtest.Request{Method: method, Path: path, Query: query}
	if text != "" {
		r.Format, r.Payload = new(messages.FormatText), []byte(text)
	}
	within(func(ctx context.Context) { _, _ = m.Server.Do(ctx, systemtest.Endpoint, r) })
}

// create has the server make part 3.
func (m *managed) create() {
	content, err := lwm2mtest.Encode(messages.FormatTLV, "/26241", lwm2m.Node{Path: lwm2m.PathOf(partID, 3, 0), Value: lwm2m.String("wheel")})
	if err != nil {
		m.T.Fatal(err)
	}
	within(func(ctx context.Context) { _, _ = m.Server.Create(ctx, systemtest.Endpoint, "/26241", content) })
}

// be is what happens to the client.
func (m *managed) be() {
	m.T.Helper()
	m.client = m.Start(m.cfg, lwm2mtest.WithTap(m.fire))
	m.registeredWithin(aftermath)
	m.fire.mu.Lock()
	m.fire.before = maps.Clone(m.fire.seen)
	m.fire.mu.Unlock()
	m.observe("/3/0/0")
	for _, path := range observed {
		m.observe(path)
	}
	m.ask(messages.PUT, "/3303/0/5700", "", "pmin=5")
	m.end("/3/0/0")
	m.warm()
	m.create()
	m.ask(messages.PUT, "/26241/3/0", "axle")
	m.ask(messages.POST, "/3303/0/5605", "")
	m.ask(messages.PUT, "/1/0/23", "0")
	m.ask(messages.PUT, "/1/0/3", "3600")
	within(func(ctx context.Context) { _ = m.client.Send(ctx, 1, "/3303/0/5700", "/26241") })
	m.ask(messages.DELETE, "/26241/3", "")
	m.away()
	m.client.Sleep(time.Minute)
}

// end has the server cancel an observation, or forget it where the client does not answer.
func (m *managed) end(path string) {
	for _, relation := range m.Server.Observations(systemtest.Endpoint) {
		if slices.Equal(relation.Paths, []string{path}) {
			within(func(ctx context.Context) {
				if _, err := relation.Cancel(ctx); err != nil {
					relation.Forget()
				}
			})
		}
	}
}

// away has the server out of reach while values change.
func (m *managed) away() {
	hole := m.Network.Impair(lwm2mtest.ToHost(m.Host), lwm2mtest.Conditions{BlackHole: true})
	m.warm()
	m.client.Sleep(2 * time.Minute)
	m.warm()
	m.client.Sleep(time.Minute)
	hole.Lift()
	m.client.Sleep(time.Minute)
}

// settled is how long it takes after a crash until the client is registered and has told
// what there is to tell.
const settled = aftermath + time.Minute

// demandAgreement demands that the client is registered and answers, that the server has
// been told the latest value in every observation in which it believes, and that the client
// tells of no other.
func (m *managed) demandAgreement(when string) {
	m.T.Helper()
	m.client.Sleep(settled)
	m.registeredWithin(aftermath)
	m.demandValues(when)
	for range 2 { // what the server does not know any more ends with the first
		m.warm()
		m.client.Sleep(time.Minute)
	}
	before := m.LastPacket()
	m.warm()
	m.client.Sleep(time.Minute)
	m.demandValues(when)
	m.demandNoRejection(when, before)
}

// demandValues demands that the server was told what it reads.
func (m *managed) demandValues(when string) {
	m.T.Helper()
	for _, relation := range m.Server.Observations(systemtest.Endpoint) {
		m.mu.Lock()
		told := m.latest[relation]
		m.mu.Unlock()
		got, err := m.Server.Read(context.Background(), systemtest.Endpoint, relation.Paths[0], messages.FormatSenMLJSON)
		if err != nil || got.Code != messages.Content {
			m.T.Errorf("%s: %v is not read: %v, %v; %s", when, relation.Paths, got.Code, err, m.client.Story())
		}
		if told != string(got.Payload) {
			m.T.Errorf("%s: the server observes %v as %q, and reads %q; %s", when, relation.Paths, told, got.Payload, m.client.Story())
		}
	}
}

// demandNoRejection demands that the server knows all that it is notified of.
func (m *managed) demandNoRejection(when string, after uint64) {
	m.T.Helper()
	for _, p := range m.Network.Packets() {
		message, err := coap.Decode(p.Data)
		if p.Seq > after && p.From.Addr() == systemtest.ServerAddr && err == nil && message.Type == coap.RST {
			m.T.Errorf("%s: the server rejects what it is told", when)
		}
	}
}

// demandObservable demands that what a server begins after all of it is told.
func (m *managed) demandObservable(when string) {
	m.T.Helper()
	before := len(m.Server.Observations(systemtest.Endpoint))
	m.observe("/3303/1/5700")
	if n := len(m.Server.Observations(systemtest.Endpoint)); n != before+1 {
		m.T.Errorf("%s: %d observations, %d before the last one", when, n, before)
	}
}

// Actors crash at each message and before each effect that a server's management, and what
// the client tells it, bring. Afterwards the server agrees with the client about what it
// observes, or knows by a Register that it observes nothing; and so it does with the next
// process.
func TestManagementUnderFire(t *testing.T) {
	var before, seen map[spot]int
	synctest.Test(t, func(t *testing.T) {
		m := newManaged(t, &fire{seen: map[spot]int{}})
		defer m.Close()
		m.be()
		before, seen = m.fire.passed()
		m.demandAgreement("without a crash")
		if n := len(m.Server.Observations(systemtest.Endpoint)); n != len(observed) {
			t.Errorf("%d observations", n)
		}
		m.client.ExpectClose(nil)
	})
	demandManaged(t, before, seen)
	runs, sum := 0, burnt{}
	for _, target := range slices.SortedFunc(maps.Keys(seen), func(a, b spot) int { return strings.Compare(a.String(), b.String()) }) {
		if strings.HasPrefix(target.message, "*actor.") {
			continue
		}
		for _, nth := range someOf(before[target], seen[target]) {
			runs++
			t.Run(fmt.Sprintf("%s/%d", target, nth), func(t *testing.T) { sum.add(burnManaged(t, target, nth)) })
		}
	}
	t.Logf("%d crashes in %d lives, after %d of which all observations went on", sum.struck, runs, sum.went)
	if sum.struck < runs*9/10 || sum.went < runs/2 {
		t.Error("there is little to judge")
	}
}

// burnt is what has come of lives with a crash.
type burnt struct{ struck, went int }

func (b *burnt) add(other burnt) { b.struck, b.went = b.struck+other.struck, b.went+other.went }

// someOf are the first of the occurrences after so many, the last, and one in the middle.
func someOf(before, seen int) (nths []int) {
	for _, nth := range []int{before + 1, (before + 1 + seen) / 2, seen} {
		if before < nth && nth <= seen && !slices.Contains(nths, nth) {
			nths = append(nths, nth)
		}
	}
	return nths
}

// burnManaged has a client be managed with one crash. How often some messages come differs
// by one from life to life, so that the last may not.
func burnManaged(t *testing.T, target spot, nth int) (out burnt) {
	synctest.Test(t, func(t *testing.T) {
		m := newManaged(t, &fire{seen: map[spot]int{}, target: target, nth: nth})
		defer m.Close()
		m.be()
		m.fire.extinguish() // else the judge could set it off
		out.struck = m.fire.strikes()
		m.demandAgreement("after the crash")
		if len(m.Server.Observations(systemtest.Endpoint)) == len(observed) {
			out.went = 1
		}
		m.demandObservable("after the crash")
		m.cfg = m.Kill(m.client, m.cfg)
		m.offer()
		m.client = m.Start(m.cfg)
		m.demandAgreement("in the next process")
		m.demandObservable("in the next process")
		m.client.ExpectClose(nil)
	})
	return out
}

// A notification that was under way when management crashed is rejected afterwards. The
// one that follows does not know whether the server had ever taken it, so that both begin
// anew with a Register: nothing else may come to its place and end without a word.
func TestRejectionAcrossACrashOfManagement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManaged(t, &fire{seen: map[spot]int{}, target: spot{"management", lwm2mtest.StageInvoking, "management.woken"}})
		defer m.Close()
		m.client = m.Start(m.cfg, lwm2mtest.WithTap(m.fire))
		m.registeredWithin(aftermath)
		m.observe("/3/0/0")
		m.observe("/3303/0/5700")
		m.observe("/3303/1/5700")
		m.end("/3/0/0") // whose number is free again after the crash
		m.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: time.Second})
		m.warm() // both are told, the first at once
		for _, relation := range m.Server.Observations(systemtest.Endpoint) {
			if relation.Paths[0] == "/3303/0/5700" {
				relation.Forget()
			}
		}
		m.fire.mu.Lock()
		m.fire.nth = m.fire.seen[m.fire.target] + 1
		m.fire.mu.Unlock()
		m.warm() // management crashes, and is there again before the rejection
		m.client.Sleep(time.Minute)
		if n := m.fire.strikes(); n != 1 {
			t.Errorf("%d panics", n)
		}
		m.demandAgreement("after the crash")
		registers := len(m.Server.Requests(systemtest.Endpoint, lwm2mtest.Register))
		if n := len(m.Server.Observations(systemtest.Endpoint)); n != 0 || registers != 2 {
			t.Errorf("%d observations, %d Registers", n, registers)
		}
		m.client.ExpectClose(nil)
	})
}

// demandManaged demands that the messages of management have come by: otherwise crashes
// would go missing without a word.
func demandManaged(t *testing.T, before, seen map[spot]int) {
	t.Helper()
	for _, want := range []spot{
		{"management", lwm2mtest.StageInvoking, "messages.Inbound"},
		{"management", lwm2mtest.StageInvoking, "messages.Notified"},
		{"management", lwm2mtest.StageInvoking, "management.Returned"},
		{"management", lwm2mtest.StageInvoking, "messages.CollectSend"},
		{"management", lwm2mtest.StageInvoking, "messages.SessionLost"},
		{"management", lwm2mtest.StageInvoking, "messages.ModelWritten"},
		{"management", lwm2mtest.StageInvoking, "core.Persisted"},
		{"management", lwm2mtest.StageEffect, "core.Persist"},
		{"management", lwm2mtest.StageEffect, "management.Call"},
		{"coapresend/1", lwm2mtest.StageInvoking, "messages.Notify"},
		{"coapresend/1", lwm2mtest.StageInvoking, "messages.Unobserve"},
		{"coapresend/1", lwm2mtest.StageInvoking, "messages.Reply"},
		{"registration/1", lwm2mtest.StageInvoking, "messages.Silence"},
		{"supervisor", lwm2mtest.StageInvoking, "messages.ObservationsKept"},
		{"supervisor", lwm2mtest.StageInvoking, "messages.SendRequest"},
		{"store", lwm2mtest.StageInvoking, "messages.Save"},
	} {
		if seen[want] == before[want] {
			t.Errorf("%s was not seen", want)
		}
	}
}
