package update

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// Each object shows values of the kinds that its definition has.
func TestFacesShowWhatTheyDefine(t *testing.T) {
	w := newWorld(t)
	w.config.Vendor, _ = firmware.VendorID("example.com")
	w.config.Class, _ = firmware.ClassID(w.config.Vendor, "gateway")
	w.boot()
	_ = w.ask(AskMaxDefer, lwm2m.Unsigned(60))
	faces := NewFaces(true)
	faces.show(w.view)
	for _, o := range faces.Objects() {
		resources, err := o.Read(t.Context(), lwm2m.PathOf(o.Definition().ID, 0))
		if err != nil || len(resources) == 0 {
			t.Fatal(resources, err)
		}
		definition := o.Definition()
		for _, r := range resources {
			def, known := definition.Resource(r.ID)
			if !known || !r.Multiple && r.Value.Kind() != def.Kind {
				t.Errorf("/%d/0/%d is of kind %v, and defined as %v", definition.ID, r.ID, r.Value.Kind(), def.Kind)
			}
		}
	}
	if got := w.view.resources(firmware.ObjectMetadata)[1].Value.Text(); got != firmware.UUID(w.config.Vendor) {
		t.Errorf("the vendor is %q", got)
	}
}

// What an object lists can be executed or written, and what it lists as readable has a value.
func TestFacesListWhatTheyDo(t *testing.T) {
	w := running(t)
	faces := NewFaces(true)
	faces.show(w.view)
	done := faces.attach(func(a Asked) { a.Answer <- nil })
	defer done()
	for _, o := range faces.Objects() {
		definition := o.Definition()
		for _, id := range o.(object.Lister).Resources(0) {
			def, _ := definition.Resource(id)
			path := lwm2m.PathOf(definition.ID, 0, id)
			if def.Operations&lwm2m.OpExecute != 0 {
				if err := o.(object.Executor).Execute(t.Context(), path, lwm2m.Arguments{}); err != nil {
					t.Errorf("%s is listed: %v", path, err)
				}
			}
			if def.Operations&lwm2m.OpWrite != 0 && !slices.ContainsFunc(writes, func(w struct {
				object, resource uint16
				ask              Ask
			}) bool {
				return w.object == definition.ID && w.resource == id
			}) {
				t.Errorf("%s is listed, and a Write does nothing", path)
			}
		}
	}
}

// A server that nobody waits for is not known to have a value.
func TestOwedToTheOthers(t *testing.T) {
	w := running(t)
	other := messages.ManagementPeer(2)
	w.input(messages.SessionUp{Peer: other, Epoch: 77, Version: "1.1"})
	w.input(messages.ReportsObserved{Peer: other, Epoch: 77, Paths: firmware.Reported()})
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.wantSeen(firmware.PathState, "1")
	faces := NewFaces(true)
	state := func(v int64) lwm2m.Node { return lwm2m.Node{Path: firmware.PathState, Value: lwm2m.Integer(v)} }
	if !faces.Owed(peer1, firmware.PathState) || faces.Has(peer1, state(0)) {
		t.Error("known before anything is shown")
	}
	faces.show(w.view)
	if faces.Owed(peer1, firmware.PathState) || !faces.Owed(other, firmware.PathState) {
		t.Error("owed to the one that has acknowledged it, or not to the other")
	}
	if !faces.Has(peer1, state(1)) || !faces.Has(peer1, state(0)) || faces.Has(other, state(1)) || faces.Has(other, state(0)) {
		t.Error("not known of the one that has acknowledged it, or known of the other")
	}
	next := w.view
	next.Reported, next.Owed = map[string]int64{firmware.PathState.String(): 2}, []string{firmware.PathState.String()}
	faces.show(next)
	if !faces.Owed(peer1, firmware.PathState) || faces.Has(peer1, state(2)) || !faces.Has(peer1, state(1)) {
		t.Error("the next value is taken for known, or the one before for owed")
	}
}

