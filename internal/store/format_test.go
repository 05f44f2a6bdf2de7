package store

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestFormatRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9_-]{1,32}`).Draw(t, "name")
		generation := rapid.Uint64().Draw(t, "generation")
		payload := rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		h, got, err := decode(encode(name, generation, payload))
		if err != nil || h != (header{name, generation}) || !bytes.Equal(got, payload) {
			t.Fatalf("decode = %+v, %x, %v", h, got, err)
		}
	})
}

// The layout is what devices in the field have on disk.
func TestFormatIsStable(t *testing.T) {
	want := "\x89HFR\r\n\x1a\n" + "\x00\x01" + "\x00\x05" + "\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\x00\x00\x00\x00\x00\x00\x00\x03" + "state" + "abc"
	got := encode("state", 7, []byte("abc"))
	if len(got) != len(want)+32 || string(got[:len(want)]) != want {
		t.Errorf("encode = %q, want %q and a checksum", got, want)
	}
	if file := recordFile("state", 7); file != "state.00000000000000000007.rec" {
		t.Errorf("file = %q", file)
	}
}

func FuzzDecode(f *testing.F) {
	good := encode("credentials", 3, []byte("payload"))
	f.Add(good)
	f.Add(good[:headerLen])
	f.Add(good[:len(good)-1])
	f.Add(flip(good, 20, 0xff))
	f.Add(flip(good, 10, 0xff))
	f.Add(encode("", 0, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, err := decode(b)
		if err != nil {
			if !isDamage(err) {
				t.Errorf("error %v is no Damage", err)
			}
			return
		}
		if !bytes.Equal(encode(h.name, h.generation, payload), b) {
			t.Errorf("%+v was read from another form", h)
		}
	})
}

func FuzzParseEntry(f *testing.F) {
	f.Add("state.00000000000000000007.rec", "state")
	f.Add("state.00000000000000000007.damaged", "state")
	f.Add("state.18446744073709551615.tmp", "state")
	f.Add("state.+0000000000000000007.rec", "state")
	f.Fuzz(func(t *testing.T, file, name string) {
		e, ok := parseEntry(file, name)
		if !ok {
			return
		}
		if e != newEntry(name, e.generation, e.ext) || e.file != file || e.generation > generationMax {
			t.Errorf("parseEntry(%q, %q) = %+v", file, name, e)
		}
	})
}

func TestForeignFilesAreIgnored(t *testing.T) {
	files := []string{"lock", "state", "state.rec", "state.7.rec", "state.00000000000000000007.rec.bak",
		"state.00000000000000000007.REC", "state.18446744073709551615.rec", "state.99999999999999999999.rec",
		"state2.00000000000000000007.rec", ".state.00000000000000000007.rec", "state.0000000000000000000x.rec"}
	if l := newListing("state", files); l.last != 0 || len(slices.Concat(l.records, l.temps, l.damaged)) != 0 {
		t.Errorf("listing = %+v", l)
	}
}

func TestDamageText(t *testing.T) {
	for d := DamageNotRegular; d <= DamageIdentity; d++ {
		if damageText[d] == "" || !errors.Is(&ReadError{Err: d}, d) {
			t.Errorf("damage %d: %q", d, d)
		}
	}
	if got := Damage(99).Error(); got != "damage 99" {
		t.Errorf("unknown damage = %q", got)
	}
}
