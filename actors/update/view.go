package update

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// View is what the objects show.
type View struct {
	Reported map[string]int64 // by path
	Owed     []string         // of those, the paths whose value no server has yet
	Server   uint16           // short server ID of the one that is waited for; 0 for any
	URI      string
	Name     string // SHA-256 of the last image, hexadecimal
	Hash     []byte
	Version  string // of the last image
	Changed  time.Time
	Severity int64
	MaxDefer *uint64
	Campaign string
	Progress int64 // bytes of the image

	Installed     string
	Vendor, Class [16]byte
}

// view is what the objects show at present.
func (m *Machine) view() View {
	r := &m.record
	v := View{
		Reported: map[string]int64{}, Owed: slices.Clone(r.Unread), URI: r.URI, Name: r.Name, Version: r.Package, Changed: r.Changed,
		Severity: r.Severity, MaxDefer: r.MaxDefer, Campaign: r.Campaign,
		Installed: m.installed(), Vendor: m.config.Vendor, Class: m.config.Class,
	}
	for path, value := range r.Shown {
		v.Reported[path] = value
	}
	if len(r.Outbox) > 0 {
		v.Owed = append(v.Owed, r.Outbox[0].Path)
	}
	if only := m.candidates(); len(only) == 1 && only[0].peer.ID == r.Server {
		v.Server = r.Server
	}
	v.Hash, _ = hex.DecodeString(r.Name)
	v.Progress, _ = m.progress()
	return v
}

// resources lists what an object has, by ID.
func (v *View) resources(object uint16) []lwm2m.Resource {
	switch object {
	case firmware.ObjectUpdate:
		return v.update()
	case firmware.ObjectManifest:
		return v.manifest()
	case firmware.ObjectComponent:
		return []lwm2m.Resource{
			single(objects.ComponentIdentity, lwm2m.String(mainComponent)), single(objects.ComponentVersion, lwm2m.String(v.Installed)),
		}
	}
	return []lwm2m.Resource{
		single(objects.MetadataProtocolSupported, lwm2m.Integer(protocolVersion)), single(objects.MetadataVendor, lwm2m.String(firmware.UUID(v.Vendor))),
		single(objects.MetadataClass, lwm2m.String(firmware.UUID(v.Class))),
	}
}

// protocolVersion is the family of results and manifests that is spoken: the newest.
const protocolVersion = 4

func (v *View) reported(path lwm2m.Path) lwm2m.Resource {
	return single(path.Resource(), lwm2m.Integer(v.Reported[path.String()]))
}

func (v *View) update() []lwm2m.Resource {
	all := []lwm2m.Resource{
		single(objects.FirmwarePackageURI, lwm2m.String(v.URI)), v.reported(firmware.PathState), v.reported(firmware.PathResult),
		single(objects.FirmwarePkgName, lwm2m.String(v.Name)), single(objects.FirmwarePkgVersion, lwm2m.String(v.Version)),
		{ID: objects.FirmwareProtocolSupport, Multiple: true, Instances: protocols()},
		single(objects.FirmwareDeliveryMethod, lwm2m.Integer(objects.FirmwareBoth)), single(objects.FirmwareSeverity, lwm2m.Integer(v.Severity)),
	}
	if !v.Changed.IsZero() {
		all = append(all, single(objects.FirmwareLastStateChangeTime, lwm2m.Time(v.Changed)))
	}
	if v.MaxDefer != nil {
		all = append(all, single(objects.FirmwareMaximumDeferPeriod, lwm2m.Unsigned(*v.MaxDefer)))
	}
	return all
}

func (v *View) manifest() []lwm2m.Resource {
	return []lwm2m.Resource{
		v.reported(firmware.PathManifestState), v.reported(firmware.PathManifestResult),
		single(objects.ManifestPayloadResult, lwm2m.Opaque(nil)), // the reference behaviour puts what an application returns there
		single(objects.ManifestAssetHash, lwm2m.Opaque(v.Hash)), single(objects.ManifestVersion, lwm2m.Integer(schemaVersion)),
		single(objects.ManifestProgress, lwm2m.Integer(v.Progress)), single(objects.ManifestCampaignID, lwm2m.String(v.Campaign)),
	}
}

// schemaVersion is that of the manifests that are read.
const schemaVersion = 3

// protocols are the values of /5/0/8: CoAP, CoAPS, HTTP and HTTPS.
func protocols() (all []lwm2m.ResourceInstance) {
	for id := range uint16(4) {
		all = append(all, lwm2m.ResourceInstance{ID: id, Value: lwm2m.Integer(int64(id))})
	}
	return all
}

func single(id uint16, value lwm2m.Value) lwm2m.Resource { return lwm2m.Resource{ID: id, Value: value} }

// mainComponent is the one component that there is.
const mainComponent = manifest.DefaultComponent
