package uplink

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/internal/alarm"
	"github.com/holdfast-iot/holdfast/internal/linkwatch"
	"github.com/holdfast-iot/holdfast/messages"
)

// NoneError says that none of the interfaces that the configuration names can be used.
type NoneError struct{ Reason string }

// Error returns a sentence for a person.
func (e *NoneError) Error() string { return e.Reason }

// Uplink follows what this machine can reach others by, for one client. Its methods may be
// called from any goroutine.
type Uplink struct {
	tell   func(messages.NetworkChanged)
	names  []string
	looked chan struct{} // closed when the machine has been looked at, or the uplink closed; nil without a chooser
	once   sync.Once     // of that

	mu      sync.Mutex
	chooser *Chooser // nil where any interface will do; not replaced
	view    linkwatch.View
	watched error // why the machine cannot be watched
	used    *linkwatch.Interface
	told    messages.Uplink
	wake    *alarm.Alarm // nil while nothing is waited for
	refused bool         // somebody has been told that there is no interface
	closed  bool
}

// New returns the Uplink of a client that may use the named interfaces, the best first;
// without names any. It tells what the client has to know, and tell must not wait.
func New(names []string, tell func(messages.NetworkChanged)) *Uplink {
	u := &Uplink{names: names, tell: tell}
	if len(names) > 0 {
		u.chooser, u.looked = NewChooser(names), make(chan struct{})
		u.told.Interfaces = strings.Join(names, ", ")
	}
	return u
}

// Changed takes what a watch tells.
func (u *Uplink) Changed(c linkwatch.Change) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	defer u.hasLooked()
	u.view, u.watched = c.Now, c.Err
	before := u.used
	u.choose(time.Now())
	if c.First && u.chooser == nil {
		return // nothing has changed
	}
	gains := !c.First && c.Err == nil && (c.Dipped || c.Now.Gains(c.Before, u.counts()...))
	first := c.First && !u.refused // nothing has been tried in vain
	u.say(gains || u.switched(before) && !first)
}

// hasLooked ends the wait for the first look.
func (u *Uplink) hasLooked() {
	if u.looked != nil {
		u.once.Do(func() { close(u.looked) })
	}
}

// counts returns the names of the interfaces that count: none for all of them.
func (u *Uplink) counts() []string {
	if u.chooser != nil && u.used != nil {
		return []string{u.used.Name}
	}
	return u.names
}

// switched reports whether another interface is used than before.
func (u *Uplink) switched(before *linkwatch.Interface) bool {
	return u.used != nil && (before == nil || before.Index != u.used.Index)
}

// choose asks the chooser, and again when that is due. Callers hold mu.
func (u *Uplink) choose(now time.Time) {
	if u.chooser == nil {
		return
	}
	choice, again := u.chooser.Step(now, u.view)
	u.used = choice.Interface
	if u.wake != nil {
		u.wake.Stop()
		u.wake = nil
	}
	if !again.IsZero() {
		u.wake = alarm.After(again.Sub(now), u.due)
	}
	u.told.Interface, u.told.Reason = "", choice.Reason
	if u.used != nil {
		u.told.Interface = u.used.Name
	}
	if u.watched != nil {
		u.told.Reason = unwatched(u.watched)
	}
}

func unwatched(err error) string {
	return "the interfaces of this machine cannot be watched: " + err.Error()
}

// due chooses anew since enough time has passed.
func (u *Uplink) due() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	before := u.used
	u.choose(time.Now())
	if u.switched(before) {
		u.say(true)
	}
}

// say tells the client. Callers hold mu.
func (u *Uplink) say(back bool) {
	u.tell(messages.NetworkChanged{Addresses: addressesOf(u.view), Back: back, Uplink: u.told})
}

func addressesOf(view linkwatch.View) (all []messages.LocalAddress) {
	for _, i := range view {
		for _, a := range i.Addresses {
			all = append(all, messages.LocalAddress{Addr: a.Addr, Interface: i.Index})
		}
	}
	return all
}

// Binding is what a socket is bound to.
type Binding struct {
	Name      string // of the interface; empty for any
	Addresses []netip.Addr
}

// Binding returns what sockets are bound to now; a *[NoneError] where that can be nothing. It
// waits for the first look at the machine, or the end of ctx.
func (u *Uplink) Binding(ctx context.Context) (Binding, error) {
	if u.chooser == nil {
		return Binding{}, nil
	}
	select {
	case <-u.looked:
	case <-ctx.Done():
		return Binding{}, ctx.Err()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refused = u.refused || u.used == nil
	switch {
	case u.used == nil && u.watched != nil:
		return Binding{}, &NoneError{Reason: unwatched(u.watched)}
	case u.used == nil:
		return Binding{}, &NoneError{Reason: u.told.Reason}
	}
	b := Binding{Name: u.used.Name}
	for _, a := range u.used.Addresses {
		if !a.Deprecated && !a.Addr.IsLinkLocalUnicast() {
			b.Addresses = append(b.Addresses, a.Addr)
		}
	}
	return b, nil
}

// Address returns the address of the interface from which a peer's is reached, invalid
// where it has none of that family.
func (b Binding) Address(peer netip.Addr) netip.Addr {
	i := slices.IndexFunc(b.Addresses, func(a netip.Addr) bool { return a.Is4() == peer.Unmap().Is4() })
	if i < 0 {
		return netip.Addr{}
	}
	return b.Addresses[i]
}

// Close ends the wait for a better interface. Nothing is told any more.
func (u *Uplink) Close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	u.hasLooked()
	if u.wake != nil {
		u.wake.Stop()
	}
}
