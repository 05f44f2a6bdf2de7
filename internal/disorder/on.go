//go:build disorder

package disorder

import (
	"math/rand/v2"
	"runtime"
)

// Of so many calls three let others go first for a moment, and one for as long as it
// takes a chain of messages between actors to end.
const (
	calls  = 16
	moment = 60
	chain  = 6000
)

// Delay yields the processor for a while, or does nothing.
func Delay() {
	switch r := rand.IntN(calls); {
	case r == 0:
		yield(rand.IntN(chain))
	case r <= 3:
		yield(rand.IntN(moment))
	}
}

func yield(times int) {
	for range times {
		runtime.Gosched()
	}
}
