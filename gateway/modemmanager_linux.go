package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// ModemManager's names on the bus, those of its interfaces behind the first.
const (
	mmService  = "org.freedesktop.ModemManager1"
	mmPath     = dbus.ObjectPath("/org/freedesktop/ModemManager1")
	mmModem    = mmService + ".Modem"
	mm3GPP     = mmModem + ".Modem3gpp"
	mmSignal   = mmModem + ".Signal"
	mmLocation = mmModem + ".Location"
	mmBearer   = mmService + ".Bearer"
)

// Values of its enumerations.
const (
	stateRegistered = 8      // MMModemState: this and those above it
	portNet         = 2      // MMModemPortType
	methodPPP       = 1      // MMBearerIpMethod
	locationCell    = 1 << 0 // MMModemLocationSource: the cell and its area
)

const (
	// mostModems and mostBearers bound what is asked for in one go.
	mostModems  = 16
	mostBearers = 8
	// signalRate is how often ModemManager is to measure, in seconds; it looks at
	// other things of a modem just as often. It does not measure unless somebody asks
	// for it.
	signalRate = 30
	// cellPatience is for the one question that ModemManager passes on to the modem.
	cellPatience = time.Second
	// refused is how long what a modem cannot do, or we may not, is not tried again.
	refused = 10 * time.Minute
)

// properties are those of one interface of an object.
type properties = map[string]dbus.Variant

// modemManager asks ModemManager. One question is asked at a time.
type modemManager struct {
	dial    func(context.Context) (net.Conn, error) // connects to the bus
	refused map[refusal]time.Time                   // until when
}

func newModemManager(dial func(context.Context) (net.Conn, error)) *modemManager {
	return &modemManager{dial: dial, refused: map[refusal]time.Time{}}
}

// refusal is a method of a modem that has failed.
type refusal struct {
	modem  dbus.ObjectPath
	method string
}

// modems lists the modems, each with what can be learnt of it; none where there is no
// bus, or no ModemManager on it: it is not started for that.
func (mm *modemManager) modems(ctx context.Context) (all []modem) {
	socket, err := mm.dial(ctx)
	if err != nil {
		return nil
	}
	conn, err := greet(ctx, socket)
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	var objects map[dbus.ObjectPath]map[string]properties
	if call(ctx, conn.Object(mmService, mmPath), "org.freedesktop.DBus.ObjectManager.GetManagedObjects").Store(&objects) != nil {
		return nil
	}
	mm.forget(objects)
	for path, o := range objects {
		if _, isModem := o[mmModem]; isModem && len(all) < mostModems {
			all = append(all, mm.modem(ctx, conn, conn.Object(mmService, path), o))
		}
	}
	return all
}

// forget drops the refusals of modems that are gone, and those that are over.
func (mm *modemManager) forget(objects map[dbus.ObjectPath]map[string]properties) {
	for r, until := range mm.refused {
		if _, there := objects[r.modem]; !there || !time.Now().Before(until) {
			delete(mm.refused, r)
		}
	}
}

// call calls a method, and does not have the service started for that.
func call(ctx context.Context, o dbus.BusObject, method string, args ...any) *dbus.Call {
	return o.CallWithContext(ctx, method, dbus.FlagNoAutoStart, args...)
}

// try calls a method of a modem, unless it has failed lately, and stores the answer. That
// who asked has given up is no failure of the modem.
func (mm *modemManager) try(ctx context.Context, o dbus.BusObject, method string, args []any, answer ...any) {
	key := refusal{o.Path(), method}
	if _, failed := mm.refused[key]; failed {
		return
	}
	c := call(ctx, o, method, args...)
	if c.Store(answer...) == nil {
		return
	}
	var refusal dbus.Error
	answered := c.Err == nil || errors.As(c.Err, &refusal)
	if answered || errors.Is(context.Cause(ctx), errSlow) {
		mm.refused[key] = time.Now().Add(refused)
	}
}

