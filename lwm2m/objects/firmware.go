package objects

import "github.com/holdfast-iot/holdfast/lwm2m"

// Resource IDs of the Firmware Update object, /5. There is no resource 4.
const (
	FirmwarePackage             = 0
	FirmwarePackageURI          = 1
	FirmwareUpdate              = 2
	FirmwareState               = 3
	FirmwareUpdateResult        = 5
	FirmwarePkgName             = 6
	FirmwarePkgVersion          = 7
	FirmwareProtocolSupport     = 8
	FirmwareDeliveryMethod      = 9
	FirmwareCancel              = 10
	FirmwareSeverity            = 11
	FirmwareLastStateChangeTime = 12
	FirmwareMaximumDeferPeriod  = 13
)

// Values of /5/0/8, Firmware Update Protocol Support.
const (
	FirmwareCoAP    = 0
	FirmwareCoAPS   = 1
	FirmwareHTTP    = 2 // 1.1
	FirmwareHTTPS   = 3 // 1.1
	FirmwareCoAPTCP = 4
	FirmwareCoAPTLS = 5
)

// Values of /5/0/9, Firmware Update Delivery Method.
const (
	FirmwarePull = 0 // by the Package URI
	FirmwarePush = 1 // by the Package
	FirmwareBoth = 2
)

// Values of /5/0/11, Severity.
const (
	FirmwareCritical  = 0
	FirmwareMandatory = 1 // the default
	FirmwareOptional  = 2
)

// FirmwareUpdateDef is the definition of object /5, version 1.2, without the Automatic
// Upgrade at Download (14) that this version adds: it is optional, and an object does not say
// what it does not do.
func FirmwareUpdateDef() lwm2m.ObjectDef {
	text := lwm2m.Range{Max: 255}
	return lwm2m.ObjectDef{
		ID: Firmware, Name: "Firmware Update", Version: "1.2",
		Resources: []lwm2m.ResourceDef{
			{ID: FirmwarePackage, Name: "Package", Kind: lwm2m.KindOpaque, Operations: writeOnly, Mandatory: true},
			{ID: FirmwarePackageURI, Name: "Package URI", Kind: lwm2m.KindString, Operations: readWrite, Mandatory: true, Range: text},
			{ID: FirmwareUpdate, Name: "Update", Kind: lwm2m.KindNone, Operations: execute, Mandatory: true},
			{ID: FirmwareState, Name: "State", Kind: lwm2m.KindInteger, Operations: readOnly, Mandatory: true, Range: lwm2m.Range{Max: 3}},
			{ID: FirmwareUpdateResult, Name: "Update Result", Kind: lwm2m.KindInteger, Operations: readOnly, Mandatory: true, Range: lwm2m.Range{Max: 11}},
			{ID: FirmwarePkgName, Name: "PkgName", Kind: lwm2m.KindString, Operations: readOnly, Range: text},
			{ID: FirmwarePkgVersion, Name: "PkgVersion", Kind: lwm2m.KindString, Operations: readOnly, Range: text},
			{ID: FirmwareProtocolSupport, Name: "Firmware Update Protocol Support", Kind: lwm2m.KindInteger, Operations: readOnly, Multiple: true, Range: lwm2m.Range{Max: 5}},
			{ID: FirmwareDeliveryMethod, Name: "Firmware Update Delivery Method", Kind: lwm2m.KindInteger, Operations: readOnly, Mandatory: true, Range: lwm2m.Range{Max: 2}},
			{ID: FirmwareCancel, Name: "Cancel", Kind: lwm2m.KindNone, Operations: execute},
			{ID: FirmwareSeverity, Name: "Severity", Kind: lwm2m.KindInteger, Operations: readWrite, Range: lwm2m.Range{Max: 2}},
			{ID: FirmwareLastStateChangeTime, Name: "Last State Change Time", Kind: lwm2m.KindTime, Operations: readOnly},
			{ID: FirmwareMaximumDeferPeriod, Name: "Maximum Defer Period", Kind: lwm2m.KindUnsigned, Operations: readWrite, Details: seconds},
		},
	}
}

// Resource IDs of the LWM2M Software Component object, /14.
const (
	ComponentIdentity        = 0
	ComponentPack            = 1
	ComponentVersion         = 2
	ComponentActivate        = 3
	ComponentDeactivate      = 4
	ComponentActivationState = 5
)

