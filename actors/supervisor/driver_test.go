package supervisor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/actors/management"
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

const testR0 = 5 * time.Second

// driver plays the children of a supervisor's machine in virtual time.
type driver struct {
	t       *testing.T
	machine *Machine
	now     time.Time
	timers  map[core.Timer]time.Time
	live    map[messages.Epoch]messages.Peer
	orders  []Order
	begun   []time.Time // attempts: incarnations, and repeated requests on a link
	began   map[messages.Epoch]time.Time
	events  []messages.Event
	sends   []messages.SendOutcome
	answers []messages.ErrorCode
	causes  []error // of the answers
	stopped *messages.Stopped
	loads   []messages.LoadAccounts
	resets  []messages.ForgetCredentials
	// sessions are the announcements to management.
	sessions []any
	naps     []time.Duration // that management was told of
	updates  []any           // that the shared actor update was told of
	// outcomes are the answers to Writes.
	outcomes []messages.ModelWritten
	factory  *lwm2m.Tree
	records  map[string][]byte // of state, as a store would have them
	written  int               // how often they were written
	aside    []string          // those that were set aside
	disk     error             // what the store answers; nil for success
	hung     bool              // the store does not answer
	saves    []core.Persist    // that it has not answered yet
	place    accounts.Digest   // where the records are; zero for nowhere
	keeps    []messages.Epoch  // links that were retired such that their sessions survive

	firstMID uint16 // of the newest link
	used     uint64 // message IDs of it, as a test counts them
}

