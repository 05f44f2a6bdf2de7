package update

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// story is an update from its beginning to its end.
type story struct {
	begin func(*world)
	// more is done again until the update is over: what a server does that wants it to end.
	more  func(*world)
	state lwm2m.Path
	want  []string
	// result is the last value of the resource.
	result lwm2m.Path
	last   string
}

var stories = map[string]story{
	"manifest": {
		begin: func(w *world) { _ = w.ask(AskManifest, lwm2m.Opaque([]byte("good"))) },
		more:  func(*world) {},
		state: firmware.PathManifestState, want: []string{"-1", "3", "4", "6", "7", "1"},
		result: firmware.PathManifestResult, last: "18",
	},
	"manifest with restart": {
		begin: func(w *world) {
			w.installer = func(c Call) Called {
				if c.Method == CallReboot {
					w.dead = true
				}
				return Called{ID: c.ID, Method: c.Method, Done: firmware.InstallNeedsReboot}
			}
			_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
		},
		more:  func(*world) {},
		state: firmware.PathManifestState, want: []string{"-1", "3", "4", "6", "7", "8", "1"},
		result: firmware.PathManifestResult, last: "18",
	},
	"bad manifest": {
		begin: func(w *world) { _ = w.ask(AskManifest, lwm2m.Opaque([]byte("bad"))) },
		more:  func(*world) {},
		state: firmware.PathManifestState, want: []string{"-1", "1"},
		result: firmware.PathManifestResult, last: "23",
	},
	"pull onto a small disk": {
		begin: func(w *world) {
			w.image.err, w.storeFull = &firmware.Error{Cause: firmware.CauseNoSpace}, true
			_ = w.ask(AskURI, lwm2m.String(imageURI))
		},
		more:  func(*world) {},
		state: firmware.PathState, want: []string{"1", "0"},
		result: firmware.PathResult, last: "2",
	},
	"pull": {
		begin: func(w *world) { _ = w.ask(AskURI, lwm2m.String(imageURI)) },
		more:  func(w *world) { _ = w.ask(AskUpdate, lwm2m.Value{}) },
		state: firmware.PathState, want: []string{"1", "2", "3", "0"},
		result: firmware.PathResult, last: "1",
	},
}

// TestEndOfTheProcess ends the process after each step of an update, and goes on with what is
// on the disk: the image is right, and the server has seen each value, in order.
func TestEndOfTheProcess(t *testing.T) {
	for name, s := range stories {
		t.Run(name, func(t *testing.T) {
			steps := play(t, s, 0)
			for kill := 1; kill <= steps; kill++ {
				play(t, s, kill)
			}
			t.Logf("%d steps", steps)
		})
	}
}

// play plays a story, with an end of the process after one of the steps; it returns how many
// there are.
func play(t *testing.T, s story, kill int) int {
	t.Helper()
	w := newWorld(t)
	w.killAt = kill
	w.boot()
	w.register()
	begun := false
	var installed []byte
	for round := 0; ; round++ {
		if round > 100 {
			t.Fatalf("killed after step %d: it goes on for ever, in %s: seen %v", kill, w.m.record.Phase, w.seen)
		}
		if w.dead {
			w.boot()
			w.register()
			continue
		}
		if !begun || w.m.record.Face == NoFace {
			s.begin(w)
			begun = true
			continue
		}
		if w.image.complete {
			installed = slices.Clone(w.image.data)
		}
		if w.open != nil {
			w.download()
			continue
		}
		if w.m.record.Phase == Idle && len(w.m.record.Outbox) == 0 && len(w.m.behind) == 0 {
			break
		}
		s.more(w)
		w.pass(time.Minute)
	}
	if installed != nil && !bytes.Equal(installed, w.content) {
		t.Errorf("killed after step %d: the image is another one", kill)
	}
	if got := w.of(s.state); !inOrder(got, s.want) {
		t.Errorf("killed after step %d: the server has seen the states %v, want %v", kill, got, s.want)
	}
	if got := w.of(s.result); len(got) == 0 || got[len(got)-1] != s.last {
		t.Errorf("killed after step %d: the server has seen the results %v, want %s", kill, got, s.last)
	}
	return w.steps
}

