package supervisor

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// resource is the payload of one value of a Server instance.
func resource(path string, v lwm2m.Value) (lwm2m.Path, lwm2m.Payload) {
	p, err := lwm2m.ParsePath(path)
	if err != nil {
		panic(err)
	}
	return p, lwm2m.Payload{Nodes: []lwm2m.Node{{Path: p, Value: v}}, Instances: []lwm2m.Path{p.Prefix(2)}}
}

// put has a server write one resource, and returns the answer; the zero value
// while there is none.
func (d *driver) put(id messages.Peer, path string, v lwm2m.Value) messages.ModelWritten {
	d.t.Helper()
	before := len(d.outcomes)
	d.ask(id, path, v)
	if len(d.outcomes) == before {
		return messages.ModelWritten{}
	}
	last := d.outcomes[len(d.outcomes)-1]
	d.step(messages.WriteAnswered{Epoch: last.Epoch, ID: last.ID})
	return last
}

func (d *driver) ask(id messages.Peer, path string, v lwm2m.Value) {
	d.t.Helper()
	target, payload := resource(path, v)
	d.step(messages.WriteModel{
		Peer: id, Epoch: d.epoch(id), ID: uint64(len(d.outcomes) + 1), Path: target, Payload: payload, Replace: true,
		Deadline: d.now.Add(30 * time.Second),
	})
}

func (d *driver) expectWritten(got messages.ModelWritten, want messages.CoAPCode) {
	d.t.Helper()
	if got.Code != want {
		d.t.Fatalf("answered %v %q, want %v", got.Code, got.Detail, want)
	}
}

// inForce returns a value of the objects in force.
func (d *driver) inForce(path string) lwm2m.Value {
	d.t.Helper()
	p, _ := resource(path, lwm2m.Value{})
	v, _ := d.machine.tree.Value(p)
	return v
}

// announced returns the lifetimes that registration has been told, in order.
func (d *driver) announced() (all []time.Duration) {
	for _, o := range d.orders {
		if changed, ok := o.Message.(messages.ObjectsChanged); ok {
			all = append(all, changed.Lifetime)
		}
	}
	return all
}

// again starts a client anew on what is stored.
func (d *driver) again(configured ...messages.Account) *driver {
	d.t.Helper()
	next := newDriver(d.t, configured...)
	next.now, next.records = d.now.Add(time.Minute), d.records
	next.step(messages.Start{})
	next.loaded(nil, nil)
	return next
}

const hour = 3600

// A Write to the factory's account is durable in a record of its own before it is
// answered and in force, and registration hears of it behind the answer.
func TestWriteIsDurableBeforeItIsAnswered(t *testing.T) {
	configured := serverAccount(t, server(1), 0)
	d := running(t, configured)
	d.register(server(1))
	d.hung = true
	d.ask(server(1), "/1/0/1", lwm2m.Integer(hour))
	if len(d.outcomes) > 0 || d.inForce("/1/0/1") != lwm2m.Integer(24*hour) || len(d.saves) != 1 {
		t.Fatalf("answered %v before it is durable", d.outcomes)
	}
	d.hung = false
	d.answerSaves()
	d.expectWritten(d.outcomes[0], messages.Changed)
	if d.inForce("/1/0/1") != lwm2m.Integer(hour) || len(d.announced()) > 0 {
		t.Errorf("%v is in force, %v is announced before the answer", d.inForce("/1/0/1"), d.announced())
	}
	d.step(messages.WriteAnswered{Epoch: d.epoch(server(1)), ID: d.outcomes[0].ID})
	if got := d.announced(); len(got) != 1 || got[0] != time.Hour {
		t.Errorf("announced %v", got)
	}
	if d.records[messages.RecordCredentials] != nil {
		t.Error("the configured credentials are stored, which hides later changes of the configuration")
	}
	if next := d.again(configured); next.machine.accounts.of(server(1)).Lifetime != time.Hour {
		t.Error("it is lost after a restart")
	}
}

// What a bootstrap has delivered is stored as the bootstrap stored it.
func TestWriteToADeliveredAccount(t *testing.T) {
	d := running(t, bootstrapAccount(t))
	d.bootstrap()
	d.register(server(1))
	d.expectWritten(d.put(server(1), "/1/0/1", lwm2m.Integer(hour)), messages.Changed)
	if d.records[messages.RecordCredentials] == nil || d.records[messages.RecordServer] != nil {
		t.Fatalf("%d records", len(d.records))
	}
	next := d.again(bootstrapAccount(t))
	if a := next.machine.accounts.of(server(1)); a == nil || a.Lifetime != time.Hour {
		t.Error("it is lost after a restart")
	}
}