// The end of an actor that has crashed does not cut off the one after it; what is asked while
// there is none waits.
func TestFacesOutliveActors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faces := NewFaces(false)
		asked := make(chan error, 1)
		go func() { asked <- faces.ask(t.Context(), AskUpdate, lwm2m.Value{}) }()
		synctest.Wait()
		first := faces.attach(func(a Asked) { a.Answer <- errors.New("the first") })
		if err := <-asked; err.Error() != "the first" {
			t.Error(err)
		}
		second := faces.attach(func(a Asked) { a.Answer <- nil })
		first()
		if err := faces.ask(t.Context(), AskUpdate, lwm2m.Value{}); err != nil {
			t.Error(err)
		}
		second()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := faces.ask(ctx, AskUpdate, lwm2m.Value{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// A Write of several resources that is refused has changed nothing.
func TestRefusedWriteChangesNothing(t *testing.T) {
	w := running(t)
	faces := NewFaces(false)
	faces.show(w.view)
	defer faces.attach(func(a Asked) { w.input(a) })()
	change := object.Change{Resources: []lwm2m.Resource{
		single(objects.FirmwarePackageURI, lwm2m.String("ftp://files.example.com/image")),
		single(objects.FirmwareSeverity, lwm2m.Integer(2)), single(objects.FirmwareMaximumDeferPeriod, lwm2m.Unsigned(60)),
	}}
	commit, err := faces.faces[0].Write(t.Context(), change)
	if err != nil {
		t.Fatal(err)
	}
	if err := commit(t.Context()); err == nil || w.m.record.Severity != severityDefault || w.m.record.MaxDefer != nil {
		t.Errorf("%v, and severity %d, defer period %v", err, w.m.record.Severity, w.m.record.MaxDefer)
	}
	change.Resources[0].Value = lwm2m.String(imageURI)
	commit, _ = faces.faces[0].Write(t.Context(), change)
	if err := commit(t.Context()); err != nil || w.m.record.Severity != 2 || *w.m.record.MaxDefer != 60 {
		t.Errorf("%v, and severity %d, defer period %v", err, w.m.record.Severity, w.m.record.MaxDefer)
	}
	w.wantPhase(Downloading)
}

// A job that comes without an image fails, and does no more harm.
func TestJobsWithoutAnImage(t *testing.T) {
	var told []any
	j := &jobs{ctx: t.Context(), tell: func(a any) { told = append(told, a) }}
	j.do(ImageFinish{Job: 1})
	j.do(ImageAppend{Job: 2})
	if done, written := told[0].(ImageDone), told[1].(ImageWritten); causeOf(done.Err) != firmware.CauseInternal || causeOf(written.Err) != firmware.CauseInternal {
		t.Errorf("%+v, %+v", done, written)
	}
}

// slowInstaller takes its time, also after its context has ended.
type slowInstaller struct {
	firmware.Installer
	now, most int
}

func (s *slowInstaller) Verify(ctx context.Context, _ firmware.Image) error {
	s.now++
	s.most = max(s.most, s.now)
	<-ctx.Done()
	time.Sleep(time.Minute)
	s.now--
	return ctx.Err()
}

// The Installer is called once at a time: behind a call that was given up, in another
// incarnation of the actor, too.
func TestOneCallAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		installer, turn, answers := &slowInstaller{}, make(chan struct{}, 1), make(chan any, 10)
		ctx, cancel := context.WithCancel(t.Context())
		first := &caller{ctx: ctx, turn: turn, installer: installer, tell: func(a any) { answers <- a }}
		for id := range uint64(3) {
			first.call(Call{ID: id + 1, Method: CallVerify})
			synctest.Wait()
		}
		first.end(2) // of before: it is no end of the latest
		cancel()
		second := &caller{ctx: t.Context(), turn: turn, installer: installer, tell: func(a any) { answers <- a }}
		second.call(Call{ID: 9, Method: CallVerify})
		time.Sleep(time.Hour)
		second.end(9)
		time.Sleep(time.Hour)
		synctest.Wait() // the calls have ended
		if installer.most != 1 || installer.now != 0 {
			t.Errorf("%d at a time, %d at the end", installer.most, installer.now)
		}
		if first, last := (<-answers).(Called), (<-answers).(Called); first.ID != 1 || last.ID != 9 || last.Err == nil {
			t.Errorf("answered %+v and %+v", first, last)
		}
	})
}
