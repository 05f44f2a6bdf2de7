package lwm2m

import (
	"math"
	"testing"
	"time"
)

func TestParseValue(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		text string
		want Value
	}{
		{KindString, "", String("")},
		{KindString, "hex:00", String("hex:00")},
		{KindCoreLink, "</3>", CoreLink("</3>")},
		{KindInteger, "-5", Integer(-5)},
		{KindUnsigned, "18446744073709551615", Unsigned(math.MaxUint64)},
		{KindFloat, "-1.5e3", Float(-1500)},
		{KindBoolean, "true", Boolean(true)},
		{KindBoolean, "0", Boolean(false)},
		{KindOpaque, "hex:0a1b", Opaque([]byte{0x0a, 0x1b})},
		{KindOpaque, "base64:Chs=", Opaque([]byte{0x0a, 0x1b})},
		{KindTime, "5", Time(time.Unix(5, 0))},
		{KindTime, "2026-01-31T12:00:00Z", Time(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))},
		{KindObjectLink, "3303:65535", ObjectLink(3303, 65535)},
	} {
		if v, ok := ParseValue(c.kind, c.text); !ok || v != c.want {
			t.Errorf("%s %q became %v, %t", c.kind, c.text, v, ok)
		}
	}
	for kind, texts := range map[Kind][]string{
		KindString: {"caf\xe9"}, KindCoreLink: {"</\xff>"}, KindInteger: {"", "1.5", "0x10", "9223372036854775808"}, KindUnsigned: {"-1"}, KindFloat: {"", "NaN", "Inf", "0x1p4", "1_0", "1e999"},
		KindBoolean: {"", "yes", "TRUE"}, KindOpaque: {"", "0a", "hex:0", "hex:zz", "base64:Chs"}, KindTime: {"", "now", "2026-01-31"},
		KindObjectLink: {"3303", "3303:", ":0", "65536:0", "-1:0"}, KindNone: {"", "x"},
	} {
		for _, text := range texts {
			if v, ok := ParseValue(kind, text); ok {
				t.Errorf("%s %q became %v", kind, text, v)
			}
		}
	}
}
