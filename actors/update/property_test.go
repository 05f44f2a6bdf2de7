package update

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// history plays an update in a world in which anything fails, and then in one in which
// nothing does.
type history struct {
	*world
	rt *rapid.T
}

// TestHistories: whatever the order of requests, losses, restarts and failures, the server is
// told every value in order, at least once, and none again that the record no longer has; the
// queue has a bound; and when all is well again, every update comes to its end.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.config.Ask = rapid.Bool().Draw(rt, "asks")
		w.sends = rapid.Bool().Draw(rt, "sends")
		if rapid.Bool().Draw(rt, "observes nothing") {
			w.observes = nil
		}
		w.needsReboot()
		w.answersCall(CallConfirm, func(out *Called) {
			if rapid.Bool().Draw(rt, "new version fails") {
				out.Err = errors.New("it does not start")
			}
		})
		h := &history{world: w, rt: rt}
		w.boot()
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			h.anything()
			h.check()
		}
		h.allIsWell()
	})
}

// anything is one thing that happens.
func (h *history) anything() {
	w, rt := h.world, h.rt
	switch rapid.SampledFrom([]string{
		"register", "register", "lose", "boot", "manifest", "manifest", "bad manifest", "URI", "URI", "package", "update", "update", "cancel",
		"reset", "trigger", "grant", "grant", "refuse", "defer", "max defer", "open", "open", "serve", "serve", "serve", "interrupted", "fails",
		"gone", "read", "silent", "store", "disk", "changes", "pass", "pass", "pass",
	}).Draw(rt, "happens") {
	case "register":
		w.register()
	case "lose":
		w.lose()
	case "boot":
		w.epoch++
		w.boot()
	case "manifest":
		_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	case "bad manifest":
		_ = w.ask(AskManifest, lwm2m.Opaque([]byte("bad")))
	case "URI":
		_ = w.ask(AskURI, lwm2m.String(imageURI))
	case "package":
		w.pushes()
	case "update":
		_ = w.ask(AskUpdate, lwm2m.Value{})
	case "cancel":
		_ = w.ask(AskCancel, lwm2m.Value{})
	case "reset":
		_ = w.ask(AskURI, lwm2m.String(""))
	case "trigger":
		_ = w.ask(AskTrigger, lwm2m.Value{})
	case "max defer":
		_ = w.ask(AskMaxDefer, lwm2m.Unsigned(uint64(rapid.IntRange(0, 3600).Draw(rt, "seconds"))))
	case "pass":
		w.pass(time.Duration(rapid.IntRange(1, 100_000).Draw(rt, "seconds")) * time.Second)
	default:
		h.others()
	}
}

func (h *history) others() {
	w, rt := h.world, h.rt
	switch rapid.SampledFrom([]string{"grant", "refuse", "defer", "open", "serve", "interrupted", "fails", "gone", "read", "silent", "store", "disk", "changes"}).Draw(rt, "else") {
	case "grant":
		w.decides(messages.FirmwareGrant, 0)
	case "refuse":
		w.decides(messages.FirmwareRefuse, 0)
	case "defer":
		w.decides(messages.FirmwareDefer, time.Duration(rapid.IntRange(0, 7200).Draw(rt, "seconds"))*time.Second)
	case "open":
		if w.open != nil {
			w.opened()
		}
	case "serve":
		w.stall = rapid.SampledFrom([]int{0, 1024, 3072}).Draw(rt, "stall")
		w.serve()
		w.input(nil)
	case "interrupted":
		if w.open != nil {
			w.input(messages.DownloadInterrupted{ID: w.open.ID})
		}
	case "fails":
		if w.fetch != nil {
			reason := rapid.SampledFrom([]messages.RequestFailure{messages.Exhausted, messages.Reset, messages.BodyChanged, messages.Broken}).Draw(rt, "reason")
			w.input(messages.RequestFailed{Epoch: w.fetch.Epoch, ID: w.fetch.ID, Reason: reason})
		}
	case "gone":
		if w.fetch != nil {
			w.input(messages.Response{Epoch: w.fetch.Epoch, ID: w.fetch.ID, Code: messages.NotFound})
		}
	case "read":
		w.reads()
	case "silent":
		w.silent = !w.silent
	case "store":
		w.storeErr = nil
		if rapid.Bool().Draw(rt, "fails") {
			w.storeErr = errors.New("the disk is full")
		}
	case "disk":
		w.image.err = rapid.SampledFrom([]error{nil, &firmware.Error{Cause: firmware.CauseNoSpace}}).Draw(rt, "disk")
		w.storeFull = rapid.Bool().Draw(rt, "with the record")
	case "changes":
		w.content, w.etag = content(rapid.IntRange(1, 5000).Draw(rt, "size")), []byte(strconv.Itoa(w.steps))
	}
}

