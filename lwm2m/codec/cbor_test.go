package codec

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// readCBOR reads one value of a kind.
func readCBOR(t *testing.T, kind lwm2m.Kind, hex string) (lwm2m.Value, error) {
	target := lwm2m.PathOf(object, 3, uint16(kind))
	p, err := Decode(lwm2m.FormatCBOR, target, valuetest.Unhex(t, hex), registry, lwm2m.Limits{})
	if err != nil {
		return lwm2m.Value{}, err
	}
	return p.Nodes[0].Value, nil
}

// LwM2M Core Appendix C, and the examples of RFC 8949 Appendix A.
func TestCBOR(t *testing.T) {
	for _, tc := range []struct {
		want lwm2m.Value
		hex  string
	}{
		{lwm2m.String("IETF"), "64 49455446"},
		{lwm2m.String(""), "60"},
		{lwm2m.CoreLink("</1>"), "64 3c2f313e"},
		{lwm2m.Integer(0), "00"},
		{lwm2m.Integer(1000000), "1a 000f4240"},
		{lwm2m.Integer(-1000), "39 03e7"},
		{lwm2m.Integer(math.MinInt64), "3b 7fffffffffffffff"},
		{lwm2m.Unsigned(math.MaxUint64), "1b ffffffffffffffff"},
		{lwm2m.Float(100000), "fa 47c35000"},
		{lwm2m.Float(1.1), "fb 3ff199999999999a"},
		{lwm2m.Float(math.Inf(-1)), "fa ff800000"},
		{lwm2m.Boolean(true), "f5"},
		{lwm2m.Boolean(false), "f4"},
		{lwm2m.Opaque([]byte{1, 2, 3, 4}), "44 01020304"},
		{lwm2m.Opaque(nil), "40"},
		{lwm2m.Time(time.Unix(1363896240, 0)), "c1 1a 514b67b0"},
		{lwm2m.ObjectLink(66, 0), "64 36363a30"},
		{lwm2m.ObjectLink(65535, 65535), "6b 36353533353a3635353335"},
	} {
		if got, err := readCBOR(t, tc.want.Kind(), tc.hex); err != nil || got != tc.want {
			t.Errorf("%s: %v, %v, want %v", tc.hex, got, err, tc.want)
		}
		target := lwm2m.PathOf(object, 3, uint16(tc.want.Kind()))
		got, err := Encode(lwm2m.FormatCBOR, target, single(target, tc.want))
		if want := valuetest.Unhex(t, tc.hex); err != nil || string(got) != string(want) {
			t.Errorf("%v: %x, %v, want %x", tc.want, got, err, want)
		}
	}
}

// What others write in another way than we do.
func TestCBOROfOthers(t *testing.T) {
	for _, tc := range []struct {
		want lwm2m.Value
		hex  string
	}{
		{lwm2m.Integer(5), "1b 0000000000000005"},
		{lwm2m.Unsigned(5), "05"},
		{lwm2m.Time(time.Unix(5, 0)), "05"},
		{lwm2m.Time(time.Unix(5, 0)), "d8 01 05"},
		{lwm2m.Time(time.Unix(-5, 0)), "c1 24"},
		{lwm2m.Float(1.5), "f9 3e00"},
		{lwm2m.Float(-4), "23"},
		{lwm2m.Float(10), "0a"},
		{lwm2m.Float(273.15), "c4 82 21 19 6ab3"}, // RFC 8949 section 3.4.4
		{lwm2m.Float(math.MaxUint64), "1b ffffffffffffffff"},
	} {
		if got, err := readCBOR(t, tc.want.Kind(), tc.hex); err != nil || got != tc.want {
			t.Errorf("%s: %v, %v, want %v", tc.hex, got, err, tc.want)
		}
	}
}

