package update

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/download"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// Config is what does not change while the client runs.
type Config struct {
	// Manifests reads a manifest that is signed, meant for this gateway and newer than what is
	// installed; the error is a [firmware.Error]. Nil: there is no object 10252.
	Manifests func(data []byte, installed string) (*Manifest, error)
	// Vendor and Class are what a manifest has to name.
	Vendor, Class [16]byte
	// Version is the version of the firmware that runs, as the configuration has it.
	Version string
	// Ask says that the gateway is asked before a download and before an installation.
	Ask bool
	// Policy says where an image may be fetched from, and how large it may be.
	Policy download.Policy
	// GiveUp is after how long without a byte a download has failed.
	GiveUp time.Duration
	// Defer is for how long what was put off waits, where nobody has said for how long; 0
	// is until somebody says go on.
	Defer time.Duration
	// ImagePath is the file that has the image.
	ImagePath string
	// PushSilence is how long a server may take for the next block of a package:
	// EXCHANGE_LIFETIME.
	PushSilence time.Duration
}

// Machine is the pure core. It implements core.Machine.
//
// Inputs are messages.ServersChanged, SessionUp and SessionLost, Woke, ReportsObserved,
// ReportsDelivered, ReportsSent, DownloadOpened, DownloadInterrupted and DownloadPaused,
// AuthoriseFirmware, InboundBlock, and what a link says of a request of this actor;
// messages.RecordLoaded, and what the store answers; Asked, of the objects; and what comes of the
// jobs that the shell does: ImageReady, ImageWritten, ImageDone, ImageDiscarded, HTTPPart,
// HTTPFailed and Called.
type Machine struct {
	config Config
	record record
	loaded bool
	now    time.Time // of this step

	effects []core.Effect // of this step
	behind  []core.Effect // of this step, for gated
	gated   []core.Effect // what waits until the record is durable, oldest first
	dirty   bool          // the record has to be written
	showing bool          // what the resources show has changed
	token   uint64        // of the latest write
	durable uint64        // of the latest write that has succeeded

	servers  []*server
	accounts []messages.Peer // of management servers; nil while they are not known
	again    bool            // there was a machine before this one in the process
	sending  *sending
	resting  bool // no Send until timerSend
	lastID   uint64
	unsaved  bool // the disk has refused the record, and it is not being written again yet

	waiting  []Asked // until the record has been read
	pull     *pull   // the download under way
	push     *push   // the package under way
	failed   failedPush
	image    imageState
	status   messages.FirmwareStatus // as it was last told
	decoded  *Manifest               // of record.Manifest, until the installation begins
	question messages.FirmwareQuestion
	decided  chan<- messages.Answered // whom this step has carried out a decision for; nil for nobody
	call     uint64                   // of the Installer, that is waited for; 0 for none
	failure  firmware.Error           // that is being reported
	period   time.Duration            // for which the gateway puts off; 0 for as long as nobody grants
	unread   bool                     // it was logged that the record could not be read
}

// Names of timers that come one for a server.
const timerGrace = "grace"

// Timers of which there is one.
var (
	timerSend   = core.Timer{Name: "send"}
	timerGiveUp = core.Timer{Name: "give up"}
	timerPush   = core.Timer{Name: "push"}
	timerDue    = core.Timer{Name: "due"}
	timerReboot = core.Timer{Name: "reboot"}
	timerStore  = core.Timer{Name: "store"}
)

func graceTimer(p messages.Peer) core.Timer { return core.Timer{Name: timerGrace, Key: p.Key()} }

// New returns a machine that waits for Start.
func New(config Config) *Machine { return &Machine{config: config, record: newRecord()} }

// Start is the first input of a machine: it asks for its record.
type Start struct {
	// Incarnation counts the machines of the process, from 1 on: what is on its way to one
	// that has crashed is told by it from what was asked for by this one.
	Incarnation uint64
}

// idsOf is how many IDs each incarnation has.
const idsOf = 1 << 40

