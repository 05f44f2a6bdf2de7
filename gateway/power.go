package gateway

import (
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// PowerSource is a value of /3/0/6.
type PowerSource uint8

// The power sources.
const (
	PowerDC PowerSource = iota
	PowerInternalBattery
	PowerExternalBattery
	PowerFuelCell
	PowerOverEthernet
	PowerUSB
	PowerAC
	PowerSolar
)

// Values of /3/0/20, the state of the internal battery.
const (
	batteryNormal       = 0
	batteryCharging     = 1
	batteryComplete     = 2
	batteryDamaged      = 3
	batteryLow          = 4
	batteryNotInstalled = 5
	batteryUnknown      = 6
)

// supply is a power supply as the operating system knows it.
type supply struct {
	source     PowerSource
	milliVolts *int64
	milliAmps  *int64
	level      *int64 // of an internal battery, in percent
	status     int64  // of an internal battery
}

// supplies lists the power sources at hand: those of the machine, in the order of their
// names, and behind them what the application knows of.
func (d *Device) supplies() []supply {
	all := d.config.Machine.supplies()
	for _, s := range d.config.Power {
		all = append(all, supply{source: s})
	}
	return all
}

// power are the resources of the power sources; of a battery where there is one now,
// or a place for one.
func (d *Device) power() (all readings) {
	now := d.supplies()
	if len(now) == 0 {
		return nil
	}
	all = readings{
		{objects.DeviceAvailablePowerSources, samplePower, func() (lwm2m.Resource, bool) {
			return d.eachSupply(func(s supply) *int64 { return new(int64(s.source)) })
		}},
		{objects.DevicePowerSourceVoltage, samplePower, func() (lwm2m.Resource, bool) {
			return d.eachSupply(func(s supply) *int64 { return s.milliVolts })
		}},
		{objects.DevicePowerSourceCurrent, samplePower, func() (lwm2m.Resource, bool) {
			return d.eachSupply(func(s supply) *int64 { return s.milliAmps })
		}},
	}
	if slices.ContainsFunc(now, isInternalBattery) {
		all = append(all, number(objects.DeviceBatteryLevel, samplePower, d.batteryLevel),
			number(objects.DeviceBatteryStatus, samplePower, d.batteryStatus))
	}
	return all
}

func isInternalBattery(s supply) bool { return s.source == PowerInternalBattery }

// eachSupply is a resource that has an instance for each supply of which something is
// known, under the number that the supply has in all of them.
func (d *Device) eachSupply(value func(supply) *int64) (lwm2m.Resource, bool) {
	r := lwm2m.Resource{Multiple: true}
	for i, s := range d.supplies() {
		if v := value(s); v != nil {
			r.Instances = append(r.Instances, lwm2m.ResourceInstance{ID: uint16(i), Value: lwm2m.Integer(*v)})
		}
	}
	return r, len(r.Instances) > 0
}

// battery returns the first internal battery.
func (d *Device) battery() (supply, bool) {
	all := d.supplies()
	i := slices.IndexFunc(all, isInternalBattery)
	if i < 0 {
		return supply{}, false
	}
	return all[i], true
}

func (d *Device) batteryLevel() (int64, bool) {
	b, found := d.battery()
	if !found || b.level == nil {
		return 0, false
	}
	return min(max(*b.level, 0), 100), true
}

func (d *Device) batteryStatus() (int64, bool) {
	b, found := d.battery()
	if !found {
		return batteryNotInstalled, true
	}
	return b.status, true
}
