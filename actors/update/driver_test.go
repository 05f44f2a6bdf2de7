package update

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/download"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// world is everything around a machine: a store, a disk, an Installer, a management server
// that observes, and one that has an image.
type world struct {
	t      *testing.T
	config Config
	m      *Machine
	now    time.Time
	timers map[core.Timer]time.Time
	steps  int
	// killAt is the step after which the process ends, once; 0 for never. What the step has
	// decided is not carried out.
	killAt int
	dead   bool

	record []byte                 // on the disk
	aside  []byte                 // the one that was set aside
	stored **messages.StoredState // what a load answers instead; nil in it: nothing
	loads  int
	// incarnation is that of the next machine; 0 is the first, too.
	incarnation uint64
	// answersNothing: the disk hangs.
	answersNothing bool
	// slow: the disk takes a part only when it is told to (write).
	slow      bool
	held      []ImageAppend         // those that it has not taken
	outcome   *messages.SendOutcome // of a Send; nil where it arrives, or is muted
	storeErr  error
	storeFull bool // there is no room for the record while there is an image
	image     image
	installer func(Call) Called
	calls     []Method
	ended     []uint64 // calls that were ended early

	peer     messages.Peer
	epoch    messages.Epoch
	observes []lwm2m.Path
	version  string
	silent   bool // the server acknowledges nothing
	sends    bool // it takes Sends
	view     View
	seen     []string // what the server has, in order
	acked    map[string]int64
	by       map[string]Face // by path: the object of the update that has changed the value last

	content  []byte // of the image at its server
	etag     []byte
	block    int // bytes of a part
	stall    int // the server sends nothing from this offset on; 0 for never
	early    int // the image ends at this offset, whatever its announced size is; 0 for its end
	asked    []uint64
	fetch    *messages.Request
	at       int
	open     *messages.OpenDownload
	failed   []messages.DownloadFailed
	moved    int // how often a download has come further
	status   messages.FirmwareStatus
	statuses []messages.FirmwareStatus // all there were
	replies  []messages.Reply
	mores    int
	logged   []firmware.Cause
	inputs   []any // that are on their way to the machine
}

type image struct {
	id       string
	data     []byte
	etag     []byte
	size     int64
	complete bool
	err      error // of each Append
}

var peer1 = messages.ManagementPeer(1)

// content is an image of a size.
func content(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	return data
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, now: start, timers: map[core.Timer]time.Time{}, peer: peer1, version: "1.1", acked: map[string]int64{}, by: map[string]Face{},
		observes: firmware.Reported(), content: content(5000), etag: []byte{1}, block: 1024,
		config: Config{
			Version: "1.0.0", GiveUp: 24 * time.Hour, PushSilence: 247 * time.Second, ImagePath: "/image",
			Policy: download.Policy{MaxSize: 1 << 20},
		},
	}
	w.config.Manifests = func(data []byte, _ string) (*Manifest, error) {
		if string(data) == "bad" {
			return nil, &firmware.Error{Cause: firmware.CauseSignature}
		}
		return &Manifest{URI: imageURI, Version: "2.0.0", Size: int64(len(w.content)), Digest: sha256.Sum256(w.content)}, nil
	}
	w.installer = func(c Call) Called { return Called{ID: c.ID, Method: c.Method, Done: firmware.InstallDone} }
	return w
}

const imageURI = "coap://files.example.com/image"

// boot starts the machine, with what is on the disk.
func (w *world) boot() {
	w.m, w.dead, w.inputs = New(w.config), false, nil
	w.timers, w.fetch, w.open, w.view, w.held = map[core.Timer]time.Time{}, nil, nil, View{}, nil
	w.input(Start{Incarnation: w.incarnation})
}

// register has the server accept the client, which observes on.
func (w *world) register() {
	w.epoch++
	w.input(messages.SessionUp{Peer: w.peer, Epoch: w.epoch, Version: w.version})
	w.observesOn()
}

// observesOn is what management says when it knows what the server observes; what is owed it
// has told.
func (w *world) observesOn() {
	w.input(messages.ReportsObserved{Peer: w.peer, Epoch: w.epoch, Paths: w.observes})
	w.show(w.view)
	w.input(nil)
}

func (w *world) lose() {
	w.input(messages.SessionLost{Peer: w.peer, Epoch: w.epoch, StillRegistered: true})
	w.fetch = nil
}

// input gives one input, and all that comes of it.
func (w *world) input(in any) {
	w.inputs = append(w.inputs, in)
	for len(w.inputs) > 0 && !w.dead {
		next := w.inputs[0]
		w.inputs = w.inputs[1:]
		effects := w.m.Step(w.now, next)
		w.steps++
		if w.steps == w.killAt {
			w.dead = true
			return
		}
		for _, effect := range effects {
			w.carryOut(effect)
		}
	}
}

func (w *world) later(in any) { w.inputs = append(w.inputs, in) }

