package supervisor

import (
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/download"
	"github.com/holdfast-iot/holdfast/messages"
)

// Download is how images are fetched.
type Download struct {
	// Credentials are for coaps servers that are no management server of this client; the
	// zero value is none.
	Credentials messages.Credentials
	// Hosts are allowed although they are local, as download.ParseHost reads them.
	Hosts []string
}

// noDownload is how images are fetched where nothing is configured.
var noDownload = &Download{}

// secured reports whether there are credentials.
func (d *Download) secured() bool {
	return d.Credentials.Mode != messages.SecurityPSK || d.Credentials.Identity != "" || len(d.Credentials.Key) > 0
}

var errNoDownloadCredentials = errors.New("the URI of the image is coaps, and there are no credentials for a server " +
	"that is no management server of this client (give them in firmware.download)")

// fetchStage is how far the download of an image has come.
//
//	       it can begin          DownloadFailed
//	held ──────────────▶ open ───────────────────▶ waiting
//	 ▲                    │                           │
//	 └── pause, reset, ───┴──── the delay is over ────┘
//	     session lost
type fetchStage uint8

const (
	fetchHeld    fetchStage = iota // it cannot begin yet, or is about to
	fetchOpen                      // update fetches
	fetchWaiting                   // for the end of a delay
)

// fetch is the one download under way. Update does it; here it gets its links and its
// delays. It has a count of its own, and the retry resources of no account.
type fetch struct {
	id      uint64
	uri     string
	at      download.Location // of uri, once there are accounts
	stage   fetchStage
	via     messages.Via
	peer    messages.Peer  // whose link it is with ViaManagement
	epoch   messages.Epoch // of the present attempt; 0 with ViaHTTP
	link    messages.Epoch // of the link of its own; 0 without one
	outage  outage
	attempt attempt // the present one, or the last
	pending pending
	moved   time.Time // when the newest attempt began, or is to begin, that follows a move
}

// updateState is what belongs to updates of the firmware.
type updateState struct {
	fetch      *fetch                   // of an image; nil for none
	past       *pastFetch               // the one before; nil for none
	firmware   *messages.FirmwareStatus // as update has said last
	audience   []messages.Peer          // the servers that update was told of
	updateDown bool                     // the shared actor update has crashed, and is not back
}

// noUpdates is that of all clients without updates. Nothing is written to it.
var noUpdates = &updateState{}

// fetchPeer is the other end of a link that is opened for an image. There is one at a time.
var fetchPeer = messages.DownloadPeer(1)

// Timers of the download.
var (
	timerFetch      = core.Timer{Name: "fetch"}       // its delay is over
	timerFetchGuard = core.Timer{Name: "fetch guard"} // its link has said nothing
)

// pastFetch is what is remembered of a download that update may ask for once more.
type pastFetch struct {
	uri     string
	outage  outage
	attempt attempt
	pending pending
}

func (f *fetch) past() *pastFetch {
	return &pastFetch{uri: f.uri, outage: f.outage, attempt: f.attempt.next(time.Time{}), pending: f.pending}
}

// openDownload begins a download. One of the same image goes on with its count and its
// delay, when update or this actor has crashed.
func (m *Machine) openDownload(now time.Time, in messages.OpenDownload) {
	if !m.config.Update || m.stop != nil {
		return
	}
	m.dropFetch()
	f := &fetch{id: in.ID, uri: in.URI}
	if m.past != nil && m.past.uri == in.URI {
		f.outage, f.attempt, f.pending = m.past.outage, m.past.attempt, m.past.pending
	}
	m.fetch, m.past = f, nil
	if m.paused {
		m.tellPaused()
	}
	m.waitFetch(now, later(f.pending.due, f.pending.floor))
}

// tellPaused tells update whether the client is paused.
func (m *Machine) tellPaused() {
	if m.fetch != nil {
		m.do(core.Tell{To: core.Update, Message: messages.DownloadPaused{ID: m.fetch.id, Paused: m.paused}})
	}
}

// closeDownload ends a download. What its server has asked for stays in force.
func (m *Machine) closeDownload(in messages.CloseDownload) {
	if m.fetch != nil && in.ID == m.fetch.id {
		m.endFetch()
	}
}

func (m *Machine) endFetch() {
	past := &pastFetch{uri: m.fetch.uri, pending: pending{floor: m.fetch.pending.floor}}
	m.dropFetch()
	m.past = past
}

// dropFetch ends the download, which may be asked for once more.
func (m *Machine) dropFetch() {
	if m.fetch != nil {
		m.past = m.fetch.past()
		m.leaveFetch()
		m.fetch = nil
	}
}

// leaveFetch retires the link that was opened for the download, and stops its timers.
func (m *Machine) leaveFetch() {
	f := m.fetch
	if f.link != 0 {
		m.do(Retire{Epoch: f.link}, core.StopTimer{Timer: timerFetchGuard})
	}
	if f.stage == fetchWaiting {
		m.do(core.StopTimer{Timer: timerFetch})
	}
	f.link, f.epoch = 0, 0
}

// interruptFetch ends an attempt that has not failed. The next begins when it can.
func (m *Machine) interruptFetch() {
	f := m.fetch
	if f == nil {
		return
	}
	if f.stage == fetchOpen {
		m.do(core.Tell{To: core.Update, Message: messages.DownloadInterrupted{ID: f.id}})
	}
	m.leaveFetch()
	f.stage, f.pending = fetchHeld, pending{floor: f.pending.floor}
}

// stopFetch ends the traffic of the download for good.
func (m *Machine) stopFetch() {
	if m.fetch != nil {
		m.interruptFetch()
		m.fetch = nil
	}
}

