package gateway

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// modem is what ModemManager says of a modem, in its own terms.
type modem struct {
	ports        []string // its network interfaces
	registered   bool
	technologies technology
	bands        []uint32                      // MMModemBand, those that are allowed
	operator     string                        // MCC and MNC, as "26201"
	location     string                        // "MCC,MNC,LAC,CI,TAC", of which the last three are hexadecimal
	signal       map[string]map[string]float64 // by the property of the technology, and by key
	serving      []channel
	connections  []connection
}

// channel is the frequency of a serving cell.
type channel struct {
	kind   uint32 // MMCellType
	number uint32 // EARFCN or NR-ARFCN
}

// connection is a bearer of ModemManager that is connected.
type connection struct {
	port      string // a network interface, or a serial port under PPP
	ppp       bool
	apn       string
	addresses []netip.Addr
	routers   []netip.Addr
}

// technology is a set of bits of MMModemAccessTechnology, those in use.
type technology uint32

const (
	techGSM   technology = 1<<1 | 1<<2 | 1<<3 | 1<<4 // with GPRS and EDGE
	techUMTS  technology = 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<9
	tech1xRTT technology = 1 << 10
	techEVDO  technology = 1<<11 | 1<<12 | 1<<13
	techLTE   technology = 1<<14 | 1<<16 // with Cat-M
	techNR    technology = 1 << 15
	techNBIoT technology = 1 << 17
)

// Values of MMCellType.
const (
	cellLTE = 5
	cellNR  = 6
)

// generation is how a kind of network is told and measured.
type generation struct {
	technologies technology
	bearer       func(modem) *Bearer
	// property has the measurements in ModemManager's interface Signal, and what
	// follows are the keys of what /4/0/2, /4/0/3 and /4/0/11 say of such a network.
	property, power, quality, snr string
	cellBits                      int  // of a cell ID (3GPP TS 23.003 sections 4.3.1 and 19.6, TS 38.413 section 9.3.1.7)
	areas                         bool // it has location areas
}

// generations are in the order in which they count where several are in use: LTE goes
// before the 5G that it may be the anchor of, since cell and area are those of LTE.
var generations = []generation{
	{techNBIoT, always(BearerNBIoT), "Lte", "rsrp", "rsrq", "snr", 28, false},
	{techLTE, modem.lteBearer, "Lte", "rsrp", "rsrq", "snr", 28, false},
	{techNR, modem.nrBearer, "Nr5g", "rsrp", "rsrq", "snr", 36, false},
	{techUMTS, always(BearerWCDMA), "Umts", "rscp", "", "", 28, true},
	{techGSM, always(BearerGSM), "Gsm", "rssi", "", "", 16, true},
	{techEVDO, always(BearerCDMA2000), "Evdo", "rssi", "", "sinr", 0, false},
	{tech1xRTT, always(BearerCDMA2000), "Cdma", "rssi", "", "", 0, false},
}

func always(b Bearer) func(modem) *Bearer { return func(modem) *Bearer { return &b } }

// generation is that of the network that the modem is registered in; false for none.
func (m modem) generation() (generation, bool) {
	i := slices.IndexFunc(generations, func(g generation) bool { return m.technologies&g.technologies != 0 })
	if !m.registered || i < 0 {
		return generation{}, false
	}
	return generations[i], true
}

// carrier is what the modem says of its network, and of its connection through an
// interface.
func (m modem) carrier(port string) carrier {
	g, known := m.generation()
	if !known {
		return carrier{}
	}
	measured := m.signal[g.property]
	c := carrier{bearer: g.bearer(m), signal: decibels(measured, g.power), quality: decibels(measured, g.quality), snr: decibels(measured, g.snr)}
	mcc, mnc, lac, cell := m.place()
	c.mcc, c.mnc, c.cellID = digits(mcc), digits(mnc), hexID(cell, g.cellBits)
	if lac := hexID(lac, 16); g.areas && lac != nil && *lac != noArea {
		c.lac = lac
	}
	m.connect(port, &c)
	return c
}

// noArea is said where there is no area (3GPP TS 23.003 section 4.1); so is 0.
const noArea = 0xfffe

// connect adds what the connections say: the names of all of them, the addresses of
// that through the interface.
func (m modem) connect(port string, c *carrier) {
	for _, l := range m.connections {
		if l.apn != "" && !slices.Contains(c.apns, l.apn) {
			c.apns = append(c.apns, l.apn)
		}
		if l.port == port {
			c.addresses, c.routers = append(c.addresses, l.addresses...), append(c.routers, l.routers...)
		}
	}
}

// carries reports whether a network interface is the modem's.
func (m modem) carries(name string) bool {
	return name != "" && (slices.Contains(m.ports, name) ||
		slices.ContainsFunc(m.connections, func(c connection) bool { return !c.ppp && c.port == name }))
}

// dials reports whether the modem has a connection by PPP.
func (m modem) dials() bool {
	return slices.ContainsFunc(m.connections, func(c connection) bool { return c.ppp })
}

// decibels is a measurement; nil where there is none, or one that cannot be.
func decibels(measured map[string]float64, key string) *int64 {
	const most = 200
	f, found := measured[key]
	if !found || !(math.Abs(f) <= most) { // not a number is neither
		return nil
	}
	return new(int64(math.Round(f)))
}

// place takes apart the network's code and the location.
func (m modem) place() (mcc, mnc, lac, cell string) {
	if code := m.operator; (len(code) == 5 || len(code) == 6) && strings.Trim(code, "0123456789") == "" {
		mcc, mnc = code[:3], code[3:]
	}
	if f := strings.Split(m.location, ","); len(f) >= 4 {
		return cmp.Or(mcc, f[0]), cmp.Or(mnc, f[1]), f[2], f[3]
	}
	return mcc, mnc, "", ""
}

// digits reads a country's or a network's code.
func digits(s string) *int64 {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n > 999 {
		return nil
	}
	return new(int64(n))
}

// hexID reads an identity of that many bits; nil where it is 0, which stands for none.
func hexID(s string, bits int) *int64 {
	n, err := strconv.ParseUint(s, 16, max(bits, 1))
	if err != nil || n == 0 || bits == 0 {
		return nil
	}
	return new(int64(n))
}
