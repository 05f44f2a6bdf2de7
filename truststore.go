package holdfast

import (
	"github.com/holdfast-iot/holdfast/actors/network"
	"github.com/holdfast-iot/holdfast/internal/credfile"
)

// readTrustStore reads the authorities of the device.
func (c Config) readTrustStore() (credfile.TrustStore, []Fault) {
	store, wrong := credfile.ReadTrustStore(c.TrustStore, c.TrustStoreAnchors, c.TrustStore == TrustStoreSystem)
	var faults []Fault
	for _, f := range wrong {
		faults = append(faults, Fault{Key: f.Key, Problem: f.Problem, Err: f.Err})
	}
	return store, faults
}

// trustStore has the authorities of the device read by a link; nil where there are
// none.
func (c Config) trustStore() network.TrustStore {
	if !c.hasTrustStore() {
		return nil
	}
	return func() (network.Authorities, error) {
		store, faults := c.readTrustStore()
		if len(faults) > 0 {
			return network.Authorities{}, &CredentialsError{Faults: faults}
		}
		return network.Authorities{Pool: store.Pool, List: store.List}, nil
	}
}
