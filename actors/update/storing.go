package update

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/imagefile"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

func (m *Machine) persisted(token uint64) {
	m.durable = max(m.durable, token)
	if token == m.token {
		m.unsaved = false
	}
}

// storeAgain is when a record is written again that could not be.
const storeAgain = 10 * time.Second

// persistFailed has the record written again. Until the disk takes it, nothing is entered
// that it says.
func (m *Machine) persistFailed(in core.PersistFailed) {
	if in.Token != m.token {
		return
	}
	m.log(firmware.CauseRecordNotSaved, in.Err)
	m.do(core.SetTimer{Timer: timerStore, After: storeAgain})
	m.unsaved = true
	if imagefile.Full(in.Err) && m.record.Result != firmware.ResultSuccess {
		m.makeRoom()
	}
}

// makeRoom removes the image of an update that has ended although that is not durable: the image
// may be what takes the room for the record, which then would never be. Where the process ends
// in between, the next one finds no image, and the update ends by that. What has been installed
// keeps its image until that is durable.
func (m *Machine) makeRoom() {
	if i := slices.Index(m.gated, core.Effect(ImageDiscard{})); i >= 0 {
		m.gated = slices.Delete(m.gated, i, i+1)
		m.do(ImageDiscard{})
	}
}

// imageDiscarded writes the record again, where there was no room for it.
func (m *Machine) imageDiscarded() {
	if m.unsaved {
		m.do(core.StopTimer{Timer: timerStore})
		m.storeExpired()
	}
}

func (m *Machine) storeExpired() {
	if !m.loaded {
		m.notRead(errNotRead)
		m.load()
		return
	}
	m.dirty, m.unsaved = true, false
}
