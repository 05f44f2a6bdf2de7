package supervisor

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// What the shared actor update has to say to others goes through here: to people, to the
// application, and by Send to servers.

// firmwareChanged shows how far an update has come.
func (m *Machine) firmwareChanged(in messages.FirmwareChanged) {
	if !m.config.Update {
		return
	}
	before := m.firmware
	m.firmware = &in.Status
	if in.Status.Object != 0 && (before == nil || inEvent(*before) != inEvent(in.Status)) {
		m.do(Emit{Event: firmwareEvent(&in.Status)})
	}
}

// inEvent leaves of a status what its event says: what else changes makes no event.
func inEvent(s messages.FirmwareStatus) messages.FirmwareStatus {
	state, result := s.Values()
	s.Asks = asked(&s)
	s.State, s.Result, s.Object5 = firmware.State(state), firmware.Result(result), 0
	s.Version, s.Pending, s.PutOff, s.Deferred = "", 0, messages.AsksNothing, time.Time{}
	return s
}

// firmwareEvent has the numbers of the object by which the update was begun.
func firmwareEvent(s *messages.FirmwareStatus) messages.Event {
	state, result := s.Values()
	e := messages.Event{
		Type: messages.EventFirmware, Object: s.Object, FirmwareState: &state, FirmwareResult: &result,
		Progress: new(s.Progress), Asks: asked(s).String(), Detail: oneLine(s.Detail),
	}
	if s.Total > 0 {
		e.Total = new(s.Total)
	}
	return e
}

// asked is what an event asks: nothing of an update that was put off. Who answers each question
// would put it off for ever.
func asked(s *messages.FirmwareStatus) messages.FirmwareQuestion {
	if s.State == firmware.StateProcessing {
		return messages.AsksNothing
	}
	return s.Asks
}

// authorise hands on what the gateway answers. Where nobody asks, that is code 11.
func (m *Machine) authorise(in messages.AuthoriseFirmware) {
	if !m.config.Update || m.stop != nil || m.updateDown {
		m.answer(in.Answer, messages.Answered{Code: messages.ConnectNotAllowed})
		return
	}
	m.do(core.Tell{To: core.Update, Message: in})
}

// updateCrashed ends what an update actor that has crashed was doing. The one that follows
// it asks for the download once more. A record that it crashes over again and again is set
// aside: no update is worth a client that does not come to rest.
func (m *Machine) updateCrashed(repeated bool) {
	m.updateDown = true
	m.dropFetch()
	if repeated {
		m.do(core.Tell{To: core.Store, Message: messages.SetAside{Record: messages.RecordFirmware}})
	}
}