// A disk that refuses changes nothing: 5.00, and one event until a write succeeds.
func TestWriteThatTheDiskRefuses(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	before := d.machine.tree.Clone()
	d.disk = errors.New("no space left on device")
	for range 2 {
		d.expectWritten(d.put(server(1), "/1/0/1", lwm2m.Integer(hour)), messages.InternalServerError)
	}
	if errs := d.errors(); len(errs) != 1 || errs[0].Code != messages.ConnectorFailedToStoreCredentials || errs[0].Action != messages.ActionNone {
		t.Errorf("%+v", errs)
	}
	if !d.machine.tree.Equal(before) {
		t.Error("it is in force all the same")
	}
	for _, lifetime := range d.announced() {
		if lifetime != 24*time.Hour {
			t.Errorf("%v is announced", lifetime)
		}
	}
	d.disk = nil
	d.expectWritten(d.put(server(1), "/1/0/1", lwm2m.Integer(hour)), messages.Changed)
}

// What is as it is written needs no disk.
func TestWriteThatChangesNothing(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.disk = errors.New("read-only file system")
	written := d.written
	d.expectWritten(d.put(server(1), "/1/0/1", lwm2m.Integer(24*hour)), messages.Changed)
	if d.written != written {
		t.Error("the disk was asked")
	}
}

// A change that has failed may be on the disk all the same, where the answer came
// too late. A server that then writes what is in force finds it in force after a
// restart, too.
func TestWriteBackAfterOneThatCameLate(t *testing.T) {
	configured := serverAccount(t, server(1), 0)
	d := running(t, configured)
	d.register(server(1))
	d.hung = true
	d.ask(server(1), "/1/0/1", lwm2m.Integer(hour))
	d.step(core.PersistFailed{Token: tokenWrite, Err: errors.New("no answer from the store")})
	d.store(d.saves[0])
	d.saves, d.hung = nil, false
	d.expectWritten(d.outcomes[0], messages.InternalServerError)
	d.expectWritten(d.put(server(1), "/1/0/1", lwm2m.Integer(24*hour)), messages.Changed)
	if next := d.again(configured); next.machine.accounts.of(server(1)).Lifetime != 24*time.Hour {
		t.Error("what was answered 2.04 is lost after a restart")
	}
}

// What cannot be used is refused, and what belongs to another server is not its to
// write.
func TestWriteThatIsRefused(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	before := d.machine.tree.Clone()
	for _, c := range []struct {
		path string
		v    lwm2m.Value
		want messages.CoAPCode
	}{
		{"/1/0/1", lwm2m.Integer(-1), messages.BadRequest},
		{"/1/0/1", lwm2m.String("x"), messages.BadRequest},
		{"/1/0/0", lwm2m.Integer(2), messages.MethodNotAllowed},
		{"/1/0/7", lwm2m.String("UQS"), messages.BadRequest},
		{"/1/0/11", lwm2m.Unsigned(1), messages.MethodNotAllowed},
		{"/1/7/1", lwm2m.Integer(60), messages.Unauthorized},
	} {
		if got := d.put(server(1), c.path, c.v); got.Code != c.want || got.Detail == "" {
			t.Errorf("%s: %v %q", c.path, got.Code, got.Detail)
		}
	}
	if !d.machine.tree.Equal(before) || d.records[messages.RecordServer] != nil {
		t.Error("something has changed")
	}
}

