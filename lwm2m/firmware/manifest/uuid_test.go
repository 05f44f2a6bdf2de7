package manifest

import (
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

func uuid(t testing.TB, text string) UUID {
	t.Helper()
	u, err := firmware.VendorID(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// The UUIDs of names are those that the reference client's tool has put into its manifests.
func TestNamesAsInReferenceManifests(t *testing.T) {
	s, err := Parse(reference(t, "raw.der"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Read()
	if err != nil {
		t.Fatal(err)
	}
	if vendor := uuid(t, "example.com"); m.Vendor != vendor || vendor.String() != "cfbff0d1-9375-5685-968c-48ce8b15ae17" {
		t.Errorf("%s, not %s", vendor, m.Vendor)
	}
	class, err := firmware.ClassID(m.Vendor, "gw-1")
	if err != nil || m.Class != class {
		t.Errorf("%x, not %s: %v", class, m.Class, err)
	}
}
