package management

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// Config is what does not change while the client runs.
type Config struct {
	Device Device
	// Registry defines the objects of the model; nil means the core objects.
	Registry *lwm2m.Registry
}

// Machine is the pure core. It implements core.Machine. It has no states: a
// request is answered from the model as it stands, but for a Write, whose answer
// waits for the supervisor.
//
// Inputs are messages.ModelChanged, messages.ModelWritten, messages.SessionUp,
// messages.SessionLost and messages.Inbound. A reply goes to core.Link of the epoch
// that brought the request.
type Machine struct {
	config   Config
	device   *lwm2m.Tree               // object 3, but for the time
	model    *lwm2m.Tree               // objects 0 and 1
	versions map[messages.Epoch]string // LwM2M versions of the sessions that are up
	writes   map[messages.Epoch]uint64 // the Write of each link that waits for its outcome
}

// New returns a machine without a Server object, until the first
// messages.ModelChanged.
func New(config Config) *Machine {
	if config.Registry == nil {
		config.Registry = objects.Core()
	}
	return &Machine{
		config: config, device: config.Device.tree(), model: lwm2m.NewTree(),
		versions: map[messages.Epoch]string{}, writes: map[messages.Epoch]uint64{},
	}
}

// Step implements core.Machine.
func (m *Machine) Step(now time.Time, in any) []core.Effect {
	switch in := in.(type) {
	case messages.ModelChanged:
		m.model = in.Tree.Clone()
	case messages.SessionUp:
		m.versions[in.Epoch] = in.Version
	case messages.SessionLost:
		delete(m.versions, in.Epoch)
	case messages.Inbound:
		return m.serve(now, in)
	case messages.ModelWritten:
		return m.written(in)
	case core.Expired:
		return m.expired(in)
	}
	return nil
}

func (m *Machine) serve(now time.Time, in messages.Inbound) []core.Effect {
	answer := session{Machine: m, peer: in.Peer, now: now}.answer(in)
	if answer.write != nil {
		return m.ask(*answer.write)
	}
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
