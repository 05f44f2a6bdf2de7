package registration

import (
	"maps"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/outcome"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/messages"
)

// sendIDs are the IDs of requests from which on they are Sends: they are under way beside
// the one request of the registration.
const sendIDs = 1 << 32

// posted is a Send under way.
type posted struct {
	id      uint64           // of the supervisor
	request messages.Request // to be repeated once where the server asks for an Echo
	echoed  bool
}

// post sends a Send (LwM2M Core section 6.4.6) to a server that has registered us.
func (m *Machine) post(in messages.PostSend) []core.Effect {
	switch m.state {
	case Registered, Updating:
	case Deferred:
		return m.sendOver(in.ID, messages.SendAnswered{Refusal: messages.SendPaused})
	default:
		return m.sendOver(in.ID, messages.SendAnswered{Refusal: messages.SendNotRegistered})
	}
	return m.postAs(posted{id: in.ID, request: requests.Send(m.server, in.Format, in.Payload)})
}

func (m *Machine) postAs(p posted) []core.Effect {
	if m.sends == nil {
		m.sends = map[uint64]posted{}
	}
	m.lastSend++
	p.request.Epoch, p.request.ID = m.epoch, sendIDs+m.lastSend
	m.sends[p.request.ID] = p
	return []core.Effect{core.Tell{To: core.Link, Message: p.request}}
}

// sendOver tells the supervisor what has become of a Send.
func (m *Machine) sendOver(id uint64, out messages.SendAnswered) []core.Effect {
	out.Epoch, out.ID = m.epoch, id
	return []core.Effect{m.tell(out)}
}

func (m *Machine) sendAnswered(in messages.Response) []core.Effect {
	p, waits := m.sends[in.ID]
	if !waits {
		return nil
	}
	delete(m.sends, in.ID)
	if outcome.Challenged(in) && !p.echoed {
		return m.postAs(posted{id: p.id, request: requests.WithEcho(p.request, in.Echo), echoed: true})
	}
	if in.Code.IsSuccess() {
		return m.sendOver(p.id, messages.SendAnswered{Code: in.Code})
	}
	return m.sendOver(p.id, messages.SendAnswered{Refusal: messages.SendRefused, Code: in.Code, Detail: messages.Diagnostic(in.Payload)})
}

// giveUpSends makes way for the De-register, which a Send without an answer would hold up.
func (m *Machine) giveUpSends() (effects []core.Effect) {
	for _, id := range slices.Sorted(maps.Keys(m.sends)) {
		p := m.sends[id]
		effects = append(effects, core.Tell{To: core.Link, Message: messages.Cancel{Epoch: m.epoch, ID: id}})
		effects = append(effects, m.sendOver(p.id, messages.SendAnswered{Refusal: messages.SendSilent})...)
	}
	clear(m.sends)
	return effects
}

// sendFailed judges a Send that brought no answer. Silence means the same as that after
// an Update (docs/design.md, Silence); anything else is the request's own.
func (m *Machine) sendFailed(in messages.RequestFailed) []core.Effect {
	p, waits := m.sends[in.ID]
	if !waits {
		return nil
	}
	delete(m.sends, in.ID)
	refusal := messages.SendRefused
	switch in.Reason {
	case messages.Exhausted:
		refusal = messages.SendSilent
	case messages.QueueFull:
		refusal = messages.SendBusy
	}
	effects := m.sendOver(p.id, messages.SendAnswered{Refusal: refusal, Detail: in.Reason.String()})
	if in.Reason == messages.Exhausted {
		effects = append(effects, m.silence()...)
	}
	return effects
}