func (w *world) carryOut(effect core.Effect) {
	switch e := effect.(type) {
	case core.SetTimer:
		w.timers[e.Timer] = w.now.Add(max(e.After, 0))
	case core.StopTimer:
		delete(w.timers, e.Timer)
	case core.Persist:
		if w.storeErr != nil {
			w.later(core.PersistFailed{Token: e.Token, Err: w.storeErr})
			return
		}
		if w.storeFull && w.image.id != "" {
			w.later(core.PersistFailed{Token: e.Token, Err: &fs.PathError{Op: "write", Path: "firmware", Err: syscall.ENOSPC}})
			return
		}
		w.record = e.Data
		w.later(core.Persisted{Token: e.Token})
	case core.Tell:
		w.told(e)
	case Show:
		w.show(e.View)
	case Log:
		w.logged = append(w.logged, e.Cause)
	case AnswerRequest:
		e.To <- e.Err
	case Call:
		w.calls = append(w.calls, e.Method)
		if w.installer != nil {
			if out := w.installer(e); out.ID != 0 {
				w.later(out)
			}
		}
	case EndCall:
		w.ended = append(w.ended, e.ID)
	default:
		w.disk(effect)
	}
}

func (w *world) disk(effect core.Effect) {
	if w.answersNothing {
		return
	}
	i := &w.image
	switch e := effect.(type) {
	case ImagePrepare:
		if e.Fresh || i.id != e.ID {
			*i = image{id: e.ID, err: i.err}
		}
		w.later(ImageReady{Job: e.Job, Length: int64(len(i.data)), ETag: i.etag, Size: i.size, Complete: i.complete})
	case ImageAppend:
		w.held = append(w.held, e)
		if !w.slow {
			w.write()
		}
	case ImageFinish:
		i.complete = true
		w.later(ImageDone{Job: e.Job, Path: "/image", Size: int64(len(i.data)), Hash: sha256.Sum256(i.data)})
	case ImageDiscard:
		*i = image{err: i.err}
		w.later(ImageDiscarded{})
	default:
		w.t.Fatalf("unknown effect %T", effect)
	}
}

// write has the disk take the part that it has had for the longest.
func (w *world) write() {
	i, e := &w.image, w.held[0]
	w.held = w.held[1:]
	if i.err != nil {
		w.later(ImageWritten{Job: e.Job, Length: int64(len(i.data)), Err: i.err})
		return
	}
	if e.Describe != nil {
		i.etag, i.size = e.Describe.ETag, e.Describe.Size
	}
	if int(e.Offset) != len(i.data) {
		w.t.Fatalf("a part at %d, and there are %d bytes", e.Offset, len(i.data))
	}
	i.data = append(i.data, e.Data...)
	w.later(ImageWritten{Job: e.Job, Length: int64(len(i.data))})
}

func (w *world) told(tell core.Tell) {
	switch message := tell.Message.(type) {
	case messages.FirmwareDecided:
		message.Answer <- message.Answered
	case messages.LoadRecord:
		w.loads++
		if w.stored == nil {
			w.later(messages.RecordLoaded{Stored: messages.StoredState{Data: w.record}})
		} else if *w.stored != nil {
			w.later(messages.RecordLoaded{Stored: **w.stored})
		}
	case messages.SetAside:
		w.aside, w.record = w.record, nil
	case messages.OpenDownload:
		w.open = &message
	case messages.CloseDownload:
		w.open, w.fetch = nil, nil
	case messages.DownloadFailed:
		w.failed = append(w.failed, message)
		w.fetch = nil
	case messages.DownloadProgressed:
		w.moved++
	case messages.FirmwareChanged:
		w.status = message.Status
		w.statuses = append(w.statuses, message.Status)
	case messages.Request:
		w.fetch, w.at = &message, int(message.From)
		w.asked = append(w.asked, message.From)
	case messages.More:
		if message.Upload {
			w.mores++
		} else {
			w.serve()
		}
	case messages.Cancel:
		w.fetch = nil
	case messages.Reply:
		w.replies = append(w.replies, message)
	case messages.SendReports:
		w.sendAnswered(message)
	}
}

func (w *world) sendAnswered(message messages.SendReports) {
	if w.outcome != nil {
		w.later(messages.ReportsSent{ID: message.ID, Outcome: *w.outcome})
		return
	}
	if !w.sends {
		w.later(messages.ReportsSent{ID: message.ID, Outcome: messages.SendOutcome{Peer: w.peer, Refusal: messages.SendMuted}})
		return
	}
	for _, path := range message.Paths {
		w.sees(path.String(), w.view.Reported[path.String()])
	}
	w.later(messages.ReportsSent{ID: message.ID, Outcome: messages.SendOutcome{Peer: w.peer}})
}

