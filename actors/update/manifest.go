package update

// Manifest is what an update needs of a manifest.
type Manifest struct {
	URI        string
	Version    string
	Component  string
	Size       int64 // bytes
	Digest     [32]byte
	VendorData []byte
}
