package update

import (
	"slices"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// load asks for the record.
func (m *Machine) load() {
	m.do(
		core.Tell{To: core.Store, Message: messages.LoadRecord{Record: messages.RecordFirmware}},
		core.SetTimer{Timer: timerStore, After: loadBound},
	)
}

// recordLoaded goes on where the record says. While it cannot be read, nothing is begun that
// would take its place: there may be reports in it. One that makes no sense is set aside, and
// the client begins without it.
func (m *Machine) recordLoaded(stored messages.StoredState) {
	switch {
	case m.loaded:
	case stored.Unread:
		m.notRead(stored.Err)
		m.do(core.SetTimer{Timer: timerStore, After: storeAgain})
	default:
		m.record = m.recordOf(stored)
		m.loaded, m.showing = true, true
		m.resume()
	}
}

// notRead logs, once, that the record could not be read.
func (m *Machine) notRead(err error) {
	if !m.unread {
		m.unread = true
		m.log(firmware.CauseRecordLost, err)
	}
}

func (m *Machine) recordOf(stored messages.StoredState) record {
	found, err := newRecord(), stored.Err
	if stored.Data != nil {
		if found, err = decodeRecord(stored.Data); err != nil {
			m.do(core.Tell{To: core.Store, Message: messages.SetAside{Record: messages.RecordFirmware}})
			found = newRecord()
		}
	}
	if err != nil {
		m.log(firmware.CauseRecordLost, err)
	}
	return found
}

// resume goes on with the update of a record, after the process or the machine has ended in
// its middle, and then takes what has come meanwhile.
func (m *Machine) resume() {
	m.do(core.StopTimer{Timer: timerStore})
	m.remembered()
	m.later(core.Tell{To: core.Management, Message: messages.ReportsAsked{}}) // when it can read what there is
	m.goOn()
	for _, in := range m.waiting {
		m.carryOut(in)
	}
	m.waiting = nil
}

// goOn does again what belongs to the phase of the record. A manifest that is not accepted any
// more ends an update that has not been installed; later the version that runs may be its own.
func (m *Machine) goOn() {
	if r := &m.record; r.Manifest != nil && r.Phase != Processing && slices.Contains(beforeInstall, r.Phase) {
		d, err := m.open(r.Manifest)
		if err != nil {
			m.failBy(err)
			return
		}
		m.decoded = d
	}
	resumed[m.record.Phase](m)
}

// receivingAgain ends a push: a transfer in blocks does not outlive its link.
func (m *Machine) receivingAgain() { m.failWith(firmware.CauseConnectionLost, nil) }

// rebootingAgain takes the start of the process for that of the new version, where a restart
// was asked for. It is none when there was a machine before this one in the process.
func (m *Machine) rebootingAgain() {
	if m.record.Asked && !m.again {
		m.on(Restarted)
		return
	}
	m.reboot()
}

// idleAgain removes the image of an update that had just ended.
func (m *Machine) idleAgain() { m.later(ImageDiscard{}) }

// resumed does again what belongs to a phase.
var resumed map[Phase]func(*Machine)

func init() {
	resumed = map[Phase]func(*Machine){
		Idle: (*Machine).idleAgain, Announcing: func(*Machine) {}, Downloaded: func(*Machine) {}, Receiving: (*Machine).receivingAgain,
		Processing: (*Machine).checkManifest, AskingDownload: (*Machine).askDownload, DeferredDownload: (*Machine).awaitDue,
		Downloading: (*Machine).fetch, Verifying: (*Machine).readAgain, AskingInstall: (*Machine).askInstall,
		DeferredInstall: (*Machine).awaitDue, Installing: (*Machine).readAgain, Rebooting: (*Machine).rebootingAgain,
		Confirming: (*Machine).confirm, RollingBack: (*Machine).rollBackAgain,
	}
}

// remembered begins to know the servers that a record speaks of: they are waited for.
func (m *Machine) remembered() {
	if m.record.Server != 0 {
		m.server(messages.ManagementPeer(m.record.Server))
	}
	for _, e := range m.record.Observe {
		m.server(messages.ManagementPeer(e.Server))
	}
	m.forgetServers()
	for _, s := range m.servers { // those whose sessions are already up
		m.noteHost(s)
		if s.known {
			m.expect(s)
		}
	}
}

// checkManifest finds out who has signed the manifest, and whether it is for this gateway.
func (m *Machine) checkManifest() {
	d, err := m.open(m.record.Manifest)
	if err == nil {
		_, err = m.policy().Parse(d.URI)
	}
	if err != nil {
		m.failBy(err)
		return
	}
	m.decoded, m.record.URI, m.record.Package, m.record.VendorData = d, d.URI, d.Version, d.VendorData
	m.on(ManifestGood)
}

func (m *Machine) open(data []byte) (*Manifest, error) {
	if m.config.Manifests == nil {
		return nil, &firmware.Error{Cause: firmware.CauseNoTrust}
	}
	return m.config.Manifests(data, m.installed())
}
