package supervisor

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// fetchWorld is a client with a download, and what may happen to it.
type fetchWorld struct {
	*driver
	asked uint64 // ID of the download that update wants
	floor time.Time
}

// TestDownloadHistories: whatever happens in whatever order, an attempt is only begun for the
// download that is wanted, not while the client is paused, and not before its server wants
// that; there is one link at most; and something always leads on.
func TestDownloadHistories(t *testing.T) {
	images := []string{httpImage, ownImage, imageAtDM}
	failures := []messages.Failure{
		{Class: messages.ClassTimeout}, {Class: messages.ClassRefused}, {Class: messages.ClassClosed},
		{Class: messages.ClassRejected, Answer: messages.TooManyRequests},
		{Class: messages.ClassRejected, Answer: messages.ServiceUnavailable, MaxAge: new(time.Hour)},
	}
	rapid.Check(t, func(r *rapid.T) {
		w := &fetchWorld{driver: updating(t, serverAccount(t, server(1), 0))}
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			switch rapid.IntRange(0, 11).Draw(r, "what") {
			case 0:
				w.asked++
				w.floor = time.Time{}
				w.do(r, messages.OpenDownload{ID: w.asked, URI: rapid.SampledFrom(images).Draw(r, "image")})
			case 1:
				w.do(r, messages.CloseDownload{ID: w.asked})
			case 2, 3:
				w.fails(r, rapid.SampledFrom(failures).Draw(r, "failure"), rapid.IntRange(0, 9).Draw(r, "final") == 0)
			case 4:
				w.do(r, messages.DownloadProgressed{ID: w.asked})
			case 5:
				w.do(r, messages.CallRequest{Call: messages.CallPause})
			case 6, 7:
				w.do(r, messages.CallRequest{Call: messages.CallResume})
			case 8:
				w.do(r, messages.NetworkUp{})
			case 9:
				w.accounts(r)
			case 10:
				w.do(r, Crashed{Role: core.Link, Peer: fetchPeer, Epoch: w.link(), Reason: errors.New("boom")})
			default:
				w.passes(r)
			}
			w.check(r)
		}
	})
}

// do takes a step, and looks at what update is told.
func (w *fetchWorld) do(r *rapid.T, in any) {
	w.step(in)
	for _, message := range w.saidToUpdate() {
		opened, is := message.(messages.DownloadOpened)
		if !is {
			continue
		}
		if opened.ID != w.asked || w.machine.fetch == nil || w.machine.paused || w.now.Before(w.floor) {
			r.Fatalf("%T began %+v", in, opened)
		}
	}
}

func (w *fetchWorld) fails(r *rapid.T, f messages.Failure, final bool) {
	if d := w.machine.fetch; d != nil {
		f.Epoch = d.epoch
		if d.stage == fetchOpen && !final {
			if floor := floorOf(&f); floor > 0 {
				w.floor = w.now.Add(floor)
			}
		}
	}
	w.do(r, messages.DownloadFailed{ID: w.asked, Failure: f, Final: final})
}

// accounts registers with the management server, or loses it.
func (w *fetchWorld) accounts(r *rapid.T) {
	a := w.machine.accounts.of(server(1))
	switch {
	case a.epoch == 0:
	case a.stage == stageRegistered:
		w.do(r, messages.Failed{Failure: messages.Failure{Class: messages.ClassClosed, Phase: messages.PhaseRegistered, Epoch: a.epoch}})
	default:
		w.do(r, messages.Progress{Epoch: a.epoch, Stage: messages.StageUp})
		w.do(r, messages.Registered{Epoch: a.epoch, Registration: messages.Registration{
			Location: []string{"rd", "1"}, Version: "1.1", Lifetime: 24 * time.Hour, Accepted: w.now,
		}})
	}
}

func (w *fetchWorld) link() messages.Epoch {
	if w.machine.fetch == nil {
		return 0
	}
	return w.machine.fetch.link
}

// passes lets time pass to the end of the next wait.
func (w *fetchWorld) passes(r *rapid.T) {
	var next core.Timer
	for timer, at := range w.timers {
		if next.Name == "" || at.Before(w.timers[next]) || at.Equal(w.timers[next]) && timer.String() < next.String() {
			next = timer
		}
	}
	if next.Name == "" {
		return
	}
	w.now = w.timers[next]
	delete(w.timers, next)
	w.do(r, core.Expired{Timer: next})
}

// check asserts what always holds.
func (w *fetchWorld) check(r *rapid.T) {
	links := 0
	for _, peer := range w.live {
		if peer == fetchPeer {
			links++
		}
	}
	d := w.machine.fetch
	_, waits := w.timers[timerFetch]
	_, guarded := w.timers[timerFetchGuard]
	switch {
	case d == nil:
		if links > 0 || waits || guarded {
			r.Fatalf("%d links, %v", links, w.timers)
		}
	case links > 1, (links == 1) != (d.link != 0), guarded != (d.link != 0), waits != (d.stage == fetchWaiting):
		r.Fatalf("%+v, %d links, %v", d, links, w.timers)
	case d.stage == fetchHeld && !w.machine.paused && d.at.Host != "dm1.example":
		r.Fatalf("nothing leads on: %+v", d)
	}
}
