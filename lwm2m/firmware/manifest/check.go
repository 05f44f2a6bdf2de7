package manifest

import (
	"crypto/ecdsa"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// Device is what a manifest has to be for.
type Device struct {
	Vendor UUID
	Class  UUID
	// Components are the installed versions, by the names of components; the zero Version
	// where it is not known, so that every version is greater.
	Components map[string]Version
	MaxImage   int64 // bytes of the greatest image; 0 for no limit
}

// Accept reads a manifest, and says whether it may be carried out: signed by a trusted key,
// for this device, with an image that is newer and that can be installed. The checks go in the
// order of the reference client: frame and schema, signature, fields, vendor, class, component,
// version, format, size. The cause of the error is that of the first that fails.
func Accept(data []byte, trust []*ecdsa.PublicKey, d Device) (Manifest, error) {
	s, err := Parse(data)
	if err != nil {
		return Manifest{}, err
	}
	if err := s.Verify(trust); err != nil {
		return Manifest{}, err
	}
	m, err := s.Read()
	if err != nil {
		return Manifest{}, err
	}
	return m, m.Fits(d)
}

// Fits says whether the manifest is for a device.
func (m Manifest) Fits(d Device) error {
	installed, known := d.Components[m.Component]
	switch {
	case m.Vendor != d.Vendor:
		return refuse(firmware.CauseWrongVendor, "vendor %s, and the gateway has %s", m.Vendor, d.Vendor)
	case m.Class != d.Class:
		return refuse(firmware.CauseWrongClass, "class %s, and the gateway has %s", m.Class, d.Class)
	case !known:
		return refuse(firmware.CauseWrongComponent, "component %q", m.Component)
	case m.Version.Compare(installed) <= 0:
		return refuse(firmware.CauseVersionRejected, "version %s, and %s is installed", m.Version, installed)
	case m.Format != FormatRaw:
		return refuse(firmware.CauseUnsupportedPayload, "%s, and only %s can be installed", m.Format, FormatRaw)
	case d.MaxImage > 0 && m.Size > d.MaxImage:
		return refuse(firmware.CauseTooBig, "%d bytes, and %d are allowed", m.Size, d.MaxImage)
	}
	return nil
}
