package gateway

import (
	"context"
	"sync/atomic"
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

// number is the value of /4/0/0; nil where the kind is not known.
func (b *Bearer) number() *int64 {
	if b == nil {
		return nil
	}
	return new(int64(*b))
}

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
	// Cell returns what the modem knows, without waiting for it, and false where it has
	// no network. What it says counts while the interface is a modem's, or where nothing
	// else says what the interface is. Nil: on Linux ModemManager is asked.
	Cell    func() (Cell, bool)
	Machine Machine
}

// Connectivity is object 4: the bearers, the signal, the addresses and the routers. Of
// a wired network the signal is 0. Link utilization is not known. It implements
// [object.Object] and what can be implemented beside it. Safe for concurrent use.
type Connectivity struct {
	config ConnectivityConfig
	modems *service[[]modem]
	listed atomic.Uint32 // the resources that the machine may have, a bit each
}

// NewConnectivity makes object 4 of this machine.
func NewConnectivity(config ConnectivityConfig) *Connectivity {
	config.Machine = config.Machine.orDefault()
	c := &Connectivity{config: config, modems: newService(config.Machine.modems())}
	c.listed.Store(allMachines)
	if config.Cell != nil || config.Machine.hasModem() {
		c.listed.Or(cellular)
	}
	return c
}

// What Resources lists from the start, as bits: of every machine, and of one with a
// modem. What else turns up is listed from then on.
const (
	allMachines = 1<<objects.ConnectivityNetworkBearer | 1<<objects.ConnectivityAvailableNetworkBearer |
		1<<objects.ConnectivityRadioSignalStrength | 1<<objects.ConnectivityLinkQuality |
		1<<objects.ConnectivityIPAddresses | 1<<objects.ConnectivityRouterIPAddresses
	cellular = 1<<objects.ConnectivityAPN | 1<<objects.ConnectivityCellID | 1<<objects.ConnectivitySMNC |
		1<<objects.ConnectivitySMCC | 1<<objects.ConnectivitySignalSNR | 1<<objects.ConnectivityLAC |
		1<<objects.ConnectivityCoverageEnhancementLevel
)

// Definition implements [object.Object].
func (c *Connectivity) Definition() lwm2m.ObjectDef { return objects.ConnectivityMonitoringDef() }

// Instances implements [object.Object].
func (c *Connectivity) Instances() []uint16 { return onlyInstance() }

// Read implements [object.Object].
func (c *Connectivity) Read(ctx context.Context, target lwm2m.Path) ([]lwm2m.Resource, error) {
	found, err := c.look(ctx).readings().of(ctx, target)
	for _, r := range found {
		c.listed.Or(1 << r.ID)
	}
	return found, err
}

// Resources implements [object.Lister]: what the machine may have, now or later.
func (c *Connectivity) Resources(uint16) (ids []uint16) {
	listed := c.listed.Load()
	for id := range uint16(32) {
		if listed&(1<<id) != 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// Sample implements [object.Sampler].
func (c *Connectivity) Sample(lwm2m.Path) time.Duration { return sampleNetwork }
