package objects

import "github.com/holdfast-iot/holdfast/lwm2m"

// Units of the resources of LwM2M's own objects: as the OMA's registry has them, or as it says
// in the description. All definitions share them.
var (
	seconds           = &lwm2m.Details{Units: "s"}
	percent           = &lwm2m.Details{Units: "%"}
	millivolts        = &lwm2m.Details{Units: "mV"}
	milliamperes      = &lwm2m.Details{Units: "mA"}
	kilobytes         = &lwm2m.Details{Units: "kB"}
	octets            = &lwm2m.Details{Units: "B"}
	decibels          = &lwm2m.Details{Units: "dB"}
	decibelMilliwatts = &lwm2m.Details{Units: "dBm"}
	degrees           = &lwm2m.Details{Units: "deg"}
	metres            = &lwm2m.Details{Units: "m"}
	metresPerSecond   = &lwm2m.Details{Units: "m/s"}
)
