package gateway

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// Bearer is a value of /4/0/0, a kind of network.
type Bearer uint8

// The bearers of the standard.
const (
	BearerGSM        Bearer = 0
	BearerTDSCDMA    Bearer = 1
	BearerWCDMA      Bearer = 2
	BearerCDMA2000   Bearer = 3
	BearerWiMAX      Bearer = 4
	BearerLTETDD     Bearer = 5
	BearerLTEFDD     Bearer = 6
	BearerNBIoT      Bearer = 7
	BearerNRTDD      Bearer = 8
	BearerNRFDD      Bearer = 9
	BearerWLAN       Bearer = 21
	BearerBluetooth  Bearer = 22
	BearerIEEE802154 Bearer = 23
	BearerEthernet   Bearer = 41
	BearerDSL        Bearer = 42
	BearerPLC        Bearer = 43
)

// sampleNetwork is how often the state of the network is read while it is observed.
const sampleNetwork = 10 * time.Second

// Cell is what a modem knows of the cellular network that it is in. What is nil is not
// known.
type Cell struct {
	Bearer        Bearer
	Signal        int64 // in dBm: RSSI of GSM, RSCP of UMTS, RSRP of LTE, NRSRP of NB-IoT
	Quality       *int64
	SNR           *int64 // in dB
	APN           []string
	CellID        *int64
	LAC           *int64
	MNC           *int64 // 0 to 999
	MCC           *int64 // 0 to 999
	CoverageLevel *int64 // coverage enhancement, 0 to 4
}

// ConnectivityConfig is what a [Connectivity] is told.
type ConnectivityConfig struct {
	// Interface is the network interface that it is about; that of the default route
	// when empty.
	Interface string
	// Cell returns what the modem knows, without waiting for it; nil where there is no
	// modem, and false where it has no network. What it says counts while the
	// interface is a modem's, or where nothing else says what the interface is.
	Cell    func() (Cell, bool)
	Machine Machine
}

// Connectivity is object 4: the bearers, the signal, the addresses and the routers. Of
// a wired network the signal is 0. Link utilization is not known. It implements
// [object.Object] and what can be implemented beside it. Safe for concurrent use.
type Connectivity struct {
	config   ConnectivityConfig
	readings readings
}

// NewConnectivity makes object 4 of this machine.
func NewConnectivity(config ConnectivityConfig) *Connectivity {
	config.Machine = config.Machine.orDefault()
	c := &Connectivity{config: config}
	c.readings = slices.Concat(readings{
		number(objects.ConnectivityNetworkBearer, sampleNetwork, c.bearer),
		list(objects.ConnectivityAvailableNetworkBearer, sampleNetwork, c.bearers),
		number(objects.ConnectivityRadioSignalStrength, sampleNetwork, c.signal),
		number(objects.ConnectivityLinkQuality, sampleNetwork, c.quality),
		list(objects.ConnectivityIPAddresses, sampleNetwork, c.addresses),
		list(objects.ConnectivityRouterIPAddresses, sampleNetwork, c.routers),
	}, c.cellular())
	return c
}

// cellular are the resources that only a modem has.
func (c *Connectivity) cellular() readings {
	if c.config.Cell == nil {
		return nil
	}
	known := func(id uint16, value func(Cell) *int64) reading {
		return number(id, sampleNetwork, func() (int64, bool) {
			cell, ok := c.cell()
			if v := value(cell); ok && v != nil {
				return *v, true
			}
			return 0, false
		})
	}
	return readings{
		list(objects.ConnectivityAPN, sampleNetwork, c.apns),
		known(objects.ConnectivityCellID, func(cell Cell) *int64 { return cell.CellID }),
		known(objects.ConnectivitySMNC, func(cell Cell) *int64 { return cell.MNC }),
		known(objects.ConnectivitySMCC, func(cell Cell) *int64 { return cell.MCC }),
		known(objects.ConnectivitySignalSNR, func(cell Cell) *int64 { return cell.SNR }),
		known(objects.ConnectivityLAC, func(cell Cell) *int64 { return cell.LAC }),
		known(objects.ConnectivityCoverageEnhancementLevel, func(cell Cell) *int64 { return cell.CoverageLevel }),
	}
}