// decides answers what the gateway may be asked.
func (w *world) decides(d messages.FirmwareDecision, period time.Duration) {
	w.input(messages.AuthoriseFirmware{Decision: d, Period: period, Answer: make(chan messages.Answered, 1)})
}

// reads has the server read all that is reported.
func (w *world) reads() {
	var nodes []lwm2m.Node
	for _, path := range firmware.Reported() {
		if value, shown := w.view.Reported[path.String()]; shown {
			w.sees(path.String(), value)
			nodes = append(nodes, lwm2m.Node{Path: path, Value: lwm2m.Integer(value)})
		}
	}
	if nodes != nil {
		w.input(messages.ReportsDelivered{Peer: w.peer, Nodes: nodes, Asked: true})
	}
}

// pushes has the server send a package, as far as more is asked for.
func (w *world) pushes() {
	for at := 0; at < len(w.content); at += 1024 {
		end, before := min(at+1024, len(w.content)), w.mores
		w.input(messages.InboundBlock{
			Inbound: messages.Inbound{Peer: w.peer, Epoch: w.epoch, ID: uint64(w.steps), Payload: w.content[at:end]},
			Offset:  uint64(at), Next: end < len(w.content),
		})
		if w.mores == before {
			return
		}
	}
}

// check holds what holds after each step.
func (h *history) check() {
	h.rt.Helper()
	r := &h.m.record
	if len(r.Outbox) > maxOutbox {
		h.rt.Fatalf("%d reports wait", len(r.Outbox))
	}
	for _, name := range h.view.Owed {
		if _, shown := h.view.Reported[name]; !shown {
			h.rt.Fatalf("%s is owed, and not shown", name)
		}
	}
	if h.record != nil {
		if _, err := decodeRecord(h.record); err != nil {
			h.rt.Fatalf("%v: %s", err, h.record)
		}
	}
}

// waitedFor reports whether it was waited for that the server has the present value of a resource:
// of what an update of the other object has changed it may have read an older one.
func (h *history) waitedFor(path lwm2m.Path) bool {
	by, changed := h.by[path.String()]
	return h.m.mine(path) && (!changed || by.Object() == path.Object())
}

// allIsWell lets everything work and everybody decide: then an update ends, the server has all
// there is to know, and what was acknowledged is not told again.
func (h *history) allIsWell() {
	w := h.world
	w.storeFull = false
	w.storeErr, w.image.err, w.silent, w.stall, w.sends = nil, nil, false, 0, true
	w.observes = firmware.Reported()
	w.register()
	for round := 0; w.m.record.Phase != Idle || len(w.m.record.Outbox) > 0; round++ {
		if round == 300 {
			h.rt.Fatalf("it does not end, in %s: %+v, waiting %+v", w.m.record.Phase, w.m.record, w.timers)
		}
		h.goesOn()
		h.check()
	}
	w.pass(time.Hour)
	for _, path := range firmware.Reported() {
		seen := w.of(path)
		if value := w.m.record.values()[path]; w.view.Reported[path.String()] != value {
			h.rt.Fatalf("%s shows %d, and it is %d", path, w.view.Reported[path.String()], value)
		} else if want := strconv.FormatInt(value, 10); h.waitedFor(path) && len(seen) > 0 && seen[len(seen)-1] != want {
			h.rt.Fatalf("of %s the server knows %v, and it is %s", path, seen, want)
		}
	}
	if w.image.id != "" {
		h.rt.Fatalf("the image is left: %+v", w.image.id)
	}
	before := len(w.seen)
	w.boot()
	w.register()
	w.pass(time.Hour)
	if len(w.seen) != before {
		h.rt.Fatalf("told again: %v", w.seen[before:])
	}
}

