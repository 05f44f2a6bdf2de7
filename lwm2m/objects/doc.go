// Package objects holds the definitions of the OMA objects that every client has or
// may have (Appendix E of OMA-TS-LightweightM2M_Core-V1_1_1, with the resources that
// version 1.2 of each object adds), those of the objects by which the reference client is
// updated and has its certificates renewed, and names for their IDs.
//
// The operations are those of a management server. On the Security object it has
// none: only the bootstrap interface touches it.
package objects

import (
	"math"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Object IDs.
const (
	Security               = 0
	Server                 = 1
	AccessControl          = 2
	Device                 = 3
	ConnectivityMonitoring = 4
	Firmware               = 5
	Location               = 6
	ConnectivityStatistics = 7
	SoftwareComponent      = 14
	OSCORE                 = 21
	Manifest               = 10252 // of the reference client, as Device Metadata
	DeviceMetadata         = 10255
	CertificateEnrolment   = 35011
)

// Operations as the tables of the specification combine them.
const (
	readOnly  = lwm2m.OpRead
	writeOnly = lwm2m.OpWrite
	readWrite = lwm2m.OpRead | lwm2m.OpWrite
	execute   = lwm2m.OpExecute
)

// notNegative is the range of times in seconds: the specification has no end
// of it, and no meaning for a negative one.
var notNegative = lwm2m.Range{Max: math.MaxInt64}

// Values of /0/x/2, Security Mode.
const (
	ModePSK   = 0 // pre-shared key
	ModeRPK   = 1 // raw public key
	ModeX509  = 2 // certificate
	ModeNoSec = 3
	ModeEST   = 4 // certificate enrolled with EST
)

// Registry is a new registry of all objects that this package defines.
func Registry() *lwm2m.Registry {
	return lwm2m.NewRegistry(
		SecurityDef(), ServerDef(), AccessControlDef(), DeviceDef(),
		ConnectivityMonitoringDef(), LocationDef(), ConnectivityStatisticsDef(),
		FirmwareUpdateDef(), SoftwareComponentDef(), ManifestDef(), DeviceMetadataDef(),
		CertificateEnrolmentDef(),
	)
}

// Core is a new registry of the Security, Server, Access Control and Device objects.
func Core() *lwm2m.Registry {
	return lwm2m.NewRegistry(SecurityDef(), ServerDef(), AccessControlDef(), DeviceDef())
}
