package gateway

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// view is the network as one Read sees it. What answers late is asked at most once, and
// only where a resource needs it.
type view struct {
	config ConnectivityConfig
	all    []Interface
	link   Interface           // that the object is about; empty when there is none
	kind   *Bearer             // what the operating system says that the link is; nil where it does not know
	told   func() (Cell, bool) // the word of the application
	modems func() []modem
	wlan   func() (radio, bool)
}

// look begins a view.
func (c *Connectivity) look(ctx context.Context) view {
	v := view{config: c.config}
	v.all, _ = c.config.Machine.Interfaces()
	var found bool
	if v.link, found = v.findLink(); found {
		if kind, known := c.config.Machine.bearer(v.link.Name); known {
			v.kind = &kind
		}
	}
	v.told, v.modems = func() (Cell, bool) { return Cell{}, false }, func() []modem { return nil }
	if hook := c.config.Cell; hook != nil {
		v.told = sync.OnceValues(hook)
	} else {
		v.modems = sync.OnceValue(func() []modem { return c.modems.get(ctx) })
	}
	isWLAN := v.is(BearerWLAN)
	v.wlan = sync.OnceValues(func() (radio, bool) {
		if !isWLAN {
			return radio{}, false
		}
		return c.config.Machine.wireless(ctx, v.link.Name)
	})
	return v
}

// is reports whether the operating system says that the link is of a kind.
func (v view) is(kind Bearer) bool { return v.kind != nil && *v.kind == kind }

// findLink returns the interface that the object is about, and whether there is one.
func (v view) findLink() (Interface, bool) {
	name := v.config.Interface
	if name == "" {
		name = v.config.Machine.defaultRoute()
	}
	i := slices.IndexFunc(v.all, func(i Interface) bool {
		if name != "" {
			return i.Name == name
		}
		return i.carries()
	})
	if i < 0 {
		return Interface{}, false
	}
	return v.all[i], true
}

// carries reports whether an interface has a way to others.
func (i Interface) carries() bool { return i.Up && !i.Loopback && len(i.Addresses) > 0 }

// readings are the resources, sorted.
func (v view) readings() readings {
	ofCell := func(id uint16, value func(carrier) *int64) reading {
		return maybe(id, func() *int64 { cell, _ := v.cell(); return value(cell) })
	}
	return readings{
		maybe(objects.ConnectivityNetworkBearer, v.bearer),
		list(objects.ConnectivityAvailableNetworkBearer, sampleNetwork, v.bearers),
		maybe(objects.ConnectivityRadioSignalStrength, v.signal),
		maybe(objects.ConnectivityLinkQuality, v.quality),
		list(objects.ConnectivityIPAddresses, sampleNetwork, v.addresses),
		list(objects.ConnectivityRouterIPAddresses, sampleNetwork, v.routers),
		some(list(objects.ConnectivityAPN, sampleNetwork, v.apns)),
		ofCell(objects.ConnectivityCellID, func(c carrier) *int64 { return c.cellID }),
		ofCell(objects.ConnectivitySMNC, func(c carrier) *int64 { return c.mnc }),
		ofCell(objects.ConnectivitySMCC, func(c carrier) *int64 { return c.mcc }),
		maybe(objects.ConnectivitySignalSNR, v.snr),
		ofCell(objects.ConnectivityLAC, func(c carrier) *int64 { return c.lac }),
		ofCell(objects.ConnectivityCoverageEnhancementLevel, func(c carrier) *int64 { return c.coverage }),
	}
}

// maybe is the reading of an integer that may be unknown.
func maybe(id uint16, read func() *int64) reading {
	return number(id, sampleNetwork, func() (int64, bool) {
		if n := read(); n != nil {
			return *n, true
		}
		return 0, false
	})
}

// some is a reading that has no value where the list is empty.
func some(r reading) reading {
	read := r.read
	r.read = func() (lwm2m.Resource, bool) {
		found, _ := read()
		return found, len(found.Instances) > 0
	}
	return r
}

