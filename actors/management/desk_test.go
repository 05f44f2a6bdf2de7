package management

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// desk drives a machine through virtual time, with a store and links that answer at
// once.
type desk struct {
	t      *testing.T
	config Config
	m      *Machine
	now    time.Time
	timers map[core.Timer]time.Time
	disk   map[string][]byte
	writes int
	calls  int

	outcome   messages.NotifyOutcome // of notifications; 0 for none yet
	replies   []messages.Reply
	notes     []messages.Notify // since notified was last called
	at        []time.Time       // when these left
	lost      int               // ObservationsLost
	doubted   int               // RegistrationDoubted
	kept      []messages.ObservationsKept
	observing []messages.ObservingChanged // since tallies was last called
	ended     []uint64                    // Unobserve
	unloaded  bool                        // the store does not answer LoadRecord
	failing   bool                        // the store cannot write
	ids       uint64
	hang      func(Call) bool // the handler does not return
	update    func(any) []any // takes what is said to core.Update, and answers; nil: it is only noted
	heard     []any           // what was said to core.Update since heard was last cleared
}

// server1 is whom most tests are about.
var server1 = messages.ManagementPeer(1)

func newDesk(t *testing.T, config Config) *desk {
	config.Endpoint = "gateway"
	d := &desk{t: t, config: config, now: now, disk: map[string][]byte{}, outcome: messages.NotifyAcknowledged, ids: 100}
	d.restart()
	return d
}

// restart begins a new process with the records of the one before.
func (d *desk) restart() {
	d.m, d.timers = New(d.config), map[core.Timer]time.Time{}
	d.step(messages.ModelChanged{Tree: accountsModel()})
}

// accountsModel is a model whose accounts can be used: server 1 at /1/0, 2 at /1/5.
func accountsModel() *lwm2m.Tree {
	tree := model(true)
	for inst := range uint16(3) {
		tree.PutResource(0, inst, lwm2m.Resource{ID: 2, Value: lwm2m.Integer(3)})
		tree.PutResource(0, inst, lwm2m.Resource{ID: 0, Value: lwm2m.String("coap://h" + strconv.Itoa(int(inst)))})
		if inst > 0 {
			tree.PutResource(0, inst, lwm2m.Resource{ID: 10, Value: lwm2m.Integer(int64(inst))})
		}
	}
	return tree
}

func (d *desk) up(epoch messages.Epoch, resumed bool) {
	d.step(messages.SessionUp{Peer: server1, Epoch: epoch, Version: "1.1", Resumed: resumed})
}

func (d *desk) down(epoch messages.Epoch, still bool) {
	d.step(messages.SessionLost{Peer: server1, Epoch: epoch, StillRegistered: still})
}

// registered begins the session of server 1 in epoch 4.
func (d *desk) registered() *desk {
	d.up(4, false)
	return d
}

func (d *desk) step(in any) {
	d.t.Helper()
	d.carryOut(d.m.Step(d.now, in))
}

func (d *desk) carryOut(effects []core.Effect) {
	d.t.Helper()
	var then []any
	for _, e := range effects {
		switch e := e.(type) {
		case core.SetTimer:
			d.timers[e.Timer] = d.now.Add(max(e.After, 0))
		case core.StopTimer:
			delete(d.timers, e.Timer)
		case core.Persist:
			then = append(then, d.write(e))
		case core.Tell:
			if e.To == core.Update {
				then = append(then, d.tellUpdate(e.Message)...)
				continue
			}
			then = append(then, d.tell(e.Message)...)
		case Call:
			if d.calls++; d.hang != nil && d.hang(e) {
				continue
			}
			done := make(chan Returned, 1)
			go run(context.Background(), e, func(out Returned) { done <- out })
			then = append(then, <-done)
		}
	}
	for _, in := range then {
		d.step(in)
	}
}

func (d *desk) tellUpdate(message any) []any {
	d.heard = append(d.heard, message)
	if d.update == nil {
		return nil
	}
	return d.update(message)
}

func (d *desk) write(p core.Persist) any {
	if d.failing {
		return core.PersistFailed{Token: p.Token, Err: context.DeadlineExceeded}
	}
	d.writes++
	if d.disk[p.Record] = p.Data; p.Data == nil {
		delete(d.disk, p.Record)
	}
	return core.Persisted{Token: p.Token}
}

