package supervisor

import (
	"slices"
	"sync"

	"github.com/holdfast-iot/holdfast/messages"
)

// links finds the coapresend actor of an epoch, on any goroutine: an answer may
// come from one of the application's, long after the request. There are few at a
// time, so that a search costs less than a map.
type links[P any] struct {
	mu   sync.Mutex
	open []link[P]
}

type link[P any] struct {
	epoch messages.Epoch
	pid   P // of coapresend
}

func (l *links[P]) add(epoch messages.Epoch, pid P) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, link[P]{epoch: epoch, pid: pid})
}

func (l *links[P]) remove(epoch messages.Epoch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = slices.DeleteFunc(l.open, func(open link[P]) bool { return open.epoch == epoch })
}

// at returns nothing when the link is gone, or there has never been one.
func (l *links[P]) at(epoch messages.Epoch) (pid P) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, open := range l.open {
		if open.epoch == epoch {
			return open.pid
		}
	}
	return pid
}
