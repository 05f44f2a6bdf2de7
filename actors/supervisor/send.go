package supervisor

import (
	"maps"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// maxSends bounds the Sends under way, of all servers together.
const maxSends = 64

// sends are those under way: their content is being read, or the server has not answered.
type sends struct {
	last  uint64
	ofOne map[uint64]*sending
}

// sending is a Send to one server.
type sending struct {
	epoch  messages.Epoch
	peer   messages.Peer
	of     *sendCall
	posted bool // the content has been read
}

// sendCall is what the application waits for: what has become of the Send to each server. Or
// it is the shared actor update that waits.
type sendCall struct {
	answer   chan<- []messages.SendOutcome
	reports  *uint64 // ID of a messages.SendReports; nil where it is the application
	missing  int
	outcomes []messages.SendOutcome
}

// AnswerSend answers a messages.SendRequest.
type AnswerSend struct {
	core.Marker
	Outcomes []messages.SendOutcome
	To       chan<- []messages.SendOutcome
}

// send takes a Send of the application.
func (m *Machine) send(now time.Time, in messages.SendRequest) {
	m.sendAs(now, &sendCall{answer: in.Answer}, in)
}

// sendReports takes a Send of update, to one server.
func (m *Machine) sendReports(now time.Time, in messages.SendReports) {
	if m.config.Update {
		m.sendAs(now, &sendCall{reports: &in.ID}, messages.SendRequest{Server: in.Peer.ID, Paths: in.Paths})
	}
}

func (m *Machine) sendAs(now time.Time, call *sendCall, in messages.SendRequest) {
	to := m.sendTo(in.Server)
	call.missing = len(to)
	if len(to) == 0 {
		call.missing = 1
		m.sent(call, messages.SendOutcome{Peer: messages.ManagementPeer(in.Server), Refusal: messages.SendNotRegistered})
		return
	}
	for _, a := range to {
		m.sendOne(now, a, call, in)
	}
}

// sendTo lists the accounts that a Send is for: the one that is named, or all that are
// registered.
func (m *Machine) sendTo(server uint16) (to []*account) {
	for _, a := range m.servers() {
		if server == 0 && a.stage == stageRegistered || server != 0 && a.Peer.ID == server {
			to = append(to, a)
		}
	}
	return to
}

// sendOne has the content of a Send read for one server, if that can get it.
func (m *Machine) sendOne(now time.Time, a *account, call *sendCall, in messages.SendRequest) {
	if refusal := m.sendRefusal(now, a); refusal != 0 {
		m.sent(call, messages.SendOutcome{Peer: a.Peer, Refusal: refusal})
		return
	}
	m.sends.last++
	if m.sends.ofOne == nil {
		m.sends.ofOne = map[uint64]*sending{}
	}
	m.sends.ofOne[m.sends.last] = &sending{epoch: a.epoch, peer: a.Peer, of: call}
	m.do(core.Tell{To: core.Management, Message: messages.CollectSend{
		Peer: a.Peer, Epoch: a.epoch, ID: m.sends.last, Paths: in.Paths, Samples: in.Samples,
	}})
}

// sendRefusal says why a server cannot get a Send now.
func (m *Machine) sendRefusal(now time.Time, a *account) messages.SendRefusal {
	muted, found := m.tree.Value(lwm2m.PathOf(objects.Server, a.ServerInstance, objects.ServerMuteSend))
	switch {
	case m.stop != nil, a.stage != stageRegistered, a.registration == nil:
		return messages.SendNotRegistered
	case a.registration.Version == versionWithoutSend:
		return messages.SendVersion
	case !found || muted.Bool():
		return messages.SendMuted
	case now.Before(a.pending.floor):
		return messages.SendPaused
	case len(m.sends.ofOne) >= maxSends:
		return messages.SendBusy
	}
	return 0
}

// versionWithoutSend is the version of LwM2M that does not have Send.
const versionWithoutSend = "1.0"

// sendCollected has the request sent.
func (m *Machine) sendCollected(in messages.SendCollected) {
	s := m.sends.ofOne[in.ID]
	switch {
	case s == nil:
	case in.Refusal != 0:
		m.sendOver(in.ID, messages.SendOutcome{Refusal: in.Refusal, Detail: in.Detail})
	default:
		s.posted = true
		m.do(Order{Epoch: s.epoch, To: core.Owner, Message: messages.PostSend{
			Epoch: s.epoch, ID: in.ID, Format: in.Format, Payload: in.Payload,
		}})
	}
}

// sendAnswered ends the Send to one server. Where a report is answered 4.04, the server may
// have no Send, or it does not know the client any more: an Update tells.
func (m *Machine) sendAnswered(now time.Time, in messages.SendAnswered) {
	s := m.sends.ofOne[in.ID]
	m.sendOver(in.ID, messages.SendOutcome{Refusal: in.Refusal, Code: in.Code, Detail: in.Detail})
	if s != nil && s.of.reports != nil && in.Code == messages.NotFound {
		m.registrationDoubted(now, in.Epoch)
	}
}

// sendOver ends the Send to one server.
func (m *Machine) sendOver(id uint64, out messages.SendOutcome) {
	if s := m.sends.ofOne[id]; s != nil {
		delete(m.sends.ofOne, id)
		out.Peer = s.peer
		m.sent(s.of, out)
	}
}

// sent notes what has become of the Send to one server, and answers when it was the last.
func (m *Machine) sent(call *sendCall, out messages.SendOutcome) {
	m.countSend(out)
	call.outcomes = append(call.outcomes, out)
	call.missing--
	switch {
	case call.missing > 0:
	case call.reports != nil:
		m.do(core.Tell{To: core.Update, Message: messages.ReportsSent{ID: *call.reports, Outcome: call.outcomes[0]}})
	default:
		m.answers = append(m.answers, AnswerSend{Outcomes: call.outcomes, To: call.answer})
	}
}

// ids lists the Sends under way, the oldest first.
func (s *sends) ids() []uint64 {
	if len(s.ofOne) == 0 {
		return nil // as nearly always: sorting nothing allocates
	}
	return slices.Sorted(maps.Keys(s.ofOne))
}

// endUncollected ends the Sends whose content a management actor that has crashed was to
// read.
func (m *Machine) endUncollected() {
	for _, id := range m.sends.ids() {
		if !m.sends.ofOne[id].posted {
			m.sendOver(id, messages.SendOutcome{Refusal: messages.SendUnreadable, Detail: "management has crashed"})
		}
	}
}

// endSends ends the Sends whose link is gone, or is about to go: no answer comes any more.
func (m *Machine) endSends() {
	for _, id := range m.sends.ids() {
		s := m.sends.ofOne[id]
		if a := m.live(s.epoch); a == nil || a.stage != stageRegistered {
			m.sendOver(id, messages.SendOutcome{Refusal: messages.SendSilent, Detail: "the link was lost"})
		}
	}
}
