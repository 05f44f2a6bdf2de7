package supervisor

import (
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// Spawn starts an incarnation: network, coapresend, and bootstrap or
// registration, wired to each other.
type Spawn struct {
	core.Marker
	Peer     messages.Peer
	Epoch    messages.Epoch
	FirstMID uint16 // message ID that the link begins with
}

// Order sends Message to one actor of an incarnation.
type Order struct {
	core.Marker
	Epoch   messages.Epoch
	To      core.Role
	Message any
}

// Retire stops an incarnation: owner, coapresend, network. With Keep its session
// survives it, and comes back in a messages.SessionLeft.
type Retire struct {
	core.Marker
	Epoch messages.Epoch
	Keep  bool
}

// Respawn starts a shared sibling anew.
type Respawn struct {
	core.Marker
	Role core.Role
}

// Emit hands an event to the application. The sink adds time, number and
// endpoint.
type Emit struct {
	core.Marker
	Event messages.Event
}

// Publish makes a snapshot the one that Status returns.
type Publish struct {
	core.Marker
	Snapshot messages.Snapshot
}

// Answer answers a messages.CallRequest.
type Answer struct {
	core.Marker
	messages.Answered
	To chan<- messages.Answered
}

// Warn logs what the links of an account have dropped so far.
type Warn struct {
	core.Marker
	Server string // URI
	Shed   messages.Shed
}

// Finish says that the client has stopped.
type Finish struct {
	core.Marker
	Stopped messages.Stopped
}
