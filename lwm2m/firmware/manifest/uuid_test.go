package manifest

import "testing"

func uuid(t testing.TB, text string) UUID {
	t.Helper()
	u, err := ParseUUID(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// The UUIDs of names are those that the reference client's tools make.
func TestNamedUUIDs(t *testing.T) {
	vendor, err := VendorOf("example.com")
	if err != nil || vendor.String() != "cfbff0d1-9375-5685-968c-48ce8b15ae17" {
		t.Errorf("%s, %v", vendor, err)
	}
	class, err := ClassOf(vendor, "gw-1")
	if err != nil || class.String() != "66dc7f58-95dc-5669-a7cd-3f0d0ec3bc5f" {
		t.Errorf("%s, %v", class, err)
	}
	for _, text := range []string{"66dc7f58-95dc-5669-a7cd-3f0d0ec3bc5f", "66DC7F5895DC5669A7CD3F0D0EC3BC5F"} {
		if u, err := VendorOf(text); err != nil || u != class {
			t.Errorf("%s: %s, %v", text, u, err)
		}
		if u, err := ClassOf(vendor, text); err != nil || u != class {
			t.Errorf("%s: %s, %v", text, u, err)
		}
	}
}

func TestUUIDsAreReadStrictly(t *testing.T) {
	for _, text := range []string{
		"", "66dc7f5895dc5669a7cd3f0d0ec3bc5", "66dc7f5895dc5669a7cd3f0d0ec3bc5f0", "66dc7f58-95dc5669-a7cd-3f0d-0ec3bc5f0000",
		"{66dc7f58-95dc-5669-a7cd-3f0d0ec3bc5f}", "66dc7f58-95dc-5669-a7cd-3f0d0ec3bc5g",
	} {
		if u, err := ParseUUID(text); err == nil || !u.IsZero() {
			t.Errorf("%q is %s", text, u)
		}
	}
	for _, text := range []string{"", "example", ".com", "example.", "example .com", "66dc7f5895dc5669a7cd3f0d0ec3bc5"} {
		if u, err := VendorOf(text); err == nil {
			t.Errorf("%q is the vendor %s", text, u)
		}
	}
	if u, err := ClassOf(UUID{}, ""); err == nil {
		t.Errorf("nothing is the class %s", u)
	}
}