// loadBound is how long the store has to read the record, before it is asked again.
const loadBound = 30 * time.Second

// Step implements core.Machine.
func (m *Machine) Step(now time.Time, in any) []core.Effect {
	// Times are those of the wall clock, which goes on while the machine is suspended.
	m.now, m.effects, m.behind = now.Round(0), nil, nil
	m.dispatch(in)
	if m.loaded {
		m.settle()
		m.proceed()
	}
	return m.finish()
}

func (m *Machine) dispatch(in any) {
	switch in := in.(type) {
	case Start:
		m.lastID, m.again = in.Incarnation*idsOf, in.Incarnation > 1
		m.load()
	case messages.RecordLoaded:
		m.recordLoaded(in.Stored)
	case core.Persisted:
		m.persisted(in.Token)
	case core.PersistFailed:
		m.persistFailed(in)
	case messages.ServersChanged:
		m.serversChanged(in)
	case messages.SessionUp:
		m.sessionUp(in)
	case messages.SessionLost:
		m.sessionLost(in)
	case messages.ReportsObserved:
		m.observed(in)
	case messages.ReportsDelivered:
		m.delivered(in)
	case messages.ReportsSent:
		m.sent(in)
	case Asked:
		m.asked(in)
	case messages.AuthoriseFirmware:
		m.authorise(in)
	case messages.Woke:
		m.woke()
	case core.Expired:
		m.expired(in.Timer)
	default:
		m.transfer(in)
	}
}

// transfer takes what concerns the image.
func (m *Machine) transfer(in any) {
	switch in := in.(type) {
	case messages.InboundBlock:
		m.block(in)
	case messages.DownloadOpened:
		m.opened(in)
	case messages.DownloadInterrupted:
		m.interrupted(in)
	case messages.DownloadPaused:
		m.paused(in)
	case messages.ResponseBlock:
		m.part(in)
	case messages.Response:
		m.response(in)
	case messages.RequestFailed:
		m.requestFailed(in)
	case messages.LinkLost:
		m.linkLost(in)
	case HTTPPart:
		m.httpPart(in)
	case HTTPFailed:
		m.httpFailed(in)
	case ImageReady:
		m.imageReady(in)
	case ImageWritten:
		m.imageWritten(in)
	case ImageDone:
		m.imageDone(in)
	case ImageDiscarded:
		m.imageDiscarded()
	case Called:
		m.called(in)
	}
}

func (m *Machine) expired(timer core.Timer) {
	switch timer {
	case timerSend:
		m.resting = false
	case timerGiveUp:
		m.giveUp()
	case timerPush:
		m.pushSilent()
	case timerDue:
		m.due()
	case timerReboot:
		m.rebootAgain()
	case timerStore:
		m.storeExpired()
	default:
		if s := m.server(messages.PeerOfKey(timer.Key)); timer == graceTimer(s.peer) && s.grace {
			m.graceOver(s)
		}
	}
}

// on moves the machine by the table. It reports whether there is a line for the event.
func (m *Machine) on(event Event) bool {
	t, ok := lookup(m.record.Phase, event, m.record.Face)
	if !ok {
		return false
	}
	m.enter(t)
	return true
}

// enter enters a phase, and has done what belongs to that. How an update has ended is decided
// before anything is reported: the result comes before the state.
func (m *Machine) enter(t Transition) {
	before := m.record.Phase
	m.because(t)
	m.leave(before)
	m.record.Phase = t.To
	m.dirty = true
	if before.Object5() != t.To.Object5() {
		m.record.Changed = m.now
	}
	if t.To == Installing || t.On == UpdateAsked { // what came of a former try is void
		m.record.Result, m.record.Object5, m.record.Detail = firmware.ResultNone, firmware.Object5Initial, ""
	}
	if outcome, is := outcomes[t.Do]; is {
		outcome(m)
	}
	m.report()
	if act, is := acts[t.Do]; is {
		act(m)
	}
}

