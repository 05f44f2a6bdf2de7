package coapresend

import "github.com/holdfast-iot/holdfast/internal/core"

// Names of timers that come one for a message ID; the exchanges that are open
// and the requests that are remembered bound how many there are.
const (
	timerSend  = "send"  // of our message ID: resend, or give up
	timerServe = "serve" // of the peer's message ID: acknowledge, the handler is slow
)

// Timers of which there is one.
var (
	sweepTimer = core.Timer{Name: "sweep"} // forget what has outlived its purpose
	midTimer   = core.Timer{Name: "mid"}   // a message ID is free again
	shedTimer  = core.Timer{Name: "shed"}  // what was dropped may be reported again
)

func sendTimer(mid uint16) core.Timer  { return core.Timer{Name: timerSend, Key: uint64(mid)} }
func serveTimer(mid uint16) core.Timer { return core.Timer{Name: timerServe, Key: uint64(mid)} }