func mustURI(t *testing.T, s string) uri.URI {
	t.Helper()
	u, err := uri.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func bootstrapAccount(t *testing.T) messages.Account {
	return messages.Account{
		Peer: messages.BootstrapPeer(), URI: mustURI(t, "coaps://bs.example"),
		Credentials: messages.Credentials{Mode: messages.SecurityPSK, Identity: "gw", Key: messages.Secret("0123456789abcdef")},
	}
}

// server is the management server with a short server ID.
func server(id uint16) messages.Peer { return messages.ManagementPeer(id) }

func serverAccount(t *testing.T, id messages.Peer, instance uint16) messages.Account {
	return messages.Account{
		Peer: id, SecurityInstance: instance, ServerInstance: instance,
		URI:         mustURI(t, fmt.Sprintf("coaps://dm%d.example", id.ID)),
		Credentials: messages.Credentials{Mode: messages.SecurityPSK, Identity: "gw", Key: messages.Secret("fedcba9876543210")},
		Lifetime:    24 * time.Hour,
	}
}

func newDriver(t *testing.T, configured ...messages.Account) *driver {
	t.Helper()
	d := &driver{
		t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		timers: map[core.Timer]time.Time{}, began: map[messages.Epoch]time.Time{}, live: map[messages.Epoch]messages.Peer{}, records: map[string][]byte{},
	}
	d.factory = accounts.ToTree(configured)
	d.machine = New(testConfig())
	return d
}

func testConfig() Config {
	return Config{
		Endpoint: "gw-1", Policy: Policy{Initial: testR0, Max: Week}, Budget: 3 * time.Minute,
		Versions: []string{"1.1", "1.0"}, Linger: 93 * time.Second, Objects: management.Announced(management.Config{}),
		FirstMID: 100,
	}
}

// running starts a client whose store is empty.
func running(t *testing.T, configured ...messages.Account) *driver {
	t.Helper()
	d := newDriver(t, configured...)
	d.step(messages.Start{})
	d.loaded(nil, nil)
	return d
}

func (d *driver) loaded(tree *lwm2m.Tree, err error) {
	d.t.Helper()
	load := d.loads[len(d.loads)-1]
	answer := messages.AccountsLoaded{Token: load.Token, StoredErr: err, Factory: d.factory, States: map[string]messages.StoredState{}}
	for name, data := range d.records {
		if load.States && strings.HasPrefix(name, messages.RecordStates) {
			answer.States[name] = messages.StoredState{Data: data}
		}
	}
	if answer.Place = d.place; load.States {
		answer.Sessions = d.claimed()
	}
	answer.Written = messages.StoredState{Data: d.records[messages.RecordServer]}
	if answer.Stored = d.records[messages.RecordCredentials]; tree != nil {
		answer.Stored = accounts.Encode(tree)
	}
	d.step(answer)
}

// claimed are the records of sessions, as the store hands them out.
func (d *driver) claimed() map[string][]byte {
	found := map[string][]byte{}
	for name, data := range d.records {
		if !strings.HasPrefix(name, messages.RecordsOfSessions) {
			continue
		}
		delete(d.records, name)
		if claimed, instead, ok := accounts.ClaimSession(data, d.place); ok {
			found[name], d.records[name] = claimed, instead
		}
	}
	return found
}

func (d *driver) step(in any) {
	d.t.Helper()
	answered, wrote := false, false
	for _, effect := range d.machine.Step(d.now, in) {
		_, answer := effect.(Answer)
		_, write := effect.(core.Persist)
		if wrote && !write {
			d.t.Fatalf("%T waits for the disk", effect)
		}
		wrote = write
		if answered && !answer && !write {
			d.t.Fatalf("%T comes after the answer to a call, which would not show its effect", effect)
		}
		answered = answered || answer
		d.note(effect)
	}
	d.answerSaves()
}

func (d *driver) note(effect core.Effect) {
	d.t.Helper()
	switch effect := effect.(type) {
	case core.SetTimer:
		d.timers[effect.Timer] = d.now.Add(max(effect.After, 0))
	case core.StopTimer:
		delete(d.timers, effect.Timer)
	case core.Tell:
		if effect.To == core.Update {
			d.updates = append(d.updates, effect.Message)
			return
		}
		switch message := effect.Message.(type) {
		case messages.LoadAccounts:
			d.loads = append(d.loads, message)
		case messages.ForgetCredentials:
			d.resets = append(d.resets, message)
		case messages.SessionUp, messages.SessionLost:
			d.sessions = append(d.sessions, message)
		case messages.Woke:
			d.naps = append(d.naps, message.Slept)
		case messages.ModelWritten:
			d.outcomes = append(d.outcomes, message)
		case messages.SetAside:
			d.aside = append(d.aside, message.Record)
			delete(d.records, message.Record)
		}
	case core.Persist:
		d.write(effect)
	case Spawn:
		d.live[effect.Epoch], d.began[effect.Epoch] = effect.Peer, d.now
		d.begun = append(d.begun, d.now)
		d.firstMID = effect.FirstMID
	case Retire:
		if _, ok := d.live[effect.Epoch]; !ok {
			d.t.Fatalf("epoch %d was retired twice or never spawned", effect.Epoch)
		}
		delete(d.live, effect.Epoch)
		if effect.Keep {
			d.keeps = append(d.keeps, effect.Epoch)
		}
	case Order:
		if _, ok := d.live[effect.Epoch]; !ok {
			d.t.Fatalf("an order for epoch %d, which does not live: %T", effect.Epoch, effect.Message)
		}
		d.orders = append(d.orders, effect)
		switch effect.Message.(type) {
		case messages.SendRegister, messages.SendUpdate:
			d.begun = append(d.begun, d.now)
		}
	case Emit:
		d.events = append(d.events, effect.Event)
	case Answer:
		d.answers, d.causes = append(d.answers, effect.Code), append(d.causes, effect.Cause)
	case AnswerSend:
		d.sends = append(d.sends, effect.Outcomes...)
	case Finish:
		d.stopped = &effect.Stopped
	case Publish, Respawn:
	default:
		d.t.Fatalf("unknown effect %T", effect)
	}
}

// answerSaves plays the store's answers.
func (d *driver) answerSaves() {
	d.t.Helper()
	if d.hung {
		return
	}
	saves := d.saves
	d.saves = nil
	for _, save := range saves {
		if d.disk != nil {
			d.step(core.PersistFailed{Token: save.Token, Err: d.disk})
			continue
		}
		d.store(save)
		d.step(core.Persisted{Token: save.Token})
	}
}

// store makes a record durable.
func (d *driver) store(save core.Persist) {
	d.t.Helper()
	if save.Data == nil {
		delete(d.records, save.Record)
		return
	}
	if err := accounts.CheckRecord(save.Record, save.Data); err != nil {
		d.t.Fatal(err)
	}
	d.records[save.Record] = save.Data
}

// write plays the store.
func (d *driver) write(p core.Persist) {
	d.t.Helper()
	d.written++
	d.saves = append(d.saves, p)
}

// epoch returns the one live incarnation of an account.
func (d *driver) epoch(id messages.Peer) messages.Epoch {
	d.t.Helper()
	var found []messages.Epoch
	for epoch, account := range d.live {
		if account == id && epoch != d.machine.lingering {
			found = append(found, epoch)
		}
	}
	if len(found) != 1 {
		d.t.Fatalf("%s has %d incarnations", id, len(found))
	}
	return found[0]
}

func (d *driver) idle(id messages.Peer) bool {
	for epoch, account := range d.live {
		if account == id && epoch != d.machine.lingering {
			return false
		}
	}
	return true
}

// connected takes the present incarnation as far as the handshake.
func (d *driver) connected(id messages.Peer) {
	d.t.Helper()
	epoch := d.epoch(id)
	for _, stage := range []messages.Stage{messages.StageResolving, messages.StageConnecting, messages.StageUp} {
		d.step(messages.Progress{Epoch: epoch, Stage: stage})
	}
}

func (d *driver) register(id messages.Peer) {
	d.t.Helper()
	d.connected(id)
	d.step(messages.Registered{Epoch: d.epoch(id), Registration: messages.Registration{
		Location: []string{"rd", "1"}, Version: "1.1", Lifetime: 24 * time.Hour, Accepted: d.now,
	}})
}

// fail ends the present attempt of an account.
func (d *driver) fail(id messages.Peer, f messages.Failure) messages.Event {
	d.t.Helper()
	return d.report(id, f, false)
}

func (d *driver) report(id messages.Peer, f messages.Failure, usable bool) messages.Event {
	d.t.Helper()
	before := len(d.events)
	f.Peer, f.Epoch = id, d.epoch(id)
	d.step(messages.Failed{Failure: f, LinkUsable: usable})
	errors := onlyErrors(d.events[before:])
	if len(errors) != 1 {
		d.t.Fatalf("one failed attempt made %d error events", len(errors))
	}
	return errors[0]
}

func (d *driver) errors() []messages.Event { return onlyErrors(d.events) }

func onlyErrors(events []messages.Event) []messages.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e messages.Event) bool { return e.Type != messages.EventError })
}