// outcomes say how an update, or a part of it, has ended.
var outcomes = map[Act]func(*Machine){
	PutOff: (*Machine).putOff, Succeed: (*Machine).succeed, Fail: (*Machine).fail, FailAndKeep: (*Machine).failAndKeep,
	Reset: (*Machine).reset,
}

// acts are carried out when a phase has been entered.
var acts map[Act]func(*Machine)

func init() { // they lead to further transitions
	acts = map[Act]func(*Machine){
		TakePackage: (*Machine).takePackage, CheckManifest: (*Machine).checkManifest, AskDownload: (*Machine).askDownload,
		Fetch: (*Machine).fetch, Verify: (*Machine).verify, AskInstall: (*Machine).askInstall, Install: (*Machine).readAgain,
		Reboot: (*Machine).reboot, Confirm: (*Machine).confirm, RollBack: (*Machine).rollBack,
	}
}

// because notes the reason where a server or the gateway is the one that ends an update.
func (m *Machine) because(t Transition) {
	switch {
	case t.On == Cancelled:
		m.failure = firmware.Error{Cause: firmware.CauseCancelled}
	case t.On == ResetAsked:
		m.failure = firmware.Error{Cause: firmware.CauseReset}
	case t.On == Refused && m.record.Phase.installs():
		m.failure = firmware.Error{Cause: firmware.CauseInstallRefused}
	case t.On == Refused:
		m.failure = firmware.Error{Cause: firmware.CauseDownloadRefused}
	}
}

// leave ends what belongs to a phase.
func (m *Machine) leave(p Phase) {
	m.question = messages.AsksNothing
	switch p {
	case Downloading:
		m.endPull()
	case Receiving:
		m.endPush()
	case DeferredDownload, AskingInstall, DeferredInstall:
		m.do(core.StopTimer{Timer: timerDue})
		m.record.Until, m.record.Period = time.Time{}, 0
	case Rebooting:
		m.do(core.StopTimer{Timer: timerReboot})
	}
}

// proceed goes on with what waits for a report to be delivered.
func (m *Machine) proceed() {
	switch m.record.Phase {
	case Announcing:
		told := !m.pending(firmware.PathManifestState, int64(firmware.StateDownloading))
		if told || !m.observes(firmware.PathManifestState) {
			m.on(Announced)
			m.settle()
		}
	case Rebooting:
		m.rebootWhenTold()
	}
}

// finish orders the effects of a step: what depends on the record waits until that is
// durable, in order.
func (m *Machine) finish() []core.Effect {
	if !m.loaded {
		return m.effects
	}
	m.tellStatus()
	if m.decided != nil {
		m.later(tell(messages.FirmwareDecided{Answer: m.decided}))
		m.decided = nil
	}
	if m.showing {
		m.showing = false
		m.gated = append(m.gated, Show{View: m.view()})
	}
	m.gated = append(m.gated, m.behind...)
	if !m.dirty {
		return append(m.effects, m.released()...)
	}
	m.dirty = false
	data, err := encodeRecord(&m.record)
	if err != nil { // a record is made of numbers and text
		return append(m.effects, m.released()...)
	}
	m.token++
	return append(m.effects, core.Persist{Token: m.token, Record: messages.RecordFirmware, Data: data})
}

// released returns what waits for the record, where that is durable as it stands.
func (m *Machine) released() []core.Effect {
	if m.durable != m.token {
		return nil
	}
	effects := m.gated
	m.gated = nil
	return effects
}

// do has an effect carried out at once.
func (m *Machine) do(effects ...core.Effect) { m.effects = append(m.effects, effects...) }

// later has an effect carried out when, and only if, what this step has decided is durable.
func (m *Machine) later(effects ...core.Effect) { m.behind = append(m.behind, effects...) }

// log has something written down that no server is told as a result.
func (m *Machine) log(cause firmware.Cause, err error) { m.do(Log{Cause: cause, Err: err}) }

func tell(message any) core.Effect { return core.Tell{To: core.Supervisor, Message: message} }
