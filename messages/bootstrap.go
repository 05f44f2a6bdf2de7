package messages

import (
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// BeginBootstrap starts a bootstrap incarnation. Supervisor to bootstrap,
// before the link is up.
type BeginBootstrap struct {
	Account  Account
	Epoch    Epoch
	Endpoint string
	// Deadline ends connecting and the answer to POST /bs, together.
	Deadline time.Time
	// Known is an instant that has passed, whatever the clock shows; zero when
	// none is known.
	Known   time.Time
	Version string // highest LwM2M version; from 1.1 on a preferred format is sent
	// Tree holds objects 0, 1 and 2 as they stand, with the bootstrap account.
	// Bootstrap works on a copy.
	Tree *lwm2m.Tree
}

// BootstrapStarted says that the server answered POST /bs with 2.04.
// Bootstrap to supervisor.
type BootstrapStarted struct{ Epoch Epoch }

// Bootstrapped says that a bootstrap is complete, durable and acknowledged.
// Bootstrap to supervisor.
type Bootstrapped struct {
	Epoch Epoch
	Tree  *lwm2m.Tree // objects 0, 1 and 2 as stored; the receiver owns it
	Held  error       // why they are in memory only; nil when they are on the disk
}
