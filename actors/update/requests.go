package update

import (
	"bytes"
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
)

// What is asked of the objects.
type Ask uint8

// The requests.
const (
	AskURI      Ask = iota + 1 // /5/0/1 was written
	AskPackage                 // /5/0/0 was written, as a part of something larger
	AskUpdate                  // /5/0/2 was executed
	AskCancel                  // /5/0/10 was executed
	AskSeverity                // /5/0/11 was written
	AskMaxDefer                // /5/0/13 was written
	AskManifest                // /10252/0/1 was written
	AskCampaign                // /10252/0/8 was written
	AskTrigger                 // /10252/0/9 was executed
)

// Asked is a request of a server to one of the objects.
type Asked struct {
	Ask    Ask
	Server uint16 // short server ID
	Value  lwm2m.Value
	Answer chan<- error // has room for the one answer
}

// maxWaiting is how many requests wait for the record to be read.
const maxWaiting = 16

var (
	errNothingAsked = errors.New("nothing is asked about a firmware update, or it may not be put off")
	errNotRead      = errors.New("the store has not read the record in time")

	busy         = object.Error{Code: lwm2m.CodeBadRequest, Detail: "an update is under way: reset it or wait for its end"}
	otherUpdate  = object.Error{Code: lwm2m.CodeBadRequest, Detail: "the update under way was begun by a manifest"}
	notNow       = object.Error{Code: lwm2m.CodeMethodNotAllowed, Detail: "not in this state of the update"}
	unreported   = object.Error{Code: lwm2m.CodeServiceUnavailable, Detail: "what came of earlier updates has not been reported yet"}
	notReady     = object.Error{Code: lwm2m.CodeServiceUnavailable, Detail: "the state of the update is being read"}
	badURI       = object.Error{Code: lwm2m.CodeBadRequest, Detail: "no image can be fetched from this URI"}
	longManifest = object.Error{Code: lwm2m.CodeRequestEntityTooLarge, Detail: "the manifest is too long"}
	byBlocks     = object.Error{Code: lwm2m.CodeBadRequest, Detail: "write the package to the resource itself"}
)

// asked takes a request; those that come before the record has been read wait for that.
func (m *Machine) asked(in Asked) {
	switch {
	case m.loaded:
		m.carryOut(in)
	case len(m.waiting) >= maxWaiting:
		m.do(AnswerRequest{To: in.Answer, Err: &notReady})
	default:
		m.waiting = append(m.waiting, in)
	}
}

func (m *Machine) carryOut(in Asked) {
	if refusal := m.judge(in); refusal != nil {
		m.refused(refusal)
		m.later(AnswerRequest{To: in.Answer, Err: refusal})
		return
	}
	m.later(AnswerRequest{To: in.Answer})
}

// refused has it written down, once, that a server was refused something.
func (m *Machine) refused(why *object.Error) {
	switch why {
	case &badURI: // that is the result of an update
	case &busy, &otherUpdate:
		m.log(firmware.CauseManifestBusy, why)
	default:
		m.log(firmware.CauseRequestRefused, why)
	}
}

func (m *Machine) judge(in Asked) *object.Error {
	switch in.Ask {
	case AskURI:
		return m.uriWritten(in)
	case AskManifest:
		return m.manifestWritten(in)
	case AskPackage:
		if isNull(in.Value.Bytes()) {
			return m.resetRequested()
		}
		return &byBlocks
	case AskUpdate:
		return m.updateAsked()
	case AskCancel:
		return orRefuse(m.on(Cancelled))
	case AskTrigger:
		deferred := m.record.Phase == DeferredDownload || m.record.Phase == DeferredInstall
		return orRefuse(deferred && m.record.Face == FaceManifest && m.on(Granted))
	}
	m.note(in)
	return nil
}

func orRefuse(done bool) *object.Error {
	if done {
		return nil
	}
	return &notNow
}

// note takes what a server writes down.
func (m *Machine) note(in Asked) {
	m.dirty, m.showing = true, true
	switch in.Ask {
	case AskSeverity:
		m.record.Severity = in.Value.Int()
	case AskMaxDefer:
		m.record.MaxDefer = new(in.Value.Uint())
		m.deferAnew()
	case AskCampaign:
		m.record.Campaign = in.Value.Text()
	}
}

// idle refuses what begins an update while there is one.
func (m *Machine) idle() *object.Error {
	switch {
	case m.record.Phase != Idle:
		return &busy
	case m.full():
		return &unreported
	}
	return nil
}

// uriWritten begins a download. A URI that cannot be used is refused, and the result says
// why.
func (m *Machine) uriWritten(in Asked) *object.Error {
	raw := in.Value.Text()
	if raw == "" {
		return m.resetRequested()
	}
	if refusal := m.idle(); refusal != nil {
		return refusal
	}
	_, err := m.policy().Parse(raw)
	m.begin(FaceUpdate, in.Server)
	if len(raw) <= uri.MaxLength {
		m.record.URI = raw // which can be read
	} else {
		err = &firmware.Error{Cause: firmware.CauseURITooLong}
	}
	if err == nil {
		m.on(URIWritten)
		return nil
	}
	m.report() // the result of before is void
	m.fails(causeOf(err), err)
	m.fail()
	m.report()
	return &badURI
}

// resetRequested goes back to the beginning.
func (m *Machine) resetRequested() *object.Error {
	switch {
	case m.record.Phase == Idle:
		m.record.Face = FaceUpdate
	case m.record.Face != FaceUpdate:
		return &otherUpdate
	}
	return orRefuse(m.on(ResetAsked))
}

// deferAnew has a period that a server writes while its installation waits count from now on.
func (m *Machine) deferAnew() {
	if m.record.Face == FaceUpdate && m.record.Phase.installs() && *m.record.MaxDefer > 0 {
		m.record.Latest = m.now.Add(deferral(m.record.MaxDefer))
		m.awaitDue()
	}
}

// updateAsked begins the installation. From now on counts for how long it may be put off.
func (m *Machine) updateAsked() *object.Error {
	if m.full() {
		return &unreported
	}
	latest := m.record.Latest
	if m.record.Latest = (time.Time{}); m.record.MaxDefer != nil && *m.record.MaxDefer > 0 {
		m.record.Latest = m.now.Add(deferral(m.record.MaxDefer))
	}
	if m.on(UpdateAsked) {
		return nil
	}
	m.record.Latest = latest
	return &notNow
}

// maxDefer keeps times in the range of a time.Duration: a century.
const maxDefer = 100 * 365 * 24 * 3600

// deferral is for how long an installation may be put off (/5/0/13).
func deferral(seconds *uint64) time.Duration {
	if seconds == nil {
		return maxDefer * time.Second
	}
	return time.Duration(min(*seconds, maxDefer)) * time.Second
}

// manifestWritten begins an update by a manifest. The same one again is the server's doubt
// whether the first has come.
func (m *Machine) manifestWritten(in Asked) *object.Error {
	data := in.Value.Bytes()
	if len(data) > manifest.MaxSize {
		return &longManifest
	}
	if m.record.Phase != Idle && m.record.Face == FaceManifest && bytes.Equal(data, m.record.Manifest) {
		m.log(firmware.CauseManifestRepeated, nil)
		return nil
	}
	if refusal := m.idle(); refusal != nil {
		return refusal
	}
	m.begin(FaceManifest, in.Server)
	m.record.Manifest = data
	m.on(ManifestCame)
	return nil
}