// Every resource of the Server object that servers can write is: each is durable, and
// in force, also after a restart.
func TestEveryWritableResourceIsKept(t *testing.T) {
	own := map[uint16]lwm2m.Value{ // where not any value of the kind is possible
		objects.ServerBinding: lwm2m.String("UQ"), objects.ServerPreferredTransport: lwm2m.String("U"),
	}
	of := map[lwm2m.Kind]lwm2m.Value{
		lwm2m.KindInteger: lwm2m.Integer(1), lwm2m.KindUnsigned: lwm2m.Unsigned(7), lwm2m.KindString: lwm2m.String("1.1"),
		lwm2m.KindBoolean: lwm2m.Boolean(true), lwm2m.KindObjectLink: lwm2m.ObjectLink(10, 0),
	}
	account := serverAccount(t, server(1), 0)
	written := 0
	for _, def := range objects.ServerDef().Resources {
		if !def.Operations.Has(lwm2m.OpWrite) {
			continue
		}
		written++
		path := lwm2m.PathOf(objects.Server, 0, def.ID)
		if def.Multiple {
			path = path.Child(0)
		}
		v, special := own[def.ID]
		if !special {
			v = of[def.Kind]
		}
		if def.ID == objects.ServerNotificationStoring {
			v = lwm2m.Boolean(false) // the other way round than configured
		}
		d := running(t, account)
		d.register(server(1))
		d.expectWritten(d.put(server(1), path.String(), v), messages.Changed)
		for when, got := range map[string]lwm2m.Value{"written": d.inForce(path.String()), "restarted": d.again(account).inForce(path.String())} {
			if got != v {
				t.Errorf("%s %s, %s: %v, want %v", path, def.Name, when, got, v)
			}
		}
	}
	if written != 19 {
		t.Errorf("%d resources can be written", written)
	}
}

// While a bootstrap is under way there is no Write, and a bootstrap waits for the
// one that is at the disk: it begins with what that has left.
func TestWriteAndBootstrapExcludeEachOther(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.register(server(1))
	d.hung = true
	d.ask(server(1), "/1/0/1", lwm2m.Integer(hour))
	if code := d.call(messages.CallBootstrap); code != 0 || !d.idle(messages.BootstrapPeer()) {
		t.Fatalf("call answered %v; it has begun: %v", code, !d.idle(messages.BootstrapPeer()))
	}
	d.now = d.now.Add(20 * time.Second)
	d.hung = false
	d.answerSaves()
	d.expectWritten(d.outcomes[0], messages.Changed)
	begun := lastOrder[messages.BeginBootstrap](d)
	if v, _ := begun.Tree.Value(lwm2m.PathOf(1, 0, 1)); v != lwm2m.Integer(hour) {
		t.Errorf("the bootstrap begins with the lifetime %v", v)
	}
	if !begun.Deadline.Equal(d.now.Add(3 * time.Minute)) {
		t.Errorf("it has until %v", begun.Deadline)
	}
	d.expectWritten(d.put(server(1), "/1/0/1", lwm2m.Integer(60)), messages.ServiceUnavailable)
	d.connected(messages.BootstrapPeer())
	d.step(messages.BootstrapStarted{Epoch: d.epoch(messages.BootstrapPeer())})
	d.expectWritten(d.put(server(1), "/1/0/1", lwm2m.Integer(60)), messages.ServiceUnavailable)
	d.fail(messages.BootstrapPeer(), messages.Failure{Class: messages.ClassBootstrapSilence, Phase: messages.PhaseBootstrap})
	d.expectWritten(d.put(server(1), "/1/0/1", lwm2m.Integer(60)), messages.Changed)
}

// A bootstrap that waits for a Write waits no more when the client is paused.
func TestPauseWhileABootstrapWaitsForAWrite(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.register(server(1))
	d.hung = true
	d.ask(server(1), "/1/0/1", lwm2m.Integer(hour))
	d.call(messages.CallBootstrap)
	d.call(messages.CallPause)
	d.hung = false
	d.answerSaves()
	if !d.idle(messages.BootstrapPeer()) {
		t.Error("a paused client bootstraps")
	}
	d.call(messages.CallResume)
	if got := d.machine.accounts.of(server(1)).Lifetime; got != time.Hour {
		t.Errorf("lifetime %v", got)
	}
}

// A bootstrap replaces what servers have written to the account before.
func TestBootstrapRemovesWhatServersWrote(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.register(server(1))
	d.put(server(1), "/1/0/1", lwm2m.Integer(hour))
	d.call(messages.CallBootstrap)
	d.bootstrap()
	if d.records[messages.RecordServer] != nil || d.inForce("/1/0/1") != lwm2m.Integer(24*hour) {
		t.Errorf("lifetime %v", d.inForce("/1/0/1"))
	}
}

