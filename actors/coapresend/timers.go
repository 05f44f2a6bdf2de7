package coapresend

import "github.com/holdfast-iot/holdfast/internal/core"

// timerSend comes one for a message ID of ours: resend, or give up. The exchanges
// that are open bound how many there are.
const timerSend = "send"

// These come one for a request of ours whose response is streamed: nobody asks for the
// next part. Each requester has IDs of its own.
const (
	timerStall      = "stall"       // of the owner
	timerStallImage = "stall image" // of the shared actor update
)

// Timers of which there is one.
var (
	serveTimer = core.Timer{Name: "serve"} // acknowledge requests whose handler is slow
	sweepTimer = core.Timer{Name: "sweep"} // forget what has outlived its purpose
	paceTimer  = core.Timer{Name: "pace"}  // a notification that is not confirmable may leave
	midTimer   = core.Timer{Name: "mid"}   // a message ID is free again
	awakeTimer = core.Timer{Name: "awake"} // the window after the last message is over, in queue mode
	shedTimer  = core.Timer{Name: "shed"}  // what was dropped may be reported again
)

func sendTimer(mid uint16) core.Timer { return core.Timer{Name: timerSend, Key: uint64(mid)} }
