package update

import (
	"crypto/ecdsa"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
)

// Manifest is what an update needs of a manifest.
type Manifest struct {
	URI        string
	Version    string
	Size       int64 // bytes
	Digest     [32]byte
	VendorData []byte
}

// Manifests returns a reader of manifests, for [Config]: of those that one of the keys has
// signed, for this vendor and class, and newer than what is installed.
func Manifests(trust []*ecdsa.PublicKey, vendor, class manifest.UUID, maxImage int64) func([]byte, string) (*Manifest, error) {
	return func(data []byte, installed string) (*Manifest, error) {
		version, _ := manifest.ParseVersion(installed) // one that is none is older than any
		m, err := manifest.Accept(data, trust, manifest.Device{
			Vendor: vendor, Class: class, MaxImage: maxImage,
			Components: map[string]manifest.Version{mainComponent: version},
		})
		if err != nil {
			return nil, err
		}
		return &Manifest{
			URI: m.URI, Version: m.Version.String(), Size: m.Size, Digest: m.Digest, VendorData: m.VendorData,
		}, nil
	}
}