func (mm *modemManager) modem(ctx context.Context, conn *dbus.Conn, o dbus.BusObject, all map[string]properties) modem {
	about := all[mmModem]
	m := modem{
		ports:        netPorts(about),
		registered:   value[int32](about, "State") >= stateRegistered,
		technologies: technology(value[uint32](about, "AccessTechnologies")),
		bands:        value[[]uint32](about, "CurrentBands"),
		operator:     value[string](all[mm3GPP], "OperatorCode"),
		signal:       signalOf(all[mmSignal]),
	}
	if !m.registered {
		return m
	}
	m.connections = connections(ctx, conn, value[[]dbus.ObjectPath](about, "Bearers"))
	mm.measure(ctx, o, all[mmSignal])
	m.location = mm.location(ctx, o, all[mmLocation])
	m.serving = mm.serving(ctx, o, m)
	return m
}

// value is a property; the zero value where it is missing or of another type.
func value[T any](of properties, name string) T {
	v, _ := of[name].Value().(T)
	return v
}

// netPorts lists the modem's network interfaces.
func netPorts(about properties) (names []string) {
	var ports []struct {
		Name string
		Kind uint32
	}
	if v, there := about["Ports"]; !there || v.Store(&ports) != nil {
		return nil
	}
	for _, p := range ports {
		if p.Kind == portNet {
			names = append(names, p.Name)
		}
	}
	return names
}

// signalOf are the measurements of each technology.
func signalOf(about properties) map[string]map[string]float64 {
	all := map[string]map[string]float64{}
	for name := range about {
		measured := map[string]float64{}
		for key, v := range value[properties](about, name) {
			if f, ok := v.Value().(float64); ok {
				measured[key] = f
			}
		}
		all[name] = measured
	}
	return all
}

// measure has ModemManager measure, unless somebody has asked it already. Its answers
// are those of a later question.
func (mm *modemManager) measure(ctx context.Context, o dbus.BusObject, about properties) {
	rate, known := about["Rate"].Value().(uint32)
	if known && rate == 0 && value[uint32](about, "RssiThreshold") == 0 {
		mm.try(ctx, o, mmSignal+".Setup", []any{uint32(signalRate)})
	}
}

// location is the place in the cellular network; "" where the modem does not say it.
func (mm *modemManager) location(ctx context.Context, o dbus.BusObject, about properties) string {
	if value[uint32](about, "Enabled")&locationCell == 0 {
		return ""
	}
	var found map[uint32]dbus.Variant
	mm.try(ctx, o, mmLocation+".GetLocation", nil, &found)
	place, _ := found[locationCell].Value().(string)
	return place
}

// serving lists the channels of the serving cells, where the bearer depends on them.
func (mm *modemManager) serving(ctx context.Context, o dbus.BusObject, m modem) (all []channel) {
	if g, known := m.generation(); !known || g.bearer(m) != nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cellPatience, errSlow)
	defer cancel()
	var cells []properties
	mm.try(ctx, o, mmModem+".GetCellInfo", nil, &cells)
	for _, c := range cells {
		if !value[bool](c, "serving") {
			continue
		}
		for _, key := range []string{"earfcn", "nrarfcn"} {
			if n, ok := c[key].Value().(uint32); ok {
				all = append(all, channel{value[uint32](c, "cell-type"), n})
			}
		}
	}
	return all
}

// connections lists the bearers that are connected. Their properties have the password
// of the network too, which stays here.
func connections(ctx context.Context, conn *dbus.Conn, bearers []dbus.ObjectPath) (all []connection) {
	for _, path := range bearers[:min(len(bearers), mostBearers)] {
		var about properties
		o := conn.Object(mmService, path)
		if call(ctx, o, "org.freedesktop.DBus.Properties.GetAll", mmBearer).Store(&about) == nil && value[bool](about, "Connected") {
			all = append(all, connectionOf(about))
		}
	}
	return all
}

func connectionOf(about properties) connection {
	c := connection{
		port: value[string](about, "Interface"),
		apn:  value[string](value[properties](about, "Properties"), "apn"),
	}
	for _, name := range []string{"Ip4Config", "Ip6Config"} {
		config := value[properties](about, name)
		c.ppp = c.ppp || value[uint32](config, "method") == methodPPP
		c.addresses = appendAddr(c.addresses, value[string](config, "address"))
		c.routers = appendAddr(c.routers, value[string](config, "gateway"))
	}
	return c
}

func appendAddr(all []netip.Addr, text string) []netip.Addr {
	if a, err := netip.ParseAddr(strings.TrimSpace(text)); err == nil {
		return append(all, a)
	}
	return all
}