// SoftwareComponentDef is the definition of object /14, version 1.0.
func SoftwareComponentDef() lwm2m.ObjectDef {
	text := lwm2m.Range{Max: 255}
	return lwm2m.ObjectDef{
		ID: SoftwareComponent, Name: "LWM2M Software Component", Version: "1.0", Multiple: true,
		Resources: []lwm2m.ResourceDef{
			{ID: ComponentIdentity, Name: "Component Identity", Kind: lwm2m.KindString, Operations: readOnly, Range: text},
			{ID: ComponentPack, Name: "Component Pack", Kind: lwm2m.KindOpaque, Operations: readOnly},
			{ID: ComponentVersion, Name: "Component Version", Kind: lwm2m.KindString, Operations: readOnly, Range: text},
			{ID: ComponentActivate, Name: "Activate", Kind: lwm2m.KindNone, Operations: execute},
			{ID: ComponentDeactivate, Name: "Deactivate", Kind: lwm2m.KindNone, Operations: execute},
			{ID: ComponentActivationState, Name: "Activation State", Kind: lwm2m.KindBoolean, Operations: readOnly},
		},
	}
}

// Resource IDs of the Manifest object, /10252. There is no resource 0.
const (
	ManifestManifest      = 1
	ManifestState         = 2
	ManifestResult        = 3
	ManifestPayloadResult = 4
	ManifestAssetHash     = 5
	ManifestVersion       = 6
	ManifestProgress      = 7
	ManifestCampaignID    = 8
	ManifestTrigger       = 9
)

// ManifestDef is the definition of object /10252, version 1.0. Its values go further than
// those in the registry of the OMA, as the reference behaviour (docs/recovery.md) has them:
// state and result are -1 where they say nothing, and results are of any family of
// docs/update-results.md.
func ManifestDef() lwm2m.ObjectDef {
	return lwm2m.ObjectDef{
		ID: Manifest, Name: "Manifest", Version: "1.0",
		Resources: []lwm2m.ResourceDef{
			{ID: ManifestManifest, Name: "Manifest", Kind: lwm2m.KindOpaque, Operations: writeOnly, Mandatory: true},
			{ID: ManifestState, Name: "State", Kind: lwm2m.KindInteger, Operations: readOnly, Mandatory: true, Range: lwm2m.Range{Min: -1, Max: 8}},
			{ID: ManifestResult, Name: "Manifest Result", Kind: lwm2m.KindInteger, Operations: readOnly, Mandatory: true, Range: lwm2m.Range{Min: -1, Max: 512}},
			{ID: ManifestPayloadResult, Name: "Payload Result", Kind: lwm2m.KindOpaque, Operations: readOnly, Mandatory: true},
			{ID: ManifestAssetHash, Name: "Asset Hash", Kind: lwm2m.KindOpaque, Operations: readOnly, Mandatory: true},
			{ID: ManifestVersion, Name: "Manifest version", Kind: lwm2m.KindInteger, Operations: readOnly, Mandatory: true},
			{ID: ManifestProgress, Name: "Asset Installation Progress", Kind: lwm2m.KindInteger, Operations: readOnly, Mandatory: true, Details: octets},
			{ID: ManifestCampaignID, Name: "Campaign Id", Kind: lwm2m.KindString, Operations: readWrite, Mandatory: true},
			{ID: ManifestTrigger, Name: "Manual Trigger", Kind: lwm2m.KindNone, Operations: execute, Mandatory: true},
		},
	}
}

// Resource IDs of the Device Metadata object, /10255.
const (
	MetadataProtocolSupported = 0
	MetadataBootloaderHash    = 1
	MetadataOEMBootloaderHash = 2
	MetadataVendor            = 3
	MetadataClass             = 4
	MetadataDevice            = 5
)

// DeviceMetadataDef is the definition of object /10255, version 1.0.
func DeviceMetadataDef() lwm2m.ObjectDef {
	return lwm2m.ObjectDef{
		ID: DeviceMetadata, Name: "Device Metadata", Version: "1.0",
		Resources: []lwm2m.ResourceDef{
			{ID: MetadataProtocolSupported, Name: "Protocol supported", Kind: lwm2m.KindInteger, Operations: readOnly, Mandatory: true},
			{ID: MetadataBootloaderHash, Name: "Bootloader hash", Kind: lwm2m.KindOpaque, Operations: readOnly, Mandatory: true},
			{ID: MetadataOEMBootloaderHash, Name: "OEM bootloader hash", Kind: lwm2m.KindOpaque, Operations: readOnly, Mandatory: true},
			{ID: MetadataVendor, Name: "Vendor", Kind: lwm2m.KindString, Operations: readOnly, Mandatory: true},
			{ID: MetadataClass, Name: "Class", Kind: lwm2m.KindString, Operations: readOnly, Mandatory: true},
			{ID: MetadataDevice, Name: "Device", Kind: lwm2m.KindString, Operations: readOnly, Mandatory: true},
		},
	}
}
