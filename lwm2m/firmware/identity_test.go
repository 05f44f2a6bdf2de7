package firmware

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// The expected values are those of Python's uuid.uuid5.
func TestIdentities(t *testing.T) {
	vendor, err := VendorID("vendor.example")
	if got := hex.EncodeToString(vendor[:]); err != nil || got != "bcc169656f3a53389d83d8b565c63bc7" {
		t.Errorf("vendor %s, %v", got, err)
	}
	class, err := ClassID(vendor, "gateway mark 2")
	if got := hex.EncodeToString(class[:]); err != nil || got != "26fe95c9844657208da4f411879771eb" {
		t.Errorf("class %s, %v", got, err)
	}
	for _, text := range []string{"00112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-AABBCCDDEEFF", "00112233445566778899aabbccddeeff"} {
		got, err := ClassID(vendor, text)
		if err != nil || hex.EncodeToString(got[:]) != "00112233445566778899aabbccddeeff" {
			t.Errorf("%s: %x, %v", text, got, err)
		}
	}
	if short, err := VendorID("abc-def"); err != nil || short == vendor {
		t.Errorf("a name of hexadecimal digits: %x, %v", short, err)
	}
}

func TestIdentitiesThatAreNone(t *testing.T) {
	for _, text := range []string{
		"", strings.Repeat("a.", 128), "a\x00b", "a\nb", "\xff",
		"00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeefff", "0011223344556677-8899-aabbccddeeff--",
		"00112233445566778899aabbccddeef",
	} {
		if id, err := VendorID(text); !errors.Is(err, ErrIdentity) || id != [16]byte{} {
			t.Errorf("%q: %x, %v", text, id, err)
		}
	}
}
