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
	tell func(messages.NetworkChanged)
	list *list // of the interfaces that may be used; nil where any will do; not replaced

	mu     sync.Mutex // guards the rest, and that of list
	closed bool
}

// list is what is known of the interfaces that a client may use.
type list struct {
	names  []string
	looked chan struct{} // closed when the machine has been looked at, or the uplink closed
	once   sync.Once     // of that

	chooser *Chooser
	view    linkwatch.View
	watched error // why the machine cannot be watched
	used    *linkwatch.Interface
	told    messages.Uplink
	wake    *alarm.Alarm // nil while nothing is waited for
	refused bool         // somebody has been told that there is no interface
}

// New returns the Uplink of a client that may use the named interfaces, the best first;
// without names any. It tells what the client has to know, and tell must not wait.
func New(names []string, tell func(messages.NetworkChanged)) *Uplink {
	u := &Uplink{tell: tell}
	if len(names) > 0 {
		u.list = &list{names: names, chooser: NewChooser(names), looked: make(chan struct{})}
		u.list.told.Interfaces = strings.Join(names, ", ")
	}
	return u
}

// Changed takes what a watch tells.
func (u *Uplink) Changed(c linkwatch.Change) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch l := u.list; {
	case u.closed:
	case l != nil:
		defer l.hasLooked()
		l.view, l.watched = c.Now, c.Err
		before := l.used
		u.choose(time.Now())
		first := c.First && !l.refused // nothing has been tried in vain
		u.say(gains(c, l.counts()...) || l.switched(before) && !first)
	case !c.First:
		u.tell(messages.NetworkChanged{Addresses: addressesOf(c.Now), Back: gains(c)})
	}
}

// gains reports whether a change has brought something by which a server may be reached
// again, of the named interfaces; of all of them without names.
func gains(c linkwatch.Change, names ...string) bool {
	return !c.First && c.Err == nil && (c.Dipped || c.Now.Gains(c.Before, names...))
}

// hasLooked ends the wait for the first look.
func (l *list) hasLooked() { l.once.Do(func() { close(l.looked) }) }

// counts returns the names of the interfaces that count.
func (l *list) counts() []string {
	if l.used != nil {
		return []string{l.used.Name}
	}
	return l.names
}

// switched reports whether another interface is used than before.
func (l *list) switched(before *linkwatch.Interface) bool {
	return l.used != nil && (before == nil || before.Index != l.used.Index)
}

// choose asks the chooser, and again when that is due. Callers hold mu.
func (u *Uplink) choose(now time.Time) {
	l := u.list
	choice, again := l.chooser.Step(now, l.view)
	l.used = choice.Interface
	if l.wake != nil {
		l.wake.Stop()
		l.wake = nil
	}
	if !again.IsZero() {
		l.wake = alarm.After(again.Sub(now), u.due)
	}
	l.told.Interface, l.told.Reason = "", choice.Reason
	if l.used != nil {
		l.told.Interface = l.used.Name
	}
	if l.watched != nil {
		l.told.Reason = unwatched(l.watched)
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
	before := u.list.used
	u.choose(time.Now())
	if u.list.switched(before) {
		u.say(true)
	}
}

// say tells the client. Callers hold mu.
func (u *Uplink) say(back bool) {
	u.tell(messages.NetworkChanged{Addresses: addressesOf(u.list.view), Back: back, Uplink: u.list.told})
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
	l := u.list
	if l == nil {
		return Binding{}, nil
	}
	select {
	case <-l.looked:
	case <-ctx.Done():
		return Binding{}, ctx.Err()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	l.refused = l.refused || l.used == nil
	switch {
	case l.used == nil && l.watched != nil:
		return Binding{}, &NoneError{Reason: unwatched(l.watched)}
	case l.used == nil:
		return Binding{}, &NoneError{Reason: l.told.Reason}
	}
	b := Binding{Name: l.used.Name}
	for _, a := range l.used.Addresses {
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
	if l := u.list; l != nil {
		l.hasLooked()
		if l.wake != nil {
			l.wake.Stop()
		}
	}
}