// goesOn is what the others do so that an update ends.
func (h *history) goesOn() {
	w := h.world
	switch {
	case w.m.record.Phase == Rebooting && w.m.record.Asked:
		w.boot()
		w.register()
	case w.m.record.Phase == Downloaded:
		_ = w.ask(AskUpdate, lwm2m.Value{})
		w.decides(messages.FirmwareGrant, 0)
		if w.m.record.Phase == Downloaded { // it has failed, and is not tried for ever
			_ = w.ask(AskCancel, lwm2m.Value{})
		}
	case w.open != nil:
		w.download()
	}
	w.decides(messages.FirmwareGrant, 0)
	w.pass(time.Minute)
}

// TestOrder: what the server sees of a history with nothing but losses and restarts is what the
// machine has queued, in that order.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.boot()
		w.register()
		_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
		for range rapid.IntRange(0, 30).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"silent", "lose", "register", "boot", "pass", "download", "read"}).Draw(rt, "happens") {
			case "silent":
				w.silent = !w.silent
			case "lose":
				w.lose()
			case "register":
				w.register()
			case "boot":
				w.boot()
				w.register()
			case "pass":
				w.pass(time.Duration(rapid.IntRange(1, 600).Draw(rt, "seconds")) * time.Second)
			case "download":
				if w.open != nil && w.m.record.Phase == Downloading {
					w.download()
				}
			case "read":
				w.reads()
			}
		}
		w.silent = false
		w.register()
		if w.open != nil {
			w.download()
		}
		w.pass(time.Hour)
		if w.m.record.Phase != Idle {
			rt.Fatalf("it is in %s", w.m.record.Phase)
		}
		if got := w.of(firmware.PathManifestState); !inOrder(got, []string{"-1", "3", "4", "6", "7", "1"}) {
			rt.Fatalf("the server has seen %v", got)
		}
		if w.image.id != "" {
			rt.Fatal("the image is left")
		}
	})
}

// Every line of the table can match, and no event in any phase is one that the machine does not
// survive.
func TestTable(t *testing.T) {
	used := map[int]bool{}
	for phase := range phases {
		for event := PackageBegun; event < events; event++ {
			for _, face := range []Face{FaceUpdate, FaceManifest} {
				at := slices.IndexFunc(table, func(tr Transition) bool {
					return tr.On == event && slices.Contains(tr.From, phase) && (tr.Face == NoFace || tr.Face == face)
				})
				used[at] = true
				survives(t, phase, event, face)
			}
		}
	}
	for i, tr := range table {
		if !used[i] {
			t.Errorf("line %d cannot match: %+v", i, tr)
		}
	}
}

func survives(t *testing.T, phase Phase, event Event, face Face) {
	w := running(t)
	r := &w.m.record
	r.Phase, r.Face, r.URI, r.Hash, r.Image = phase, face, imageURI, make([]byte, 32), "1"
	if face == FaceManifest {
		r.Manifest = []byte("good")
	}
	line, known := lookup(phase, event, face)
	if done := w.m.on(event); done != known {
		t.Errorf("%s in %s of %s: done %v", event, phase, face, done)
	} else if !known && w.m.record.Phase != phase {
		t.Errorf("%s in %s leads to %s, and is not in the table", event, phase, w.m.record.Phase)
	} else if known && line.To >= phases {
		t.Errorf("%s in %s leads nowhere", event, phase)
	}
	w.input(nil)
	w.register()
	w.pass(time.Hour)
}
