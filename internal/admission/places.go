package admission

import (
	"runtime"
	"time"
)

const (
	// jobsPerProcessor is how many jobs are at the disk at a time for each processor that
	// the process uses: enough to keep a disk busy while others of them compute.
	jobsPerProcessor = 8
	// jobPatience is how long a job waits for its turn. Then it goes to the disk all the
	// same: those before it may hang, on a medium that is not even its own.
	jobPatience = 2 * time.Second
)

// Places keep the jobs of all clients of a process from being at the disk at once. Each has
// a thread of the system there: a thousand clients that start on a slow medium had several
// hundred, of 50 KB and more, and a Go program ends at ten thousand. Those that wait have a
// goroutine. Safe for concurrent use; a nil *Places has room for everybody.
type Places struct{ taken chan struct{} }

// NewPlaces returns the places of a process, or of what shares an actor system in it.
func NewPlaces() *Places {
	return &Places{taken: make(chan struct{}, jobsPerProcessor*runtime.GOMAXPROCS(0))}
}

// Enter waits for a place, and returns whether there is one to leave.
func (p *Places) Enter() (taken bool) {
	if p == nil {
		return false
	}
	select {
	case p.taken <- struct{}{}:
		return true
	default:
	}
	patience := time.NewTimer(jobPatience)
	defer patience.Stop()
	select {
	case p.taken <- struct{}{}:
		return true
	case <-patience.C:
		return false
	}
}

// Leave gives back what Enter has returned.
func (p *Places) Leave(taken bool) {
	if taken {
		<-p.taken
	}
}
