package coapresend

import (
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/internal/core"
)

// Timers. A message ID makes part of two of the names; the exchanges that are
// open and the requests that are remembered bound how many there are.
const (
	sendPrefix  = "send/"  // + our message ID: resend, or give up
	servePrefix = "serve/" // + the peer's message ID: acknowledge, the handler is slow
	sweepTimer  = "sweep"  // forget what has outlived its purpose
	midTimer    = "mid"    // a message ID is free again
	shedTimer   = "shed"   // what was dropped may be reported again
)

func sendTimer(mid uint16) core.Timer  { return timerOf(sendPrefix, mid) }
func serveTimer(mid uint16) core.Timer { return timerOf(servePrefix, mid) }

func timerOf(prefix string, mid uint16) core.Timer {
	return core.Timer(prefix + strconv.Itoa(int(mid)))
}

// timerMID returns the message ID in the name of a timer with that prefix.
func timerMID(timer core.Timer, prefix string) (mid uint16, ok bool) {
	digits, ok := strings.CutPrefix(string(timer), prefix)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseUint(digits, 10, 16)
	return uint16(v), err == nil
}