// show is what management makes of a view: the server is told what is owed to it.
func (w *world) show(view View) {
	for path, value := range view.Reported {
		if before, shown := w.view.Reported[path]; shown && before != value {
			w.by[path] = w.m.record.Face
		}
	}
	w.view = view
	if w.silent || w.epoch == 0 {
		return
	}
	for _, name := range view.Owed {
		path := pathOf(name)
		if slices.Contains(w.observes, path) {
			w.sees(name, view.Reported[name])
			w.later(messages.ReportsDelivered{Peer: w.peer, Nodes: []lwm2m.Node{{Path: path, Value: lwm2m.Integer(view.Reported[name])}}})
		}
	}
}

func (w *world) sees(path string, value int64) {
	w.seen = append(w.seen, fmt.Sprintf("%s=%d", path, value))
}

// of returns what the server has seen of a resource, in order.
func (w *world) of(path lwm2m.Path) (values []string) {
	for _, line := range w.seen {
		if name := path.String() + "="; len(line) > len(name) && line[:len(name)] == name {
			values = append(values, line[len(name):])
		}
	}
	return values
}

// opened lets the supervisor open the download that is asked for.
func (w *world) opened() {
	w.t.Helper()
	if w.open == nil {
		w.t.Fatal("no download is asked for")
	}
	w.input(messages.DownloadOpened{ID: w.open.ID, Via: messages.ViaManagement, Epoch: w.epoch})
}

// serve sends the next part of the image that is asked for.
func (w *world) serve() {
	if w.fetch == nil || w.stall > 0 && w.at >= w.stall {
		return
	}
	f := w.fetch
	if w.at > 0 && w.at >= len(w.content) { // it has become shorter
		w.later(messages.Response{Epoch: f.Epoch, ID: f.ID, Code: messages.BadOption})
		return
	}
	size := len(w.content)
	if w.early > 0 {
		size = min(size, w.early)
	}
	end := min(w.at+w.block, size)
	part := messages.ResponseBlock{Epoch: f.Epoch, ID: f.ID, Offset: uint64(w.at), Data: w.content[w.at:end], Next: end < size}
	if w.at == int(f.From) {
		part.ETag, part.Size = w.etag, new(uint64(len(w.content)))
	}
	w.at = end
	w.later(part)
	if !part.Next {
		w.later(messages.Response{Epoch: f.Epoch, ID: f.ID, Code: messages.Content, ETag: w.etag})
	}
}

// download serves the image from where it is asked for.
func (w *world) download() {
	w.t.Helper()
	w.opened()
	w.serve()
	w.input(nil)
}

// ask asks one of the objects, and returns the answer; nil also where there is none yet.
func (w *world) ask(what Ask, value lwm2m.Value) error {
	answer := make(chan error, 1)
	w.input(Asked{Ask: what, Server: w.peer.ID, Value: value, Answer: answer})
	select {
	case err := <-answer:
		return err
	default:
		return nil
	}
}

// authorise answers what the gateway is asked.
func (w *world) authorise(d messages.FirmwareDecision, period time.Duration) messages.ErrorCode {
	w.t.Helper()
	answer := make(chan messages.Answered, 1)
	w.input(messages.AuthoriseFirmware{Decision: d, Period: period, Answer: answer})
	return (<-answer).Code
}

// answersCall is an Installer that answers a method in a way of its own.
func (w *world) answersCall(method Method, how func(*Called)) {
	before := w.installer
	w.installer = func(c Call) Called {
		out := before(c)
		if c.Method == method {
			how(&out)
		}
		return out
	}
}

// needsReboot is an Installer whose image runs after a restart.
func (w *world) needsReboot() {
	w.answersCall(CallInstall, func(out *Called) { out.Done = firmware.InstallNeedsReboot })
}

// never is an answer that does not come.
func never(out *Called) { *out = Called{} }

// pass lets time pass, and all timers expire that are due.
func (w *world) pass(d time.Duration) {
	end := w.now.Add(d)
	for {
		var due core.Timer
		for timer, at := range w.timers {
			if !at.After(end) && (due.Name == "" || at.Before(w.timers[due])) {
				due = timer
			}
		}
		if due.Name == "" {
			w.now = end
			return
		}
		if w.timers[due].After(w.now) {
			w.now = w.timers[due]
		}
		delete(w.timers, due)
		w.input(core.Expired{Timer: due})
	}
}

func (w *world) wantPhase(want Phase) {
	w.t.Helper()
	if w.m.record.Phase != want {
		w.t.Fatalf("the phase is %s, want %s (%s)", w.m.record.Phase, want, w.m.record.Detail)
	}
}

func (w *world) wantSeen(path lwm2m.Path, want ...string) {
	w.t.Helper()
	if got := w.of(path); !slices.Equal(got, want) {
		w.t.Fatalf("of %s the server has seen %v, want %v", path, got, want)
	}
}

func running(t *testing.T) *world {
	w := newWorld(t)
	w.boot()
	w.register()
	return w
}
