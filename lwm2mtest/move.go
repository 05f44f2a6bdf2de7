package lwm2mtest

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/holdfast-iot/holdfast/internal/linkwatch"
)

// Move replaces an address of the host by another one, as a new lease does. Sockets keep the
// old address: what they send fails with syscall.EINVAL, as on Linux, and what is sent to them
// vanishes. Clients that have the host as their transport are told. The network's
// name service knows the new address. Move panics when the host does not have the one address,
// or somebody has the other.
func (h *Host) Move(from, to netip.Addr) {
	n := h.network
	n.mu.Lock()
	i := slices.Index(h.addrs, from)
	if i < 0 || !to.IsValid() || n.hosts[to] != nil {
		n.mu.Unlock()
		panic(fmt.Sprintf("lwm2mtest: host %q cannot move from %v to %v", h.name, from, to))
	}
	h.addrs = slices.Clone(h.addrs)
	h.addrs[i] = to
	delete(n.hosts, from)
	n.hosts[to] = h
	if h.name != "" {
		n.names[h.name] = record{addrs: h.addrs}
	}
	n.mu.Unlock()
	h.tell()
}

// Unplug pulls the host's cable: what is sent by it and to it vanishes, and clients that have
// it as their transport are told that there is no carrier. Its addresses stay.
func (h *Host) Unplug() { h.plug(true) }

// Plug puts the cable back.
func (h *Host) Plug() { h.plug(false) }

func (h *Host) plug(down bool) {
	h.network.mu.Lock()
	h.down = down
	h.network.mu.Unlock()
	h.tell()
}

// unplugged reports whether the host with an address has no cable. The network's lock is held.
func (n *Network) unplugged(at netip.AddrPort) bool {
	h := n.hosts[at.Addr()]
	return h != nil && h.down
}

// The one interface of a host.
const (
	hostInterface = "eth0"
	hostIndex     = 2
)

// view is the host as a watch sees it. The network's lock is held.
func (h *Host) view() linkwatch.View {
	i := linkwatch.Interface{Index: hostIndex, Name: hostInterface, Up: !h.down}
	for _, addr := range h.addrs {
		i.Addresses = append(i.Addresses, linkwatch.Usable{Addr: addr})
		to := &i.Route6
		if addr.Is4() {
			to = &i.Route4
		}
		to.Is = true
	}
	return linkwatch.View{i}
}

// watched is a Host, or what embeds one.
type watched interface {
	watch(to func(linkwatch.Change)) (remove func())
}

// ear is somebody who is told what becomes of a host.
type ear struct {
	host *Host
	to   func(linkwatch.Change)

	mu   sync.Mutex // one call at a time
	told linkwatch.View
	any  bool
}

// watch tells what the host can reach others by, soon and whenever that changes.
func (h *Host) watch(to func(linkwatch.Change)) (remove func()) {
	e := &ear{host: h, to: to}
	h.network.mu.Lock()
	h.ears = append(h.ears, e)
	h.network.mu.Unlock()
	go e.tell()
	return func() {
		h.network.mu.Lock()
		defer h.network.mu.Unlock()
		h.ears = slices.DeleteFunc(h.ears, func(other *ear) bool { return other == e })
	}
}

func (h *Host) tell() {
	h.network.mu.Lock()
	ears := slices.Clone(h.ears)
	h.network.mu.Unlock()
	for _, e := range ears {
		e.tell()
	}
}

// tell tells what is new by now, whoever comes first.
func (e *ear) tell() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.host.network.mu.Lock()
	now, gone := e.host.view(), !slices.Contains(e.host.ears, e)
	e.host.network.mu.Unlock()
	if gone || e.any && now.Equal(e.told) {
		return
	}
	c := linkwatch.Change{Now: now, Before: e.told, First: !e.any}
	e.told, e.any = now, true
	e.to(c)
}