// So does a factory reset, during which nothing is written.
func TestFactoryResetRemovesWhatServersWrote(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.put(server(1), "/1/0/1", lwm2m.Integer(hour))
	d.step(messages.CallRequest{Call: messages.CallFactoryReset})
	d.expectWritten(d.put(server(1), "/1/0/1", lwm2m.Integer(60)), messages.ServiceUnavailable)
	delete(d.records, messages.RecordServer) // as the store does
	d.step(messages.CredentialsForgotten{Token: d.resets[0].Token})
	d.loaded(nil, nil)
	if got := d.machine.accounts.of(server(1)).Lifetime; got != 24*time.Hour {
		t.Errorf("lifetime %v", got)
	}
}

// A change of the configuration counts more than what a server wrote before; new
// keys are no such change, and a file that is missing says nothing.
func TestConfigurationThatChangesVoidsWhatServersWrote(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*messages.Account)
		want   time.Duration
	}{
		"nothing":  {func(*messages.Account) {}, time.Hour},
		"keys":     {func(a *messages.Account) { a.Credentials.Key = messages.Secret("another key 1234") }, time.Hour},
		"lifetime": {func(a *messages.Account) { a.Lifetime = 2 * time.Hour }, 2 * time.Hour},
		"server":   {func(a *messages.Account) { a.URI = mustURI(t, "coaps://other.example") }, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			configured := serverAccount(t, server(1), 0)
			d := running(t, configured)
			d.register(server(1))
			d.put(server(1), "/1/0/1", lwm2m.Integer(hour))
			c.change(&configured)
			next := d.again(configured)
			if got := next.machine.accounts.of(server(1)).Lifetime; got != c.want {
				t.Errorf("lifetime %v", got)
			}
			// Nothing of it is left to come back when somebody changes the configuration
			// back: one write has replaced it.
			w, err := accounts.DecodeWritten(next.records[messages.RecordServer])
			if lifetime, _ := w.Server.Value(lwm2m.PathOf(objects.Server, 0, objects.ServerLifetime)); err != nil || lifetime != lwm2m.Integer(int64(c.want/time.Second)) {
				t.Errorf("the record has the lifetime %v, %v", lifetime, err)
			}
		})
	}
}

// A configuration that cannot be read as a whole has not changed.
func TestUnreadableConfigurationVoidsNothing(t *testing.T) {
	configured := []messages.Account{bootstrapAccount(t), serverAccount(t, server(1), 1)}
	d := running(t, configured...)
	d.register(server(1))
	d.put(server(1), "/1/0/1", lwm2m.Integer(hour))
	next := newDriver(t, configured[0])
	next.records = d.records
	next.step(messages.Start{})
	next.step(messages.AccountsLoaded{
		Token: next.loads[0].Token, Factory: next.factory, FactoryErr: errors.New("no such file"),
		FactoryClass: messages.ClassBadCredentials, Written: messages.StoredState{Data: next.records[messages.RecordServer]},
	})
	next.factory = accounts.ToTree(configured)
	next.fire(timerLoad)
	next.loaded(nil, nil)
	if a := next.machine.accounts.of(server(1)); a == nil || a.Lifetime != time.Hour {
		t.Errorf("%+v", a)
	}
}

// What cannot be read costs no more than itself, and is reported once.
func TestDamagedRecordOfWhatServersWrote(t *testing.T) {
	for name, written := range map[string]messages.StoredState{
		"store":   {Err: errors.New("wrong checksum")},
		"content": {Data: []byte("x")},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDriver(t, serverAccount(t, server(1), 0))
			d.step(messages.Start{})
			d.step(messages.AccountsLoaded{Token: d.loads[0].Token, Factory: d.factory, Written: written})
			if e := d.newest(messages.EventDegraded); e.Actor != "store" || e.Detail == "" {
				t.Errorf("%+v", e)
			}
			d.register(server(1))
			d.expectWritten(d.put(server(1), "/1/0/1", lwm2m.Integer(hour)), messages.Changed)
			if len(d.errors()) > 0 {
				t.Errorf("%+v", d.errors())
			}
		})
	}
}

