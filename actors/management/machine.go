package management

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// Config is what does not change while the client runs.
type Config struct {
	Device Device
}

// Machine is the pure core. It implements core.Machine. It has no states: a
// request is answered from the model as it stands.
//
// Inputs are messages.ModelChanged and messages.Inbound. A reply goes to
// core.Link of the epoch that brought the request.
type Machine struct {
	config Config
	model  *lwm2m.Tree // objects 0 and 1
}

// New returns a machine without a Server object, until the first
// messages.ModelChanged.
func New(config Config) *Machine { return &Machine{config: config, model: lwm2m.NewTree()} }

// Step implements core.Machine.
func (m *Machine) Step(now time.Time, in any) []core.Effect {
	switch in := in.(type) {
	case messages.ModelChanged:
		m.model = in.Tree.Clone()
	case messages.Inbound:
		return m.serve(now, in)
	}
	return nil
}

func (m *Machine) serve(now time.Time, in messages.Inbound) []core.Effect {
	s := session{account: in.Peer, view: m.view(now, in.Peer), model: m.model}
	answer := s.answer(in)
	effects := []core.Effect{core.Tell{To: core.Link, Epoch: in.Epoch, Message: answer.Reply(in)}}
	switch answer.trigger {
	case triggerUpdate:
		effects = append(effects, tell(messages.UpdateTriggered{Epoch: in.Epoch}))
	case triggerBootstrap:
		effects = append(effects, tell(messages.BootstrapTriggered{Epoch: in.Epoch}))
	}
	return effects
}

func tell(message any) core.Effect { return core.Tell{To: core.Supervisor, Message: message} }
