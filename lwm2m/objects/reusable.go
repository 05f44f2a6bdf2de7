package objects

import (
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Reusable is what the OMA's registry says of a reusable resource from 5500 to 5999: name
// and kind, which it has in every object, so that a temperature (5700) has a name without the
// definition of its object. Operations and units depend on the object, and are left out.
func Reusable(id uint16) (lwm2m.ResourceDef, bool) {
	at, found := slices.BinarySearchFunc(reusable, id, func(r lwm2m.ResourceDef, id uint16) int { return int(r.ID) - int(id) })
	if !found {
		return lwm2m.ResourceDef{}, false
	}
	return reusable[at], true
}

// Reusables are all of them, sorted.
func Reusables() []lwm2m.ResourceDef { return slices.Clone(reusable) }

// reusable are those resources, sorted.
var reusable = []lwm2m.ResourceDef{
	{ID: 5500, Kind: lwm2m.KindBoolean, Name: "Digital Input State"},
	{ID: 5501, Kind: lwm2m.KindInteger, Name: "Digital Input Counter"},
	{ID: 5502, Kind: lwm2m.KindBoolean, Name: "Digital Input Polarity"},
	{ID: 5503, Kind: lwm2m.KindInteger, Name: "Digital Input Debounce"},
	{ID: 5504, Kind: lwm2m.KindInteger, Name: "Digital Input Edge Selection"},
	{ID: 5505, Kind: lwm2m.KindNone, Name: "Digital Input Counter Reset"},
	{ID: 5506, Kind: lwm2m.KindTime, Name: "Current Time"},
	{ID: 5507, Kind: lwm2m.KindFloat, Name: "Fractional Time"},
	{ID: 5508, Kind: lwm2m.KindFloat, Name: "Min X Value"},
	{ID: 5509, Kind: lwm2m.KindFloat, Name: "Max X Value"},
	{ID: 5510, Kind: lwm2m.KindFloat, Name: "Min Y Value"},
	{ID: 5511, Kind: lwm2m.KindFloat, Name: "Max Y Value"},
	{ID: 5512, Kind: lwm2m.KindFloat, Name: "Min Z Value"},
	{ID: 5513, Kind: lwm2m.KindFloat, Name: "Max Z Value"},
	{ID: 5514, Kind: lwm2m.KindString, Name: "Latitude"},
	{ID: 5515, Kind: lwm2m.KindString, Name: "Longitude"},
	{ID: 5516, Kind: lwm2m.KindString, Name: "Uncertainty"},
	{ID: 5517, Kind: lwm2m.KindOpaque, Name: "Velocity"},
	{ID: 5518, Kind: lwm2m.KindTime, Name: "Timestamp"},
	{ID: 5519, Kind: lwm2m.KindFloat, Name: "Min Limit"},
	{ID: 5520, Kind: lwm2m.KindFloat, Name: "Max Limit"},
	{ID: 5521, Kind: lwm2m.KindFloat, Name: "Delay Duration"},
	{ID: 5522, Kind: lwm2m.KindOpaque, Name: "Clip"},
	{ID: 5523, Kind: lwm2m.KindNone, Name: "Trigger"},
	{ID: 5524, Kind: lwm2m.KindFloat, Name: "Duration"},
	{ID: 5525, Kind: lwm2m.KindFloat, Name: "Minimum Off-time"},
	{ID: 5526, Kind: lwm2m.KindInteger, Name: "Timer Mode"},
	{ID: 5527, Kind: lwm2m.KindString, Name: "Text"},
	{ID: 5528, Kind: lwm2m.KindInteger, Name: "X Coordinate"},
	{ID: 5529, Kind: lwm2m.KindInteger, Name: "Y Coordinate"},
	{ID: 5530, Kind: lwm2m.KindNone, Name: "Clear Display"},
	{ID: 5531, Kind: lwm2m.KindFloat, Name: "Contrast"},
	{ID: 5532, Kind: lwm2m.KindBoolean, Name: "Increase Input State"},
	{ID: 5533, Kind: lwm2m.KindBoolean, Name: "Decrease Input State"},
	{ID: 5534, Kind: lwm2m.KindInteger, Name: "Counter"},
	{ID: 5535, Kind: lwm2m.KindFloat, Name: "Calibration Offset"},
	{ID: 5536, Kind: lwm2m.KindFloat, Name: "Current Position"},
	{ID: 5537, Kind: lwm2m.KindFloat, Name: "Transition Time"},
	{ID: 5538, Kind: lwm2m.KindFloat, Name: "Remaining Time"},
	{ID: 5541, Kind: lwm2m.KindInteger, Name: "Up Counter"},
	{ID: 5542, Kind: lwm2m.KindInteger, Name: "Down Counter"},
	{ID: 5543, Kind: lwm2m.KindBoolean, Name: "Digital State"},
	{ID: 5544, Kind: lwm2m.KindFloat, Name: "Cumulative Time"},
	{ID: 5545, Kind: lwm2m.KindInteger, Name: "Max X Coordinate"},
	{ID: 5546, Kind: lwm2m.KindInteger, Name: "Max Y Coordinate"},
	{ID: 5547, Kind: lwm2m.KindInteger, Name: "Multi-state Input"},
	{ID: 5548, Kind: lwm2m.KindFloat, Name: "Level"},
	{ID: 5550, Kind: lwm2m.KindBoolean, Name: "Digital Output State"},
	{ID: 5551, Kind: lwm2m.KindBoolean, Name: "Digital Output Polarity"},
	{ID: 5600, Kind: lwm2m.KindFloat, Name: "Analog Input Current Value"},
	{ID: 5601, Kind: lwm2m.KindFloat, Name: "Min Measured Value"},
	{ID: 5602, Kind: lwm2m.KindFloat, Name: "Max Measured Value"},
	{ID: 5603, Kind: lwm2m.KindFloat, Name: "Min Range Value"},
	{ID: 5604, Kind: lwm2m.KindFloat, Name: "Max Range Value"},
	{ID: 5605, Kind: lwm2m.KindNone, Name: "Reset Min and Max Measured Values"},
	{ID: 5650, Kind: lwm2m.KindFloat, Name: "Analog Output Current Value"},
	{ID: 5700, Kind: lwm2m.KindFloat, Name: "Sensor Value"},
	{ID: 5701, Kind: lwm2m.KindString, Name: "Sensor Units"},
	{ID: 5702, Kind: lwm2m.KindFloat, Name: "X Value"},
	{ID: 5703, Kind: lwm2m.KindFloat, Name: "Y Value"},
	{ID: 5704, Kind: lwm2m.KindFloat, Name: "Z Value"},
	{ID: 5705, Kind: lwm2m.KindFloat, Name: "Compass Direction"},
	{ID: 5706, Kind: lwm2m.KindString, Name: "Colour"},
	{ID: 5750, Kind: lwm2m.KindString, Name: "Application Type"},
	{ID: 5751, Kind: lwm2m.KindString, Name: "Sensor Type"},
	{ID: 5800, Kind: lwm2m.KindFloat, Name: "Instantaneous active power"},
	{ID: 5801, Kind: lwm2m.KindFloat, Name: "Min Measured active power"},
	{ID: 5802, Kind: lwm2m.KindFloat, Name: "Max Measured active power"},
	{ID: 5803, Kind: lwm2m.KindFloat, Name: "Min Range active power"},
	{ID: 5804, Kind: lwm2m.KindFloat, Name: "Max Range active power"},
	{ID: 5805, Kind: lwm2m.KindFloat, Name: "Cumulative active power"},
	{ID: 5806, Kind: lwm2m.KindFloat, Name: "Active Power Calibration"},
	{ID: 5810, Kind: lwm2m.KindFloat, Name: "Instantaneous reactive power"},
	{ID: 5811, Kind: lwm2m.KindFloat, Name: "Min Measured reactive power"},
	{ID: 5812, Kind: lwm2m.KindFloat, Name: "Max Measured reactive power"},
	{ID: 5813, Kind: lwm2m.KindFloat, Name: "Min Range reactive power"},
	{ID: 5814, Kind: lwm2m.KindFloat, Name: "Max Range reactive power"},
	{ID: 5815, Kind: lwm2m.KindFloat, Name: "Cumulative reactive power"},
	{ID: 5816, Kind: lwm2m.KindFloat, Name: "Reactive Power Calibration"},
	{ID: 5820, Kind: lwm2m.KindFloat, Name: "Power factor"},
	{ID: 5821, Kind: lwm2m.KindFloat, Name: "Current Calibration"},
	{ID: 5822, Kind: lwm2m.KindNone, Name: "Reset Cumulative energy"},
	{ID: 5823, Kind: lwm2m.KindString, Name: "Event Identifier"},
	{ID: 5824, Kind: lwm2m.KindTime, Name: "Start Time"},
	{ID: 5825, Kind: lwm2m.KindInteger, Name: "Duration In Min"},
	{ID: 5826, Kind: lwm2m.KindInteger, Name: "Criticality Level"},
	{ID: 5827, Kind: lwm2m.KindInteger, Name: "Avg Load AdjPct"},
	{ID: 5828, Kind: lwm2m.KindInteger, Name: "Duty Cycle"},
	{ID: 5850, Kind: lwm2m.KindBoolean, Name: "On/Off"},
	{ID: 5851, Kind: lwm2m.KindInteger, Name: "Dimmer"},
	{ID: 5852, Kind: lwm2m.KindInteger, Name: "On time"},
	{ID: 5853, Kind: lwm2m.KindString, Name: "Multi-state Output"},
	{ID: 5854, Kind: lwm2m.KindInteger, Name: "Off Time"},
	{ID: 5900, Kind: lwm2m.KindFloat, Name: "Set Point Value"},
	{ID: 5903, Kind: lwm2m.KindInteger, Name: "Busy to Clear delay"},
	{ID: 5904, Kind: lwm2m.KindInteger, Name: "Clear to Busy delay"},
	{ID: 5905, Kind: lwm2m.KindString, Name: "Host Device Manufacturer"},
	{ID: 5906, Kind: lwm2m.KindString, Name: "Host Device Model Number"},
	{ID: 5907, Kind: lwm2m.KindString, Name: "Host Device Unique ID"},
	{ID: 5908, Kind: lwm2m.KindString, Name: "Host Device Software Version"},
	{ID: 5910, Kind: lwm2m.KindInteger, Name: "Bitmap Input"},
	{ID: 5911, Kind: lwm2m.KindNone, Name: "Bitmap Input Reset"},
	{ID: 5912, Kind: lwm2m.KindString, Name: "Element Description"},
}
