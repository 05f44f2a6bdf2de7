package objects

import "github.com/holdfast-iot/holdfast/lwm2m"

// Resource IDs of the Device object, /3.
const (
	DeviceManufacturer             = 0
	DeviceModelNumber              = 1
	DeviceSerialNumber             = 2
	DeviceFirmwareVersion          = 3
	DeviceReboot                   = 4
	DeviceFactoryReset             = 5
	DeviceAvailablePowerSources    = 6
	DevicePowerSourceVoltage       = 7
	DevicePowerSourceCurrent       = 8
	DeviceBatteryLevel             = 9
	DeviceMemoryFree               = 10
	DeviceErrorCode                = 11
	DeviceResetErrorCode           = 12
	DeviceCurrentTime              = 13
	DeviceUTCOffset                = 14
	DeviceTimezone                 = 15
	DeviceSupportedBindingAndModes = 16
	DeviceType                     = 17
	DeviceHardwareVersion          = 18
	DeviceSoftwareVersion          = 19
	DeviceBatteryStatus            = 20
	DeviceMemoryTotal              = 21
	DeviceExtDevInfo               = 22
)

// DeviceDef is the definition of object /3, version 1.2.
func DeviceDef() lwm2m.ObjectDef {
	return lwm2m.ObjectDef{
		ID: Device, Name: "Device", Version: "1.2", Mandatory: true,
		Resources: []lwm2m.ResourceDef{
			{ID: DeviceManufacturer, Name: "Manufacturer", Kind: lwm2m.KindString, Operations: readOnly},
			{ID: DeviceModelNumber, Name: "Model Number", Kind: lwm2m.KindString, Operations: readOnly},
			{ID: DeviceSerialNumber, Name: "Serial Number", Kind: lwm2m.KindString, Operations: readOnly},
			{ID: DeviceFirmwareVersion, Name: "Firmware Version", Kind: lwm2m.KindString, Operations: readOnly},
			{ID: DeviceReboot, Name: "Reboot", Kind: lwm2m.KindNone, Operations: execute, Mandatory: true},
			{ID: DeviceFactoryReset, Name: "Factory Reset", Kind: lwm2m.KindNone, Operations: execute},
			{ID: DeviceAvailablePowerSources, Name: "Available Power Sources", Kind: lwm2m.KindInteger, Operations: readOnly, Multiple: true, Range: lwm2m.Range{Min: 0, Max: 7}},
			{ID: DevicePowerSourceVoltage, Name: "Power Source Voltage", Kind: lwm2m.KindInteger, Operations: readOnly, Multiple: true, Details: millivolts},
			{ID: DevicePowerSourceCurrent, Name: "Power Source Current", Kind: lwm2m.KindInteger, Operations: readOnly, Multiple: true, Details: milliamperes},
			{ID: DeviceBatteryLevel, Name: "Battery Level", Kind: lwm2m.KindInteger, Operations: readOnly, Range: lwm2m.Range{Min: 0, Max: 100}, Details: percent},
			{ID: DeviceMemoryFree, Name: "Memory Free", Kind: lwm2m.KindInteger, Operations: readOnly, Details: kilobytes},
			{ID: DeviceErrorCode, Name: "Error Code", Kind: lwm2m.KindInteger, Operations: readOnly, Multiple: true, Mandatory: true, Range: lwm2m.Range{Min: 0, Max: 32}},
			{ID: DeviceResetErrorCode, Name: "Reset Error Code", Kind: lwm2m.KindNone, Operations: execute},
			{ID: DeviceCurrentTime, Name: "Current Time", Kind: lwm2m.KindTime, Operations: readWrite},
			{ID: DeviceUTCOffset, Name: "UTC Offset", Kind: lwm2m.KindString, Operations: readWrite},
			{ID: DeviceTimezone, Name: "Timezone", Kind: lwm2m.KindString, Operations: readWrite},
			{ID: DeviceSupportedBindingAndModes, Name: "Supported Binding and Modes", Kind: lwm2m.KindString, Operations: readOnly, Mandatory: true},
			{ID: DeviceType, Name: "Device Type", Kind: lwm2m.KindString, Operations: readOnly},
			{ID: DeviceHardwareVersion, Name: "Hardware Version", Kind: lwm2m.KindString, Operations: readOnly},
			{ID: DeviceSoftwareVersion, Name: "Software Version", Kind: lwm2m.KindString, Operations: readOnly},
			{ID: DeviceBatteryStatus, Name: "Battery Status", Kind: lwm2m.KindInteger, Operations: readOnly, Range: lwm2m.Range{Min: 0, Max: 6}},
			{ID: DeviceMemoryTotal, Name: "Memory Total", Kind: lwm2m.KindInteger, Operations: readOnly, Details: kilobytes},
			{ID: DeviceExtDevInfo, Name: "ExtDevInfo", Kind: lwm2m.KindObjectLink, Operations: readOnly, Multiple: true},
		},
	}
}
