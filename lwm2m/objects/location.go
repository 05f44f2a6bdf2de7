package objects

import "github.com/holdfast-iot/holdfast/lwm2m"

// Resource IDs of the Location object, /6.
const (
	LocationLatitude  = 0
	LocationLongitude = 1
	LocationAltitude  = 2
	LocationRadius    = 3
	LocationVelocity  = 4
	LocationTimestamp = 5
	LocationSpeed     = 6
)

// LocationDef is the definition of object /6, version 1.0.
func LocationDef() lwm2m.ObjectDef {
	return lwm2m.ObjectDef{
		ID: Location, Name: "Location", Version: "1.0",
		Resources: []lwm2m.ResourceDef{
			{ID: LocationLatitude, Name: "Latitude", Kind: lwm2m.KindFloat, Operations: readOnly, Mandatory: true, Details: degrees},
			{ID: LocationLongitude, Name: "Longitude", Kind: lwm2m.KindFloat, Operations: readOnly, Mandatory: true, Details: degrees},
			{ID: LocationAltitude, Name: "Altitude", Kind: lwm2m.KindFloat, Operations: readOnly, Details: metres},
			{ID: LocationRadius, Name: "Radius", Kind: lwm2m.KindFloat, Operations: readOnly, Details: metres},
			{ID: LocationVelocity, Name: "Velocity", Kind: lwm2m.KindOpaque, Operations: readOnly},
			{ID: LocationTimestamp, Name: "Timestamp", Kind: lwm2m.KindTime, Operations: readOnly, Mandatory: true},
			{ID: LocationSpeed, Name: "Speed", Kind: lwm2m.KindFloat, Operations: readOnly, Details: metresPerSecond},
		},
	}
}
