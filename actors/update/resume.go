package update

import (
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// resume goes on with the update of a record, after the process or the machine has ended in
// its middle.
func (m *Machine) resume() {
	m.do(core.StopTimer{Timer: timerStore})
	m.remembered()
	m.later(core.Tell{To: core.Management, Message: messages.ReportsAsked{}}) // when it can read what there is
	if m.record.Manifest != nil && m.record.Phase != Processing {
		d, err := m.open(m.record.Manifest)
		if err != nil { // what was trusted then is not any more
			m.failBy(err)
			return
		}
		m.decoded = d
	}
	switch m.record.Phase {
	case Receiving:
		m.failWith(firmware.CauseConnectionLost, nil) // a transfer in blocks does not outlive its link
	case DeferredDownload, DeferredInstall:
		m.awaitDue()
	case Rebooting:
		if m.record.Asked {
			m.on(Restarted)
			return
		}
		m.reboot()
	default:
		resumed[m.record.Phase](m)
	}
}

// resumed does again what belongs to a phase.
var resumed map[Phase]func(*Machine)

func init() {
	resumed = map[Phase]func(*Machine){
		Idle: func(*Machine) {}, Announcing: func(*Machine) {}, Downloaded: func(*Machine) {},
		Processing: (*Machine).checkManifest, AskingDownload: (*Machine).askDownload, Downloading: (*Machine).fetch,
		Verifying: (*Machine).verify, AskingInstall: (*Machine).askInstall, Installing: (*Machine).install,
		Confirming: (*Machine).confirm, RollingBack: (*Machine).rollBack,
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
	m.decoded, m.record.URI, m.record.Package = d, d.URI, d.Version
	m.on(ManifestGood)
}

func (m *Machine) open(data []byte) (*Manifest, error) {
	if m.config.Manifests == nil {
		return nil, &firmware.Error{Cause: firmware.CauseNoTrust}
	}
	return m.config.Manifests(data, m.installed())
}