// cell is what is known of the cellular network that the link goes through; false where
// it goes through none.
func (v view) cell() (carrier, bool) {
	if m, found := v.modem(); found {
		return m.carrier(v.link.Name), true
	}
	if v.kind != nil {
		return carrier{}, false
	}
	cell, ok := v.told()
	return cell.carrier(), ok
}

// modem is the one that the link goes through. Of a link through PPP nobody knows the
// serial port that is below it: it is that of the one modem that has such a connection.
func (v view) modem() (modem, bool) {
	if v.kind != nil && !v.is(BearerEthernet) { // which some modems look like
		return modem{}, false
	}
	for _, m := range v.modems() {
		if m.carries(v.link.Name) {
			return m, true
		}
	}
	if v.kind != nil || v.link.Name == "" {
		return modem{}, false
	}
	dialled := slices.DeleteFunc(slices.Clone(v.modems()), func(m modem) bool { return !m.dials() })
	if len(dialled) != 1 {
		return modem{}, false
	}
	return dialled[0], true
}

func (v view) bearer() *int64 {
	if cell, ok := v.cell(); ok {
		return cell.bearer.number()
	}
	return v.kind.number()
}

// bearers lists the kinds of the networks that are up, each once, in order.
func (v view) bearers() (values []lwm2m.Value) {
	kinds := v.cellularKinds()
	for _, i := range v.all {
		if kind, known := v.config.Machine.bearer(i.Name); known && i.carries() && !v.isModem(i.Name) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	for _, kind := range slices.Compact(kinds) {
		values = append(values, lwm2m.Integer(int64(kind)))
	}
	return values
}

// cellularKinds are those of the networks that modems are registered in.
func (v view) cellularKinds() (kinds []Bearer) {
	if cell, ok := v.told(); ok {
		kinds = append(kinds, cell.Bearer)
	}
	for _, m := range v.modems() {
		if kind := m.carrier("").bearer; kind != nil {
			kinds = append(kinds, *kind)
		}
	}
	return kinds
}

// isModem reports whether an interface is a modem's. Some look like Ethernet.
func (v view) isModem(name string) bool {
	return slices.ContainsFunc(v.modems(), func(m modem) bool { return m.carries(name) })
}

// signal is 0 where there is no radio.
func (v view) signal() *int64 {
	if cell, ok := v.cell(); ok {
		return cell.signal
	}
	if v.kind != nil && *v.kind >= BearerEthernet { // the wired ones
		return new(int64)
	}
	w, _ := v.wlan()
	return w.level
}

func (v view) quality() *int64 {
	if cell, ok := v.cell(); ok {
		return cell.quality
	}
	w, _ := v.wlan()
	return w.quality
}

func (v view) snr() *int64 {
	if cell, ok := v.cell(); ok {
		return cell.snr
	}
	w, _ := v.wlan()
	return w.snr
}

// addresses are those of the interface. A modem that has one for it, which nobody has
// set yet or which is set elsewhere, tells it.
func (v view) addresses() []lwm2m.Value {
	addresses := v.link.Addresses
	if len(addresses) == 0 {
		cell, _ := v.cell()
		addresses = cell.addresses
	}
	return asStrings(addresses)
}

// routers are those of the routes; a route into a modem's interface may have none.
func (v view) routers() []lwm2m.Value {
	if v.link.Name == "" {
		return nil
	}
	routers := v.config.Machine.routers(v.link.Name)
	if len(routers) == 0 {
		cell, _ := v.cell()
		routers = cell.routers
	}
	return asStrings(routers)
}

func asStrings(all []netip.Addr) (values []lwm2m.Value) {
	for _, a := range all {
		values = append(values, lwm2m.String(a.WithZone("").String()))
	}
	return values
}

func (v view) apns() (values []lwm2m.Value) {
	cell, _ := v.cell()
	for _, name := range cell.apns {
		values = append(values, lwm2m.String(name))
	}
	return values
}
