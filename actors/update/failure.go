package update

import (
	"errors"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/download"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// failWith ends the update, or the part of it that is under way, for a reason.
func (m *Machine) failWith(cause firmware.Cause, err error) {
	m.failure = firmware.Error{Cause: cause, Err: err}
	m.on(Failed)
}

// failBy ends it for the reason that an error gives.
func (m *Machine) failBy(err error) { m.failWith(causeOf(err), err) }

// spoiledWith ends the update because the image is no good.
func (m *Machine) spoiledWith(cause firmware.Cause, err error) {
	m.failure = firmware.Error{Cause: cause, Err: err}
	if !m.on(Spoiled) {
		m.on(Failed)
	}
}

// causeOf finds out what an error means for the update.
func causeOf(err error) firmware.Cause {
	if e, ok := errors.AsType[*firmware.Error](err); ok {
		return e.Cause
	}
	if e, ok := errors.AsType[*download.URIError](err); ok {
		switch e.Fault {
		case download.UnsupportedScheme:
			return firmware.CauseUnsupportedScheme
		case download.NotAllowed:
			return firmware.CauseForbiddenURI
		}
		return firmware.CauseInvalidURI
	}
	return firmware.CauseInternal
}

// words says why, for a person.
func words(e *firmware.Error) string { return e.Error() }

// ends notes how an update has ended; the image goes.
func (m *Machine) ends(result firmware.Result, object5 int64, detail string) {
	m.record.Result, m.record.Object5, m.record.Detail = result, object5, detail
	m.drop()
}

// drop forgets what the update was about, and the image.
func (m *Machine) drop() {
	m.record.Manifest, m.decoded, m.record.Asked = nil, nil, false
	m.image = imageState{}
	m.call = 0
	m.later(ImageDiscard{})
}

func (m *Machine) fail() {
	c := m.failure.Cause
	m.ends(c.Result(), c.Object5(), words(&m.failure))
}

// failAndKeep reports why an installation has failed that can be tried again.
func (m *Machine) failAndKeep() {
	c := m.failure.Cause
	m.record.Result, m.record.Object5, m.record.Detail = c.Result(), c.Object5(), words(&m.failure)
	m.record.Asked, m.call = false, 0
}

func (m *Machine) cancel() {
	m.failure = firmware.Error{Cause: firmware.CauseCancelled}
	m.fail()
}

// reset leaves nothing of an update, and no result.
func (m *Machine) reset() {
	m.failure = firmware.Error{Cause: firmware.CauseReset}
	m.record.URI, m.record.Package, m.record.Name = "", "", ""
	m.ends(firmware.ResultNone, firmware.Object5Initial, "")
}

// succeed reports that the new version runs.
func (m *Machine) succeed() {
	if version := m.version(); version != "" {
		m.record.Installed, m.record.Configured = version, m.config.Version
	}
	m.ends(firmware.ResultSuccess, firmware.Object5Success, "")
}

// installed is the version of the firmware that runs: what was installed last, unless the
// configuration has come to say something else since.
func (m *Machine) installed() string {
	if m.record.Installed != "" && m.record.Configured == m.config.Version {
		return m.record.Installed
	}
	return m.config.Version
}

// begin begins an update that a server has asked for: what was before counts no more.
func (m *Machine) begin(face Face, server uint16) {
	r := &m.record
	m.nextImage()
	r.Face, r.Server, r.URI, r.Manifest, r.Size, r.Hash, r.Asked = face, server, "", nil, 0, nil, false
	r.Result, r.Object5, r.Detail, r.Package, r.Name = firmware.ResultNone, firmware.Object5Initial, "", "", ""
	m.failure, m.decoded, m.dirty, m.showing = firmware.Error{}, nil, true, true
	m.do(core.StopTimer{Timer: timerDue})
}
