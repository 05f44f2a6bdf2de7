package lwm2m

import "testing"

func TestStandardFormat(t *testing.T) {
	for f, want := range map[Format]Format{
		1541: FormatText, 1542: FormatTLV, 1543: FormatJSON, 1544: FormatOpaque, 99: FormatTLV,
		FormatText: FormatText, FormatTLV: FormatTLV, FormatSenMLCBOR: FormatSenMLCBOR, 1540: 1540, 1545: 1545, 100: 100,
	} {
		if got := f.Standard(); got != want || got.Standard() != want {
			t.Errorf("%d: %d, want %d", f, got, want)
		}
	}
}