// What could not be read, and may be another time, is looked at again by the policy.
// Until then no Write hides it.
func TestUnreadRecordOfWhatServersWroteIsLookedAtAgain(t *testing.T) {
	configured := serverAccount(t, server(1), 0)
	before := running(t, configured)
	before.register(server(1))
	before.put(server(1), "/1/0/1", lwm2m.Integer(hour))
	d := newDriver(t, configured)
	d.records = before.records
	d.step(messages.Start{})
	unread := func() {
		d.step(messages.AccountsLoaded{
			Token: d.loads[len(d.loads)-1].Token, Factory: d.factory,
			Written: messages.StoredState{Err: errors.New("input/output error"), Unread: true},
		})
	}
	unread()
	d.register(server(1))
	epoch := d.epoch(server(1))
	for n := range 3 {
		d.expectWritten(d.put(server(1), "/1/0/2", lwm2m.Integer(1)), messages.ServiceUnavailable)
		if got := d.fire(timerLoad); got != testR0<<n {
			t.Fatalf("looked again after %v", got)
		}
		unread()
	}
	d.fire(timerLoad)
	d.loaded(nil, nil)
	if _, armed := d.timers[timerLoad]; armed || d.epoch(server(1)) != epoch || d.machine.accounts.of(server(1)).Lifetime != time.Hour {
		t.Error("it is not in force, a look is planned, or the registration was disturbed")
	}
	if degraded := countOf(d.events, messages.EventDegraded); degraded != 1 || len(d.errors()) > 0 {
		t.Errorf("reported %d times, %+v", degraded, d.errors())
	}
	d.expectWritten(d.put(server(1), "/1/0/2", lwm2m.Integer(1)), messages.Changed)
}

// A bootstrap takes the place of what could not be read.
func TestBootstrapEndsTheWaitForWhatServersWrote(t *testing.T) {
	d := newDriver(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.step(messages.Start{})
	d.step(messages.AccountsLoaded{
		Token: d.loads[0].Token, Factory: d.factory, Written: messages.StoredState{Err: errors.New("input/output error"), Unread: true},
	})
	d.register(server(1))
	d.call(messages.CallBootstrap)
	d.bootstrap()
	d.register(server(1))
	d.expectWritten(d.put(server(1), "/1/0/1", lwm2m.Integer(hour)), messages.Changed)
}

func countOf(events []messages.Event, kind messages.EventType) (n int) {
	for _, e := range events {
		if e.Type == kind {
			n++
		}
	}
	return n
}

// While the newest credentials may be read another time, nothing is stored over
// them.
func TestWriteHidesNoUnreadCredentials(t *testing.T) {
	d := newDriver(t, bootstrapAccount(t))
	d.step(messages.Start{})
	stored := accounts.Encode(accounts.ToTree([]messages.Account{bootstrapAccount(t), serverAccount(t, server(1), 1)}))
	d.step(messages.AccountsLoaded{
		Token: d.loads[0].Token, Factory: d.factory, Stored: stored, FellBack: true, Unread: true, Cause: errors.New("input/output error"),
	})
	d.register(server(1))
	d.expectWritten(d.put(server(1), "/1/0/1", lwm2m.Integer(hour)), messages.ServiceUnavailable)
}

// Two servers that write at one time are served one after the other, and each
// change begins with the one before. What has waited for too long is not done.
func TestWritesOfTwoServers(t *testing.T) {
	d := running(t, bootstrapAccount(t))
	d.bootstrap(accounts.ToTree([]messages.Account{bootstrapAccount(t), serverAccount(t, server(1), 1), serverAccount(t, server(2), 2)}))
	d.register(server(1))
	d.register(server(2))
	d.hung = true
	d.ask(server(1), "/1/0/1", lwm2m.Integer(hour))
	d.ask(server(2), "/1/1/1", lwm2m.Integer(2*hour))
	d.ask(server(2), "/1/1/2", lwm2m.Integer(1))
	if len(d.outcomes) != 1 || d.outcomes[0].Code != messages.ServiceUnavailable {
		t.Fatalf("a second Write of one server: %v", d.outcomes)
	}
	d.hung = false
	d.answerSaves()
	if len(d.outcomes) != 3 || d.outcomes[1].Code != messages.Changed || d.outcomes[2].Code != messages.Changed {
		t.Fatalf("%v", d.outcomes)
	}
	if d.inForce("/1/0/1") != lwm2m.Integer(hour) || d.inForce("/1/1/1") != lwm2m.Integer(2*hour) {
		t.Error("one of the two is lost")
	}
	d.hung = true
	d.ask(server(1), "/1/0/1", lwm2m.Integer(60))
	d.ask(server(2), "/1/1/1", lwm2m.Integer(60))
	d.now = d.now.Add(30 * time.Second)
	d.hung = false
	d.answerSaves()
	if last := d.outcomes[len(d.outcomes)-1]; last.Code != messages.ServiceUnavailable || d.inForce("/1/1/1") != lwm2m.Integer(2*hour) {
		t.Errorf("%v", last)
	}
}

// The answer outlives a crash of management, which may have lost it.
func TestOutcomeOutlivesACrashOfManagement(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.ask(server(1), "/1/0/1", lwm2m.Integer(hour))
	d.step(Crashed{Role: core.Management, Reason: errors.New("broken")})
	d.fire(respawnTimer(core.Management))
	if len(d.outcomes) != 2 || d.outcomes[0] != d.outcomes[1] || d.outcomes[0].Code != messages.Changed {
		t.Fatalf("%v", d.outcomes)
	}
	d.step(messages.WriteAnswered{Epoch: d.outcomes[0].Epoch, ID: d.outcomes[0].ID})
	if got := d.announced(); len(got) != 1 || got[0] != time.Hour {
		t.Errorf("announced %v", got)
	}
}

// A server may write as soon as it has accepted the Register, before the client
// knows: then the Update follows the registration.
func TestWriteBeforeTheRegistrationIsKnown(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.connected(server(1))
	d.expectWritten(d.put(server(1), "/1/0/1", lwm2m.Integer(hour)), messages.Changed)
	if got := d.announced(); len(got) != 1 || got[0] != time.Hour {
		t.Errorf("announced %v", got)
	}
}

// Retry resources that a server writes are the next failure's policy.
func TestWrittenRetryResourcesCount(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.expectWritten(d.put(server(1), "/1/0/18", lwm2m.Unsigned(30)), messages.Changed)
	e := d.fail(server(1), messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseRegistered})
	if retry, _ := e.RetryIn(); retry != 30*time.Second {
		t.Errorf("retry in %v", retry)
	}
}