// driveFetch lets the download begin as soon as it can, and ends an attempt over the link of
// a session that is lost: that is no failure of the download.
func (m *Machine) driveFetch(now time.Time) {
	if m.fetch == nil || m.stop != nil {
		return
	}
	if f := m.fetch; f.stage == fetchOpen && f.via == messages.ViaManagement && !m.carries(f) {
		m.interruptFetch()
	}
	if m.fetch.stage == fetchHeld && !m.paused && m.tree != nil {
		m.beginFetch(now, m.fetch)
	}
}

// carries reports whether the session is up whose link an attempt goes over.
func (m *Machine) carries(f *fetch) bool {
	a := m.accounts.of(f.peer)
	return a != nil && a.epoch == f.epoch && a.stage == stageRegistered
}

// beginFetch begins an attempt, if that can be.
func (m *Machine) beginFetch(now time.Time, f *fetch) {
	if now.Before(f.pending.floor) {
		m.waitFetch(now, f.pending.floor)
		return
	}
	f.pending = pending{}
	at, err := m.imagePolicy().Parse(f.uri)
	f.at = at
	account := m.accountAt(at)
	switch {
	case err != nil:
		m.cannotFetch(f, messages.ClassConfiguration, err)
	case at.HTTP():
		m.tellOpened(f, messages.ViaHTTP, 0)
	case account != nil:
		m.fetchFrom(now, f, account)
	case at.Secure() && !m.config.Download.secured():
		m.cannotFetch(f, messages.ClassBadCredentials, errNoDownloadCredentials)
	default:
		f.attempt = f.attempt.next(now.Add(m.config.Budget))
		m.spawnFetch(now, f)
	}
}

// imagePolicy says where images may be fetched from: also from servers of this client,
// wherever they are.
func (m *Machine) imagePolicy() download.Policy {
	p := download.Policy{Hosts: m.config.Download.Hosts}
	for _, a := range m.servers() {
		p.Own = append(p.Own, download.Host{Name: a.URI.Host, Port: a.URI.Port})
	}
	return p
}

// accountAt returns the management account that has the server of an image, with the same
// security; nil for none.
func (m *Machine) accountAt(at download.Location) *account {
	for _, a := range m.servers() {
		if a.URI.Scheme == at.Scheme && a.URI.Host == at.Host && a.URI.Port == at.Port {
			return a
		}
	}
	return nil
}

// fetchFrom begins an attempt over the link of a management server, unless that has to be
// registered with first, or has asked for a pause.
func (m *Machine) fetchFrom(now time.Time, f *fetch, a *account) {
	if a.stage == stageRegistered && a.epoch != 0 && !now.Before(a.pending.floor) {
		f.peer = a.Peer
		m.tellOpened(f, messages.ViaManagement, a.epoch)
	}
}

// spawnFetch opens a link, towards the address after the one that was tried last.
func (m *Machine) spawnFetch(now time.Time, f *fetch) {
	f.link = m.memory.nextEpoch()
	credentials := messages.Credentials{Mode: messages.SecurityNoSec}
	if f.at.Secure() {
		credentials = m.config.Download.Credentials
	}
	m.do(Spawn{Peer: fetchPeer, Epoch: f.link, FirstMID: m.takeMessageIDs(fetchPeer)})
	m.tellOpened(f, messages.ViaLink, f.link) // before the link can be lost, of which update is told by others
	m.do(
		Order{Epoch: f.link, To: core.Network, Message: messages.Connect{
			Peer: fetchPeer, Epoch: f.link, URI: f.at.CoAP, Credentials: credentials,
			Deadline: f.attempt.share(now), Known: m.known(), Addresses: f.attempt.addresses, After: f.attempt.chosen,
			Public: !m.imagePolicy().Named(f.at.Host, f.at.Port),
		}},
		core.SetTimer{Timer: timerFetchGuard, After: f.attempt.deadline.Sub(now) + guardGrace},
	)
}

// tellOpened tells update that it can fetch.
func (m *Machine) tellOpened(f *fetch, via messages.Via, epoch messages.Epoch) {
	f.stage, f.via, f.epoch = fetchOpen, via, epoch
	m.do(core.Tell{To: core.Update, Message: messages.DownloadOpened{ID: f.id, Via: via, Epoch: epoch}})
}

// cannotFetch tells update why there is no link to fetch over: as if it had been lost at
// once.
func (m *Machine) cannotFetch(f *fetch, class messages.Class, cause error) {
	epoch := m.memory.nextEpoch()
	m.tellOpened(f, messages.ViaLink, epoch)
	m.do(core.Tell{To: core.Update, Message: messages.LinkLost{Failure: messages.Failure{
		Class: class, Phase: messages.PhaseFirmware, Peer: fetchPeer, Epoch: epoch, Cause: cause,
	}}})
}

// fetchOver returns the download whose link has the epoch; nil for none.
func (m *Machine) fetchOver(epoch messages.Epoch) *fetch {
	if m.fetch == nil || epoch == 0 || m.fetch.link != epoch {
		return nil
	}
	return m.fetch
}

// fetchProgress takes how far the link has come.
func (m *Machine) fetchProgress(in messages.Progress) {
	f := m.fetchOver(in.Epoch)
	switch {
	case f == nil:
	case in.Stage == messages.StageConnecting:
		f.attempt.connecting(in.Addresses, in.Chosen)
	case in.Stage == messages.StageUp:
		m.do(core.StopTimer{Timer: timerFetchGuard})
	}
}

// downloadProgressed begins the count of failures anew.
func (m *Machine) downloadProgressed(in messages.DownloadProgressed) {
	if f := m.fetch; f != nil && in.ID == f.id {
		f.outage.succeed()
		f.attempt.worst = nil
	}
}
