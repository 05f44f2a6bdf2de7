package network

import (
	"sync"

	"github.com/holdfast-iot/holdfast/messages"
)

// Nonces knows the links of a client, for those who ask how many nonces their sessions
// have used. It is safe for concurrent use; the zero value has none, and so has nil.
type Nonces struct {
	mu    sync.Mutex
	first *counted // there are few
}

type counted struct {
	epoch  messages.Epoch
	outlet *Outlet
	next   *counted
}

// Add adds a link.
func (n *Nonces) Add(epoch messages.Epoch, outlet *Outlet) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.first = &counted{epoch, outlet, n.first}
}

// Remove removes it.
func (n *Nonces) Remove(epoch messages.Epoch) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for at := &n.first; *at != nil; at = &(*at).next {
		if (*at).epoch == epoch {
			*at = (*at).next
			return
		}
	}
}

// Of returns how many nonces the session of a link has used for what was sent: of one that
// has gone on from another link, those of before included. It is 0 for a link that is not
// up or not protected.
func (n *Nonces) Of(epoch messages.Epoch) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := n.first; c != nil; c = c.next {
		if c.epoch == epoch {
			return c.outlet.nonces()
		}
	}
	return 0
}

func (o *Outlet) nonces() uint64 {
	run := o.run.Load()
	if run == nil {
		return 0
	}
	if s := run.secured(); s != nil {
		return s.nonces()
	}
	return 0
}