func (d *desk) tell(message any) (then []any) {
	switch in := message.(type) {
	case messages.Reply:
		d.replies = append(d.replies, in)
	case messages.Notify:
		d.notes, d.at = append(d.notes, in), append(d.at, d.now)
		if d.outcome != 0 {
			then = append(then, messages.Notified{Epoch: in.Epoch, ID: in.ID, Observation: in.Observation, Outcome: d.outcome})
		}
	case messages.Unobserve:
		d.ended = append(d.ended, in.Observation)
	case messages.ObservationsKept:
		d.kept = append(d.kept, in)
	case messages.ObservingChanged:
		d.observing = append(d.observing, in)
	case messages.ObservationsLost:
		d.lost++
	case messages.RegistrationDoubted:
		d.doubted++
	case messages.LoadRecord:
		if !d.unloaded {
			then = append(then, messages.RecordLoaded{Token: in.Token, Stored: messages.StoredState{Data: d.disk[in.Record]}})
		}
	}
	return then
}

// sleep lets time pass and fires the timers that are due, each at its instant.
func (d *desk) sleep(period time.Duration) {
	d.t.Helper()
	end := d.now.Add(period)
	for {
		timers := slices.SortedFunc(maps.Keys(d.timers), func(a, b core.Timer) int { return d.timers[a].Compare(d.timers[b]) })
		if len(timers) == 0 || d.timers[timers[0]].After(end) {
			d.now = end
			return
		}
		d.now = d.timers[timers[0]]
		delete(d.timers, timers[0])
		d.step(core.Expired{Timer: timers[0]})
	}
}

// ask sends a request of server 1 and returns the answer.
func (d *desk) ask(in messages.Inbound) messages.Reply {
	d.t.Helper()
	d.ids++
	in.ID = d.ids
	d.step(in)
	n := len(d.replies)
	if n == 0 || d.replies[n-1].ID != in.ID {
		d.t.Fatalf("%v %v is not answered", in.Code, in.Path)
	}
	return d.replies[n-1]
}

// observing is a request to observe a path as text, under a token.
func observing(token, path string) messages.Inbound {
	in := accepting(path, text)
	in.Observe, in.Token, in.Key = new(uint32(observeBegin)), []byte(token), "GET "+path
	return in
}

// observe has server 1 observe a path and expects that to begin.
func (d *desk) observe(token, path string) {
	d.t.Helper()
	if reply := d.ask(observing(token, path)); reply.Code != messages.Content || reply.Observe == nil {
		d.t.Fatalf("observe %s: %v %s, Observe %v", path, reply.Code, reply.Payload, reply.Observe)
	}
}

func (d *desk) attributes(path string, query ...string) messages.Reply {
	d.t.Helper()
	in := request(messages.PUT, path)
	in.Query = query
	return d.ask(in)
}

// notified returns what has been told since it was last called: when, in seconds from
// since, under which token, and what.
func (d *desk) notified(since time.Time) (told []string) {
	for i, n := range d.notes {
		what := string(n.Payload)
		if n.Code != messages.Content {
			what = n.Code.String()
		}
		told = append(told, strconv.FormatFloat(d.at[i].Sub(since).Seconds(), 'f', -1, 64)+" "+string(n.Token)+" "+what)
	}
	d.notes, d.at = nil, nil
	return told
}

// gauge is an object in memory whose resource 1 tells of every change.
type gauge struct {
	memory
}

func (g *gauge) Watch(func(lwm2m.Path)) (stop func()) { return func() {} }

func newGauge(instances ...uint16) *gauge {
	return &gauge{memory: memory{newShelf(shelfID, instances...)}}
}

var _ object.Watcher = (*gauge)(nil)

// set changes the weight of an instance and tells the machine.
func (d *desk) set(g *gauge, inst uint16, weight float64) {
	g.tree.PutResource(shelfID, inst, lwm2m.Resource{ID: 1, Value: lwm2m.Float(weight)})
	d.step(Changed{Paths: []lwm2m.Path{lwm2m.PathOf(shelfID, inst, 1)}})
}