func TestNoCBOR(t *testing.T) {
	for _, tc := range []struct {
		name   string
		kind   lwm2m.Kind
		hex    string
		reason lwm2m.Reason
	}{
		{"nothing", lwm2m.KindInteger, "", lwm2m.ReasonTruncated},
		{"a number cut short", lwm2m.KindInteger, "19 01", lwm2m.ReasonTruncated},
		{"a text cut short", lwm2m.KindString, "65 41", lwm2m.ReasonTruncated},
		{"a text of 4 GiB", lwm2m.KindString, "7a ffffffff 41", lwm2m.ReasonTruncated},
		{"bytes of 2^63", lwm2m.KindOpaque, "5b 8000000000000000", lwm2m.ReasonTruncated},
		{"bytes of 2^32 and 1", lwm2m.KindOpaque, "5b 0000000100000001 41", lwm2m.ReasonTruncated},
		{"a text of 2^32 and 1", lwm2m.KindString, "7b 0000000100000001 41", lwm2m.ReasonTruncated},
		{"a fraction of 2^32 and 2", lwm2m.KindFloat, "c4 9b 0000000100000002 01 05", lwm2m.ReasonTruncated},
		{"two items", lwm2m.KindInteger, "01 02", lwm2m.ReasonSyntax},
		{"text in pieces", lwm2m.KindString, "7f 61 41 ff", lwm2m.ReasonSyntax},
		{"bytes in pieces", lwm2m.KindOpaque, "5f 41 41 ff", lwm2m.ReasonSyntax},
		{"an open array", lwm2m.KindInteger, "9f 01 ff", lwm2m.ReasonSyntax},
		{"a break", lwm2m.KindInteger, "ff", lwm2m.ReasonSyntax},
		{"a reserved length", lwm2m.KindInteger, "1c", lwm2m.ReasonSyntax},
		{"invalid UTF-8", lwm2m.KindString, "61 ff", lwm2m.ReasonSyntax},
		{"a deep array", lwm2m.KindFloat, "81 81 81 81 81 81 81 01", lwm2m.ReasonLimit},
		{"a deep tag", lwm2m.KindFloat, "c4 81 81 81 81 81 81 01", lwm2m.ReasonLimit},
		{"many elements", lwm2m.KindFloat, "98 40" + strings.Repeat("01", 64), lwm2m.ReasonLimit},
		{"a time in a time", lwm2m.KindTime, "c1 c1 05", lwm2m.ReasonSyntax},
		{"a tag in a tag", lwm2m.KindFloat, "c4 c4 82 01 05", lwm2m.ReasonStructure},
		{"a tag without content", lwm2m.KindTime, "c1", lwm2m.ReasonTruncated},
		{"a float for an integer", lwm2m.KindInteger, "fa 3f800000", lwm2m.ReasonValue},
		{"NaN for an integer", lwm2m.KindInteger, "f9 7e00", lwm2m.ReasonValue},
		{"NaN for a time", lwm2m.KindTime, "c1 f9 7e00", lwm2m.ReasonValue},
		{"a float for a time", lwm2m.KindTime, "c1 fa 3f800000", lwm2m.ReasonValue},
		{"a text time", lwm2m.KindTime, "c0 74 323031332d30332d32315432303a30343a30305a", lwm2m.ReasonValue},
		{"a time for an integer", lwm2m.KindInteger, "c1 05", lwm2m.ReasonValue},
		{"a fraction for an integer", lwm2m.KindInteger, "c4 82 01 05", lwm2m.ReasonValue},
		{"a fraction of three", lwm2m.KindFloat, "c4 83 01 05 05", lwm2m.ReasonValue},
		{"a fraction too large", lwm2m.KindFloat, "c4 82 19 ffff 05", lwm2m.ReasonValue},
		{"beyond int64", lwm2m.KindInteger, "1b 8000000000000000", lwm2m.ReasonValue},
		{"below int64", lwm2m.KindInteger, "3b 8000000000000000", lwm2m.ReasonValue},
		{"a bignum", lwm2m.KindUnsigned, "c2 49 010000000000000000", lwm2m.ReasonValue},
		{"a negative unsigned", lwm2m.KindUnsigned, "20", lwm2m.ReasonValue},
		{"a number for a boolean", lwm2m.KindBoolean, "01", lwm2m.ReasonValue},
		{"a text for a number", lwm2m.KindInteger, "61 31", lwm2m.ReasonValue},
		{"bytes for a text", lwm2m.KindString, "41 41", lwm2m.ReasonValue},
		{"a text for bytes", lwm2m.KindOpaque, "61 41", lwm2m.ReasonValue},
		{"half a link", lwm2m.KindObjectLink, "62 3636", lwm2m.ReasonValue},
		{"a link out of range", lwm2m.KindObjectLink, "67 36353533363a30", lwm2m.ReasonValue},
		{"null", lwm2m.KindInteger, "f6", lwm2m.ReasonValue},
		{"undefined", lwm2m.KindInteger, "f7", lwm2m.ReasonValue},
		{"a simple value", lwm2m.KindInteger, "f0", lwm2m.ReasonValue},
		{"an array", lwm2m.KindInteger, "81 01", lwm2m.ReasonValue},
		{"a map", lwm2m.KindInteger, "a1 00 01", lwm2m.ReasonValue},
	} {
		got, err := readCBOR(t, tc.kind, tc.hex)
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != tc.reason || de.Format != "cbor" {
			t.Errorf("%s: %v, %v, want %q", tc.name, got, err, tc.reason)
		}
	}
}

// An item tells the type of a resource that nobody has defined.
func TestCBOROfUnknownResources(t *testing.T) {
	target := lwm2m.PathOf(4711, 0, 1)
	for hex, want := range map[string]lwm2m.Value{
		"05": lwm2m.Integer(5), "1b ffffffffffffffff": lwm2m.Unsigned(math.MaxUint64), "fa 3fc00000": lwm2m.Float(1.5),
		"f5": lwm2m.Boolean(true), "61 41": lwm2m.String("A"), "41 41": lwm2m.Opaque([]byte("A")),
		"c1 05": lwm2m.Time(time.Unix(5, 0)), "c4 82 20 05": lwm2m.Float(0.5),
	} {
		p, err := Decode(lwm2m.FormatCBOR, target, valuetest.Unhex(t, hex), registry, lwm2m.Limits{})
		if err != nil || p.Nodes[0] != (lwm2m.Node{Path: target, Value: want, Unknown: true}) {
			t.Errorf("%s: %v, %v", hex, p.Nodes, err)
		}
	}
	for _, hex := range []string{"f6", "80", "a0", "c2 41 01", "c1 61 41"} {
		if p, err := Decode(lwm2m.FormatCBOR, target, valuetest.Unhex(t, hex), registry, lwm2m.Limits{}); err == nil {
			t.Errorf("%s: %v", hex, p.Nodes)
		}
	}
}

func TestCBORKeepsNoSecret(t *testing.T) {
	_, err := readCBOR(t, lwm2m.KindInteger, "66 534543524554")
	if err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Error(err)
	}
}
