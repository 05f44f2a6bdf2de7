package update

import (
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/internal/download"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// failWith ends the update, or the part of it that is under way, for a reason.
func (m *Machine) failWith(cause firmware.Cause, err error) {
	m.fails(cause, err)
	m.on(Failed)
}

// fails notes why something fails.
func (m *Machine) fails(cause firmware.Cause, err error) {
	if e, ok := err.(*firmware.Error); ok && e.Cause == cause {
		err = e.Err // the cause is said once; nil where there is no more to say
	}
	m.failure = firmware.Error{Cause: cause, Err: err}
}

// failBy ends it for the reason that an error gives.
func (m *Machine) failBy(err error) { m.failWith(causeOf(err), err) }

// spoiledWith ends the update because the image is no good.
func (m *Machine) spoiledWith(cause firmware.Cause, err error) {
	m.fails(cause, err)
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

// verdict is how an update has ended.
type verdict struct {
	Result  firmware.Result // /10252/0/3
	Object5 int64           // the same as /5/0/5
	Detail  string          `json:",omitempty"` // why it has failed
}

// verdict is that of the present failure: the result that the Installer names, where it does.
func (m *Machine) verdict() *verdict {
	cause := m.failure.Cause
	v := &verdict{Result: cause.Result(), Object5: cause.Object5(), Detail: m.failure.Error()}
	if named, ok := errors.AsType[*firmware.ResultError](m.failure.Err); ok && failed(named.Result) {
		v.Result, v.Object5 = named.Result, named.Result.Object5()
	}
	return v
}

// failed reports whether a number is the result of an update that has failed.
func failed(r firmware.Result) bool {
	_, known := firmware.RowOf(firmware.FamilyNewest, int(r))
	return known && r != firmware.ResultNone && r != firmware.ResultSuccess
}

// conclude notes how an update, or the installation of an image, has ended.
func (m *Machine) conclude(v verdict) {
	m.record.Result, m.record.Object5, m.record.Detail = v.Result, v.Object5, v.Detail
	m.record.Asked, m.record.Verdict = false, nil
	m.hangUp()
}

// drop forgets what the update was about, and the image.
func (m *Machine) drop() {
	m.record.Manifest, m.record.VendorData, m.decoded = nil, nil, nil
	m.image = imageState{}
	m.later(ImageDiscard{})
}

// fail reports why an update has failed.
func (m *Machine) fail() {
	m.failAndKeep()
	m.drop()
}

// failAndKeep reports why an installation has failed that can be tried again.
func (m *Machine) failAndKeep() {
	v := m.record.Verdict // of before the way back
	if v == nil {
		v = m.verdict()
	}
	m.conclude(*v)
}

// reset leaves nothing of an update, and no result.
func (m *Machine) reset() {
	m.record.URI, m.record.Package, m.record.Name = "", "", ""
	m.conclude(verdict{Result: firmware.ResultNone, Object5: firmware.Object5Initial})
	m.drop()
}

// succeed reports that the new version runs.
func (m *Machine) succeed() {
	if version := m.record.Package; version != "" {
		m.record.Installed, m.record.Configured = version, m.config.Version
	}
	m.conclude(verdict{Result: firmware.ResultSuccess, Object5: firmware.Object5Success})
	m.drop()
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
	r.Face, r.Server, r.URI, r.Manifest, r.VendorData, r.Size, r.Hash, r.Asked = face, server, "", nil, nil, 0, nil, false
	r.Latest, r.Deadline, r.Verdict = time.Time{}, time.Time{}, nil
	r.Result, r.Object5, r.Detail, r.Package, r.Name = firmware.ResultNone, firmware.Object5Initial, "", "", ""
	m.failure, m.decoded, m.dirty, m.showing = firmware.Error{}, nil, true, true
}
