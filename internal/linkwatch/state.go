package linkwatch

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
)

// Bounds of a [State]. What is beyond is left out.
const (
	maxLinks     = 4096
	maxAddresses = 16384
	maxRoutes    = 4096
)

// State is what the kernel has said. Its zero value is a machine without interfaces. It
// is no use to several goroutines at a time.
type State struct {
	links     map[int]Link
	addresses map[addressKey]Address
	routes    map[routeKey]struct{}
}

type addressKey struct {
	index int
	addr  netip.Addr
}

type routeKey struct {
	index  int
	ipv6   bool
	metric uint32
}

// Apply takes one message of [Decode], and reports whether it says something new. Messages
// that say that something is gone, or is there for the first time, and an [Interrupted], do.
func (s *State) Apply(message any) (changed bool) {
	switch m := message.(type) {
	case Link:
		return put(&s.links, m.Index, m, m.Gone, maxLinks)
	case Address:
		return put(&s.addresses, addressKey{m.Index, m.Addr}, m, m.Gone, maxAddresses)
	case Route:
		for _, index := range m.Indexes {
			if put(&s.routes, routeKey{index, m.IPv6, m.Metric}, struct{}{}, m.Gone, maxRoutes) {
				changed = true
			}
		}
	case Interrupted:
		return true
	}
	return changed
}

// put adds, changes or removes an element of a bounded map, and reports whether that
// changes it.
func put[K, V comparable](all *map[K]V, key K, value V, gone bool, most int) bool {
	was, known := (*all)[key]
	switch {
	case gone:
		delete(*all, key)
		return known
	case known && was == value, !known && len(*all) >= most:
		return false
	}
	if *all == nil {
		*all = map[K]V{}
	}
	(*all)[key] = value
	return true
}

// View returns what the machine can reach others by.
func (s *State) View() View {
	at := map[int]*Interface{}
	for index, l := range s.links {
		at[index] = &Interface{Index: index, Name: l.Name, Up: l.Up && l.Running, Loopback: l.Loopback}
	}
	for key, a := range s.addresses {
		if i := at[key.index]; i != nil && !a.Pending {
			i.Addresses = append(i.Addresses, Usable{Addr: a.Addr, Deprecated: a.Deprecated})
		}
	}
	for key := range s.routes {
		if i := at[key.index]; i != nil {
			i.add(key)
		}
	}
	var v View
	for _, index := range slices.Sorted(maps.Keys(at)) {
		i := at[index]
		slices.SortFunc(i.Addresses, func(a, b Usable) int { return a.Addr.Compare(b.Addr) })
		v = append(v, *i)
	}
	return v
}

func (i *Interface) add(r routeKey) {
	to := &i.Route4
	if r.ipv6 {
		to = &i.Route6
	}
	if !to.Is || r.metric < to.Metric {
		*to = Default{Is: true, Metric: r.metric}
	}
}

// Interface is one interface of the machine.
type Interface struct {
	Index     int
	Name      string
	Up        bool // it is switched on and can carry packets
	Loopback  bool
	Addresses []Usable // in order; those that may not be used yet are left out
	Route4    Default
	Route6    Default
}

// Usable is an address that sockets may use.
type Usable struct {
	Addr       netip.Addr
	Deprecated bool // only by those that use it already
}

// Default says whether a default route leads through an interface, and the metric of the
// best one.
type Default struct {
	Is     bool
	Metric uint32
}

// Reaches reports whether the interface can carry packets beyond its own link: it has an
// address that is no link-local one, and is not loopback.
func (i *Interface) Reaches() bool {
	return i.Up && !i.Loopback && slices.ContainsFunc(i.Addresses, Usable.reaches)
}

func (u Usable) reaches() bool {
	return !u.Deprecated && u.Addr.IsGlobalUnicast()
}

// Routed reports whether a default route leads through the interface.
func (i *Interface) Routed() bool { return i.Route4.Is || i.Route6.Is }

func (i *Interface) equal(j *Interface) bool {
	return i.Index == j.Index && i.Name == j.Name && i.Up == j.Up && i.Loopback == j.Loopback &&
		i.Route4 == j.Route4 && i.Route6 == j.Route6 && slices.Equal(i.Addresses, j.Addresses)
}

// View is what a machine can reach others by: its interfaces, by their numbers. It is not
// changed any more, and may be shared.
type View []Interface

// Equal reports whether two views say the same.
func (v View) Equal(other View) bool {
	return slices.EqualFunc(v, other, func(i, j Interface) bool { return i.equal(&j) })
}

// Named returns the interface with a name; nil where there is none.
func (v View) Named(name string) *Interface {
	i := slices.IndexFunc(v, func(i Interface) bool { return i.Name == name })
	if i < 0 {
		return nil
	}
	return &v[i]
}

// Gains reports whether something has come since another view by which a server may be
// reached that could not be reached then: an address beyond the link on an interface that
// can carry packets, such an interface, or another default route through one. only are the
// names of the interfaces that count, none for all of them. What is gone is no gain.
func (v View) Gains(since View, only ...string) bool {
	for n := range v {
		i := &v[n]
		if !i.Reaches() || len(only) > 0 && !slices.Contains(only, i.Name) {
			continue
		}
		was := since.at(i.Index)
		if was == nil || !was.Reaches() || routeGained(was.Route4, i.Route4) || routeGained(was.Route6, i.Route6) || addressGained(was, i) {
			return true
		}
	}
	return false
}

// lossOf returns the interfaces that lose something by a message.
func lossOf(message any) []int {
	switch m := message.(type) {
	case Link:
		if m.Gone || !m.Up || !m.Running {
			return []int{m.Index}
		}
	case Address:
		if m.Gone {
			return []int{m.Index}
		}
	case Route:
		if m.Gone {
			return m.Indexes
		}
	}
	return nil
}

// Recovers reports whether one of the interfaces that have lost something since another view
// is again what it was, and can reach servers.
func (v View) Recovers(since View, lost []int) bool {
	return slices.ContainsFunc(lost, func(index int) bool {
		was, is := since.at(index), v.at(index)
		return was != nil && is != nil && is.Reaches() && is.equal(was)
	})
}

func routeGained(was, is Default) bool { return is.Is && was != is }

func addressGained(was, is *Interface) bool {
	return slices.ContainsFunc(is.Addresses, func(u Usable) bool {
		return u.reaches() && !slices.ContainsFunc(was.Addresses, func(w Usable) bool { return w.Addr == u.Addr })
	})
}

func (v View) at(index int) *Interface {
	i, found := slices.BinarySearchFunc(v, index, func(i Interface, index int) int { return cmp.Compare(i.Index, index) })
	if !found {
		return nil
	}
	return &v[i]
}

// Change is what a listener of a [Watch] is told.
type Change struct {
	Now View
	// Before is what the listener was told last; nil the first time.
	Before View
	// First says that the listener has been told nothing before.
	First bool
	// Dipped says that something by which servers can be reached was gone for a moment, and
	// is there again: what was tried meanwhile has failed.
	Dipped bool
	// Err is why the machine cannot be watched at present; Now is Before then. Nil when
	// it can be.
	Err error
}
