package gateway

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A power supply is a folder of /sys/class/power_supply, whose files have one value
// each (Documentation/ABI/testing/sysfs-class-power of the kernel).

// supplies lists the power supplies that are at work, and the batteries, in the order
// of their names.
func (m Machine) supplies() (all []supply) {
	class := filepath.Join(m.Sys, "class", "power_supply")
	folders, err := os.ReadDir(class) // sorted
	if err != nil {
		return nil
	}
	for _, folder := range folders {
		if s, ok := supplyOf(filepath.Join(class, folder.Name())); ok {
			all = append(all, s)
		}
	}
	return all
}

// supplyOf reads a power supply; false for those of peripherals, and for one that
// delivers nothing.
func supplyOf(folder string) (supply, bool) {
	s := supply{milliVolts: milli(folder, "voltage_now"), milliAmps: milli(folder, "current_now")}
	kind := file(folder, "type")
	switch {
	case file(folder, "scope") == "Device":
		return s, false
	case kind == "Battery":
		s.source, s.level, s.status = PowerInternalBattery, integer(folder, "capacity"), batteryStatus(folder)
		return s, true
	case kind == "UPS":
		s.source = PowerExternalBattery
	case kind == "Mains":
		s.source = PowerAC
	case strings.HasPrefix(kind, "USB"):
		s.source = PowerUSB
	default:
		return s, false
	}
	return s, file(folder, "online") != "0"
}

// batteryStatus is the state of a battery as /3/0/20 has it.
func batteryStatus(folder string) int64 {
	status, level, health := file(folder, "status"), file(folder, "capacity_level"), file(folder, "health")
	switch {
	case file(folder, "present") == "0":
		return batteryNotInstalled
	case health == "Dead", health == "Unspecified failure", health == "Over voltage":
		return batteryDamaged
	case status == "Charging":
		return batteryCharging
	case level == "Low", level == "Critical":
		return batteryLow
	case status == "Full":
		return batteryComplete
	case status == "Discharging", status == "Not charging":
		return batteryNormal
	}
	return batteryUnknown
}

// integer reads a number; nil where there is none.
func integer(folder, name string) *int64 {
	n, err := strconv.ParseInt(file(folder, name), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// milli reads what the kernel says in millionths.
func milli(folder, name string) *int64 {
	n := integer(folder, name)
	if n == nil {
		return nil
	}
	return new(*n / 1000)
}