// link is the interface that the object is about, and whether there is one.
func (c *Connectivity) link() (Interface, bool) {
	all, err := c.config.Machine.Interfaces()
	if err != nil {
		return Interface{}, false
	}
	name := c.config.Interface
	if name == "" {
		name = c.config.Machine.defaultRoute()
	}
	i := slices.IndexFunc(all, func(i Interface) bool {
		if name != "" {
			return i.Name == name
		}
		return i.Up && !i.Loopback && len(i.Addresses) > 0
	})
	if i < 0 {
		return Interface{}, false
	}
	return all[i], true
}

// linkBearer is what the operating system says that the link is.
func (c *Connectivity) linkBearer() (link Interface, kind Bearer, known bool) {
	link, found := c.link()
	if !found {
		return link, 0, false
	}
	kind, known = c.config.Machine.bearer(link.Name)
	return link, kind, known
}

// cell is what the modem says, where it is the modem that the link goes through.
func (c *Connectivity) cell() (Cell, bool) {
	if c.config.Cell == nil {
		return Cell{}, false
	}
	if _, _, known := c.linkBearer(); known {
		return Cell{}, false
	}
	return c.config.Cell()
}

func (c *Connectivity) bearer() (int64, bool) {
	if cell, ok := c.cell(); ok {
		return int64(cell.Bearer), true
	}
	_, kind, known := c.linkBearer()
	return int64(kind), known
}

// bearers lists the kinds of the networks that are up, each once, in order.
func (c *Connectivity) bearers() (values []lwm2m.Value) {
	var kinds []Bearer
	all, _ := c.config.Machine.Interfaces()
	for _, i := range all {
		if kind, known := c.config.Machine.bearer(i.Name); known && i.Up && !i.Loopback && len(i.Addresses) > 0 {
			kinds = append(kinds, kind)
		}
	}
	if c.config.Cell != nil {
		if cell, ok := c.config.Cell(); ok {
			kinds = append(kinds, cell.Bearer)
		}
	}
	slices.Sort(kinds)
	for _, kind := range slices.Compact(kinds) {
		values = append(values, lwm2m.Integer(int64(kind)))
	}
	return values
}

// signal is 0 where there is no radio.
func (c *Connectivity) signal() (int64, bool) {
	if cell, ok := c.cell(); ok {
		return cell.Signal, true
	}
	link, kind, known := c.linkBearer()
	if kind == BearerWLAN {
		w, ok := c.config.Machine.wireless(link.Name)
		return w.level, ok
	}
	return 0, known && kind >= BearerEthernet
}

func (c *Connectivity) quality() (int64, bool) {
	if cell, ok := c.cell(); ok {
		if cell.Quality == nil {
			return 0, false
		}
		return *cell.Quality, true
	}
	link, kind, _ := c.linkBearer()
	if kind != BearerWLAN {
		return 0, false
	}
	w, ok := c.config.Machine.wireless(link.Name)
	return w.quality, ok
}

// radio is what a wireless interface receives.
type radio struct {
	level   int64 // in dBm
	quality int64
}

func (c *Connectivity) addresses() (values []lwm2m.Value) {
	link, _ := c.link()
	for _, a := range link.Addresses {
		values = append(values, lwm2m.String(a.WithZone("").String()))
	}
	return values
}

func (c *Connectivity) routers() (values []lwm2m.Value) {
	link, found := c.link()
	if !found {
		return nil
	}
	for _, a := range c.config.Machine.routers(link.Name) {
		values = append(values, lwm2m.String(a.String()))
	}
	return values
}

func (c *Connectivity) apns() (values []lwm2m.Value) {
	cell, _ := c.cell()
	for _, name := range cell.APN {
		values = append(values, lwm2m.String(name))
	}
	return values
}

// Definition implements [object.Object].
func (c *Connectivity) Definition() lwm2m.ObjectDef { return objects.ConnectivityMonitoringDef() }

// Instances implements [object.Object].
func (c *Connectivity) Instances() []uint16 { return onlyInstance() }

// Read implements [object.Object].
func (c *Connectivity) Read(ctx context.Context, target lwm2m.Path) ([]lwm2m.Resource, error) {
	return c.readings.of(ctx, target)
}

// Resources implements [object.Lister]: what the machine may have, now or later.
func (c *Connectivity) Resources(uint16) []uint16 { return c.readings.ids() }

// Sample implements [object.Sampler].
func (c *Connectivity) Sample(target lwm2m.Path) time.Duration { return c.readings.sample(target) }