// inOrder reports whether got has each value of want, in order, some perhaps more than once.
func inOrder(got, want []string) bool { return slices.Equal(slices.Compact(slices.Clone(got)), want) }

// TestNothingTwice: what was acknowledged, and is on the disk, is not told again.
func TestNothingTwice(t *testing.T) {
	w := running(t)
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	w.download()
	before := len(w.seen)
	for range 3 {
		w.boot()
		w.register()
		w.pass(time.Hour)
	}
	if len(w.seen) != before || len(w.view.Owed) > 0 {
		t.Errorf("told again: %v, owed %v", w.seen[before:], w.view.Owed)
	}
}

// TestReportsWaitForTheServer: a server that is away gets every value when it is back.
func TestReportsWaitForTheServer(t *testing.T) {
	w := running(t)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.silent = true
	w.download()
	_ = w.ask(AskUpdate, lwm2m.Value{})
	w.wantPhase(Idle)
	w.wantSeen(firmware.PathState, "1")
	w.lose()
	w.pass(7 * 24 * time.Hour)
	w.boot()
	w.silent = false
	w.register()
	w.wantSeen(firmware.PathState, "1", "2", "3", "0")
	w.wantSeen(firmware.PathResult, "1")
}

// TestObservesAnew: after a new registration the server has a while to observe again, and
// what it is to be told waits for that.
func TestObservesAnew(t *testing.T) {
	w := running(t)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.silent = true
	w.download()
	w.boot()
	w.silent, w.sends = false, true
	w.epoch++
	w.input(messages.SessionUp{Peer: w.peer, Epoch: w.epoch, Version: "1.1"})
	w.input(messages.ReportsObserved{Peer: w.peer, Epoch: w.epoch})
	w.pass(observeGrace - time.Second)
	w.wantSeen(firmware.PathState, "1")
	w.observesOn()
	w.wantSeen(firmware.PathState, "1", "2")
	if len(w.view.Owed) > 0 {
		t.Errorf("owed %v", w.view.Owed)
	}
}

// TestDiscardIsNotOvertaken: the image of a package that was cut goes before that of the next
// is begun, also while the record that says so is being written.
func TestDiscardIsNotOvertaken(t *testing.T) {
	w := running(t)
	block := messages.InboundBlock{Inbound: messages.Inbound{Peer: w.peer, Epoch: w.epoch, Payload: []byte("one")}, Next: true}
	w.input(block)
	w.wantPhase(Receiving)
	m := New(w.config)
	steps := []any{
		Start{}, messages.RecordLoaded{Stored: messages.StoredState{Data: w.record}},
		block, core.Persisted{Token: 1}, core.Persisted{Token: 2},
	}
	var jobs []core.Effect
	for _, in := range steps {
		for _, effect := range m.Step(w.now, in) {
			switch effect.(type) {
			case ImageDiscard, ImagePrepare:
				jobs = append(jobs, effect)
			}
		}
	}
	if len(jobs) != 2 || jobs[0] != (ImageDiscard{}) {
		t.Errorf("the disk is asked for %+v, want an ImageDiscard and an ImagePrepare", jobs)
	}
}

// TestOtherFaceAfterRestart: a server that observes both objects is told of both what happens
// before it is known after a restart that it observes on.
func TestOtherFaceAfterRestart(t *testing.T) {
	w := running(t)
	w.boot()
	w.epoch++
	w.input(messages.SessionUp{Peer: w.peer, Epoch: w.epoch, Version: w.version})
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.observesOn()
	w.download()
	w.wantSeen(firmware.PathState, "1", "2")
	w.wantSeen(firmware.PathManifestState, "3", "4", "5")
}