// A server that changes something again and again wears out the flash memory: it
// may do so 60 times at a stretch, and then every 10 s. What changes nothing is no
// change.
func TestServerCannotWearOutTheDisk(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	change := func() messages.CoAPCode {
		next := d.inForce("/1/0/1").Int()%1000 + 60
		return d.put(server(1), "/1/0/1", lwm2m.Integer(next)).Code
	}
	for i := range 60 {
		if code := change(); code != messages.Changed {
			t.Fatalf("change %d: %v", i+1, code)
		}
	}
	for range 2 {
		if code := change(); code != messages.ServiceUnavailable {
			t.Errorf("one more: %v", code)
		}
	}
	d.expectWritten(d.put(server(1), "/1/0/1", d.inForce("/1/0/1")), messages.Changed)
	for range 3 {
		d.now = d.now.Add(10*time.Second - 1)
		if code := change(); code != messages.ServiceUnavailable {
			t.Errorf("after less than 10 s: %v", code)
		}
		d.now = d.now.Add(1)
		if code := change(); code != messages.Changed {
			t.Errorf("after 10 s: %v", code)
		}
	}
}

// A client that stops refuses Writes, and waits for the disk before it is gone.
func TestStopWaitsForAWrite(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.hung = true
	d.ask(server(1), "/1/0/1", lwm2m.Integer(hour))
	d.step(messages.Stop{Deadline: d.now.Add(5 * time.Second)})
	d.step(messages.Deregistered{Epoch: d.epoch(server(1))})
	if d.stopped != nil {
		t.Fatal("stopped with a Write at the disk")
	}
	d.hung = false
	d.answerSaves()
	if d.stopped == nil || d.outcomes[0].Code != messages.Changed {
		t.Errorf("stopped: %v, answered %v", d.stopped, d.outcomes)
	}
	if v, _ := mustDecodeWritten(t, d).Value(lwm2m.PathOf(objects.Server, 0, objects.ServerLifetime)); v != lwm2m.Integer(hour) {
		t.Errorf("stored %v", v)
	}
}

func mustDecodeWritten(t *testing.T, d *driver) *lwm2m.Tree {
	t.Helper()
	w, err := accounts.DecodeWritten(d.records[messages.RecordServer])
	if err != nil {
		t.Fatal(err)
	}
	return w.Server
}
