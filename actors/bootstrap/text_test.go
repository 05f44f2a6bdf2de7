package bootstrap

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// LwM2M Core Appendix C, column text/plain.
func TestParseText(t *testing.T) {
	for _, c := range []struct {
		kind lwm2m.Kind
		text string
		want lwm2m.Value
	}{
		{lwm2m.KindString, "a b", lwm2m.String("a b")},
		{lwm2m.KindString, "", lwm2m.String("")},
		{lwm2m.KindCoreLink, "</1>", lwm2m.CoreLink("</1>")},
		{lwm2m.KindInteger, "-5", lwm2m.Integer(-5)},
		{lwm2m.KindUnsigned, "18446744073709551615", lwm2m.Unsigned(1<<64 - 1)},
		{lwm2m.KindBoolean, "0", lwm2m.Boolean(false)},
		{lwm2m.KindBoolean, "1", lwm2m.Boolean(true)},
		{lwm2m.KindOpaque, "AP8=", lwm2m.Opaque([]byte{0, 255})},
		{lwm2m.KindTime, "1700000000", lwm2m.Time(time.Unix(1700000000, 0))},
		{lwm2m.KindObjectLink, "66:0", lwm2m.ObjectLink(66, 0)},
	} {
		if got, ok := parseText(c.kind, []byte(c.text)); !ok || got != c.want {
			t.Errorf("%v %q: got %v, %v", c.kind, c.text, got, ok)
		}
	}
	for _, c := range []struct {
		kind lwm2m.Kind
		text string
	}{
		{lwm2m.KindString, "\xff"},
		{lwm2m.KindCoreLink, "\xff"},
		{lwm2m.KindInteger, ""},
		{lwm2m.KindInteger, "1.0"},
		{lwm2m.KindInteger, "9223372036854775808"},
		{lwm2m.KindUnsigned, "-1"},
		{lwm2m.KindBoolean, "true"},
		{lwm2m.KindOpaque, "AP8"},
		{lwm2m.KindTime, "now"},
		{lwm2m.KindObjectLink, "66"},
		{lwm2m.KindObjectLink, "66:65536"},
		{lwm2m.KindNone, ""},
	} {
		if got, ok := parseText(c.kind, []byte(c.text)); ok {
			t.Errorf("%v %q: got %v", c.kind, c.text, got)
		}
	}
}