// wait lets virtual time pass until an account's delay is over, and returns
// how long that was.
func (d *driver) wait(id messages.Peer) time.Duration {
	d.t.Helper()
	return d.fire(waitTimer(id))
}

func (d *driver) fire(timer core.Timer) time.Duration {
	d.t.Helper()
	at, armed := d.timers[timer]
	if !armed {
		d.t.Fatalf("timer %q is not armed", timer)
	}
	passed := at.Sub(d.now)
	d.now = at
	delete(d.timers, timer)
	d.step(core.Expired{Timer: timer})
	return passed
}

// call makes a call and returns its answer.
func (d *driver) call(c messages.Call) messages.ErrorCode {
	d.t.Helper()
	before := len(d.answers)
	d.step(messages.CallRequest{Call: c})
	if len(d.answers) != before+1 {
		d.t.Fatalf("%s was answered %d times", c, len(d.answers)-before)
	}
	return d.answers[before]
}

// lastOrder returns the newest order to the owner of an account's incarnation.
func lastOrder[T any](d *driver) T {
	d.t.Helper()
	for _, o := range slices.Backward(d.orders) {
		if message, ok := o.Message.(T); ok {
			return message
		}
	}
	var none T
	d.t.Fatalf("no order %T", none)
	return none
}

// states returns the states that were reported, in order.
func (d *driver) states() string {
	var names []string
	for _, e := range d.events {
		if e.Type == messages.EventState {
			names = append(names, string(e.State))
		}
	}
	return strings.Join(names, " ")
}

// newest returns the newest event of a type.
func (d *driver) newest(kind messages.EventType) messages.Event {
	d.t.Helper()
	for _, e := range slices.Backward(d.events) {
		if e.Type == kind {
			return e
		}
	}
	d.t.Fatalf("no %s event", kind)
	return messages.Event{}
}

func (d *driver) bootstrap(trees ...*lwm2m.Tree) {
	d.t.Helper()
	d.connected(messages.BootstrapPeer())
	epoch := d.epoch(messages.BootstrapPeer())
	d.step(messages.BootstrapStarted{Epoch: epoch})
	tree := accounts.ToTree([]messages.Account{bootstrapAccount(d.t), serverAccount(d.t, server(1), 1)})
	if len(trees) > 0 {
		tree = trees[0]
	}
	d.step(messages.Bootstrapped{Epoch: epoch, Tree: tree})
}

func checkEvent(t *testing.T, e messages.Event, code messages.ErrorCode, attempt uint64, action messages.Action, retry time.Duration) {
	t.Helper()
	got, _ := e.RetryIn()
	if e.Code != code || e.Name != code.String() || e.Attempt != attempt || e.Action != action || got != retry {
		t.Fatalf("event %d %s attempt %d action %s retry %v, want %d attempt %d action %s retry %v\n%+v",
			e.Code, e.Name, e.Attempt, e.Action, got, code, attempt, action, retry, e)
	}
	if e.Remedy == "" || e.Detail == "" || e.Phase == "" {
		t.Fatalf("remedy, detail or phase is missing: %+v", e)
	}
}

// drain notes effects of a method that was called outside a step.
func (d *driver) drain() {
	d.t.Helper()
	for _, effect := range d.machine.effects {
		d.note(effect)
	}
}

// progressTo says that an incarnation connects to one of two addresses.
func (d *driver) progressTo(id messages.Peer, first, second string) {
	d.t.Helper()
	d.step(messages.Progress{
		Epoch: d.epoch(id), Stage: messages.StageConnecting,
		Addresses: []netip.AddrPort{netip.MustParseAddrPort(first), netip.MustParseAddrPort(second)},
		Chosen:    netip.MustParseAddrPort(first),
	})
}
