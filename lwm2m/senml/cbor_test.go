package senml

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Short names for what stands in every table.
var (
	path         = valuetest.Path
	node         = valuetest.Node
	unhex        = valuetest.Unhex
	testRegistry = valuetest.Registry
)

// m is a record with CBOR labels.
type m = map[any]any

func pack(t testing.TB, records ...m) []byte {
	b, err := cbor.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The pack [{"bn":"/3/0/","n":"0","vs":"Acme"},{"n":"6/0","v":1}].
const example = "82" +
	"a3 21 65 2f332f302f 00 61 30 03 64 41636d65" +
	"a2 00 63 362f30 02 01"

func TestExample(t *testing.T) {
	nodes := []lwm2m.Node{node("/3/0/0", lwm2m.String("Acme")), node("/3/0/6/0", lwm2m.Integer(1))}
	got, err := DecodeCBOR(path("/3/0"), unhex(t, example), testRegistry())
	if err != nil || !slices.Equal(got.Nodes, nodes) {
		t.Errorf("decoded: %v, %v", got, err)
	}
	if !slices.Equal(got.Instances, []lwm2m.Path{path("/3/0")}) || !slices.Equal(got.Multiples, []lwm2m.Path{path("/3/0/6")}) {
		t.Errorf("mentioned: %v, %v", got.Instances, got.Multiples)
	}
	b, err := EncodeCBOR(path("/3/0"), lwm2m.Payload{Nodes: nodes})
	if want := unhex(t, example); err != nil || !slices.Equal(b, want) {
		t.Errorf("encoded:\n%x\n%x, %v", b, want, err)
	}
}

func TestEncodeBaseNames(t *testing.T) {
	one := lwm2m.Integer(1)
	for _, tc := range []struct {
		target string
		nodes  []lwm2m.Node
		want   string
	}{
		{"/", []lwm2m.Node{node("/3/0/9", one)}, "81 a3 21 61 2f 00 65 332f302f39 02 01"},
		{"/3", []lwm2m.Node{node("/3/0/9", one)}, "81 a3 21 63 2f332f 00 63 302f39 02 01"},
		{"/3/0/9", []lwm2m.Node{node("/3/0/9", one)}, "81 a2 21 66 2f332f302f39 02 01"},
		{"/3/0/6", []lwm2m.Node{node("/3/0/6/1", one)}, "81 a3 21 67 2f332f302f362f 00 61 31 02 01"},
		{"/3/0/6/1", []lwm2m.Node{node("/3/0/6/1", one)}, "81 a2 21 68 2f332f302f362f31 02 01"},
		{"/3/0", nil, "80"},
	} {
		got, err := EncodeCBOR(path(tc.target), lwm2m.Payload{Nodes: tc.nodes})
		if err != nil || !slices.Equal(got, unhex(t, tc.want)) {
			t.Errorf("%s: %x, %v", tc.target, got, err)
		}
	}
}

func TestEncodeValues(t *testing.T) {
	for _, tc := range []struct {
		v    lwm2m.Value
		want string // label and content
	}{
		{lwm2m.String(""), "03 60"},
		{lwm2m.CoreLink("</3>"), "03 64 3c2f333e"},
		{lwm2m.Integer(-1), "02 20"},
		{lwm2m.Unsigned(math.MaxUint64), "02 1b ffffffffffffffff"},
		{lwm2m.Float(0), "02 fa 00000000"},
		{lwm2m.Float(0.1), "02 fb 3fb999999999999a"},
		{lwm2m.Float(math.Inf(1)), "02 fa 7f800000"},
		{lwm2m.Boolean(false), "04 f4"},
		{lwm2m.Boolean(true), "04 f5"},
		{lwm2m.Opaque(nil), "08 40"},
		{lwm2m.Opaque([]byte{1, 2}), "08 42 0102"},
		{lwm2m.Time(time.Unix(1367491215, 0)), "02 1a 5182428f"},
		{lwm2m.ObjectLink(66, 0), "63 766c6f 64 36363a30"},
	} {
		got, err := EncodeCBOR(path("/9/0/1"), lwm2m.Payload{Nodes: []lwm2m.Node{node("/9/0/1", tc.v)}})
		if want := unhex(t, "81 a2 21 66 2f392f302f31"+tc.want); err != nil || !slices.Equal(got, want) {
			t.Errorf("%#v: %x, %v", tc.v, got, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	one := lwm2m.Integer(1)
	for _, tc := range []struct {
		target string
		nodes  []lwm2m.Node
		want   lwm2m.Reason
	}{
		{"/3/0", []lwm2m.Node{node("/3/1/0", one)}, lwm2m.ReasonPath},
		{"/3", []lwm2m.Node{node("/3/1", one)}, lwm2m.ReasonPath},
		{"/3/0", []lwm2m.Node{node("/3/0/4", lwm2m.Value{})}, lwm2m.ReasonMismatch},
		{"/3/0/6", []lwm2m.Node{node("/3/0/6", one), node("/3/0/6/1", one)}, lwm2m.ReasonDuplicate},
		{"/3/0/9", []lwm2m.Node{node("/3/0/9", one), node("/3/0/9", one)}, lwm2m.ReasonDuplicate},
	} {
		_, err := EncodeCBOR(path(tc.target), lwm2m.Payload{Nodes: tc.nodes})
		var ee *lwm2m.EncodeError
		if !errors.As(err, &ee) || ee.Reason != tc.want {
			t.Errorf("%s %v: %v", tc.target, tc.nodes, err)
		}
	}
}

func TestDecodeNames(t *testing.T) {
	want := []lwm2m.Node{node("/3/0/9", lwm2m.Integer(1)), node("/3/0/10", lwm2m.Integer(2))}
	for name, records := range map[string][]m{
		"base and names":            {{-2: "/3/0/", 0: "9", 2: 1}, {0: "10", 2: 2}},
		"no base":                   {{0: "/3/0/9", 2: 1}, {0: "/3/0/10", 2: 2}},
		"base is a whole name":      {{-2: "/3/0/9", 2: 1}, {-2: "/3/0/10", 2: 2}},
		"base breaks in an ID":      {{-2: "/3/0", 0: "/9", 2: 1}, {-2: "/3/0/1", 0: "0", 2: 2}},
		"base is replaced":          {{-2: "/3/0/", 0: "9", 2: 1}, {-2: "/3/", 0: "0/10", 2: 2}},
		"base is emptied":           {{-2: "/3/0/", 0: "9", 2: 1}, {-2: "", 0: "/3/0/10", 2: 2}},
		"base alone":                {{-2: "/3/0/"}, {0: "9", 2: 1}, {0: "10", 2: 2}},
		"version, times and units":  {{-2: "/3/0/", -1: 10, -3: 1.5e9, -4: "V", 0: "9", 2: 1}, {0: "10", 2: 2, 1: "V", 6: -3, 7: 0.5}},
		"unknown labels":            {{-2: "/3/0/", 0: "9", 2: 1, 99: []any{1}, -99: nil, "x": m{1: 2}}, {0: "10", 2: 2, uint64(math.MaxUint64): 1}},
		"whole floats for integers": {{0: "/3/0/9", 2: 1.0}, {0: "/3/0/10", 2: cbor.Tag{Number: 4, Content: []int{-1, 20}}}},
	} {
		for _, target := range []string{"/", "/3", "/3/0"} {
			got, err := DecodeCBOR(path(target), pack(t, records...), testRegistry())
			if err != nil || !slices.Equal(got.Nodes, want) {
				t.Errorf("%s, %s: %v, %v", name, target, got.Nodes, err)
			}
		}
	}
}

func TestDecodeEmptyPack(t *testing.T) {
	for target, want := range map[string][]lwm2m.Path{"/": nil, "/1": nil, "/1/5": {path("/1/5")}} {
		for _, in := range []string{"80", "9fff", "81a0"} {
			got, err := DecodeCBOR(path(target), unhex(t, in), testRegistry())
			if err != nil || len(got.Nodes) != 0 || !slices.Equal(got.Instances, want) {
				t.Errorf("%s %s: %v, %v", target, in, got, err)
			}
		}
	}
}

func TestDecodeByDefinition(t *testing.T) {
	fraction := func(exponent, mantissa int64) cbor.Tag {
		return cbor.Tag{Number: 4, Content: []int64{exponent, mantissa}}
	}
	for _, tc := range []struct {
		label any
		in    any
		want  lwm2m.Value
	}{
		{3, "x", lwm2m.String("x")},
		{3, "", lwm2m.String("")},
		{3, "</3>", lwm2m.CoreLink("</3>")},
		{2, -5, lwm2m.Integer(-5)},
		{2, 5.0, lwm2m.Integer(5)},
		{2, float32(5), lwm2m.Integer(5)},
		{2, 5, lwm2m.Unsigned(5)},
		{2, uint64(math.MaxUint64), lwm2m.Unsigned(math.MaxUint64)},
		{2, 5, lwm2m.Float(5)},
		{2, 0.1, lwm2m.Float(0.1)},
		{2, fraction(-2, 2150), lwm2m.Float(21.5)},
		{2, fraction(2, 3), lwm2m.Integer(300)},
		{2, fraction(400, 1), lwm2m.Float(math.Inf(1))},
		{2, fraction(-400, 1), lwm2m.Float(0)},
		{4, true, lwm2m.Boolean(true)},
		{8, []byte{0xff}, lwm2m.Opaque([]byte{0xff})},
		{8, []byte{}, lwm2m.Opaque(nil)},
		{2, 1367491215, lwm2m.Time(time.Unix(1367491215, 0))},
		{"vlo", "66:0", lwm2m.ObjectLink(66, 0)},
		{"vlo", "65535:65535", lwm2m.ObjectLink(65535, 65535)},
		{3, "66:0", lwm2m.ObjectLink(66, 0)}, // as Leshan writes them
	} {
		target := lwm2m.PathOf(valuetest.Object, 0, uint16(tc.want.Kind()))
		got, err := DecodeCBOR(target, pack(t, m{0: target.String(), tc.label: tc.in}), testRegistry())
		if err != nil || len(got.Nodes) != 1 || got.Nodes[0] != (lwm2m.Node{Path: target, Value: tc.want}) {
			t.Errorf("%v as %v: %v, %v", tc.in, tc.want.Kind(), got.Nodes, err)
		}
	}
}

// A decimal fraction is an integer when it is one exactly, and never by rounding.
func TestDecimalFractionsAreNotRoundedToIntegers(t *testing.T) {
	for _, tc := range []struct {
		parts any
		want  lwm2m.Value
		ok    bool
	}{
		{[]int64{-1, 90071992547409925}, lwm2m.Float(1 << 53), true},
		{[]int64{-1, 90071992547409925}, lwm2m.Integer(0), false},
		{[]int64{-1, 90071992547409925}, lwm2m.Unsigned(0), false},
		{[]int64{-400, 1}, lwm2m.Integer(0), false},
		{[]int64{-1, 90071992547409930}, lwm2m.Integer(9007199254740993), true},
		{[]uint64{0, 1<<63 + 1}, lwm2m.Unsigned(1<<63 + 1), true},
		{[]int64{1, -922337203685477581}, lwm2m.Integer(0), false},
	} {
		target := lwm2m.PathOf(valuetest.Object, 0, uint16(tc.want.Kind()))
		got, err := DecodeCBOR(target, pack(t, m{0: target.String(), 2: cbor.Tag{Number: 4, Content: tc.parts}}), testRegistry())
		if tc.ok != (err == nil) || tc.ok && got.Nodes[0].Value != tc.want {
			t.Errorf("%v as %v: %v, %v", tc.parts, tc.want.Kind(), got.Nodes, err)
		}
	}
}

func TestDecodeUnknownResources(t *testing.T) {
	in := pack(t, m{-2: "/77/0/", 0: "1", 2: 5}, m{0: "2", 2: uint64(math.MaxUint64)}, m{0: "3", 2: 1.0},
		m{0: "4", 3: "s"}, m{0: "5", 8: []byte{1}}, m{0: "6/1", 4: true}, m{0: "7", "vlo": "1:2"})
	got, err := DecodeCBOR(path("/77"), in, testRegistry())
	if err != nil {
		t.Fatal(err)
	}
	want := []lwm2m.Value{
		lwm2m.Integer(5), lwm2m.Unsigned(math.MaxUint64), lwm2m.Float(1), lwm2m.String("s"),
		lwm2m.Opaque([]byte{1}), lwm2m.Boolean(true), lwm2m.ObjectLink(1, 2),
	}
	for i, n := range got.Nodes {
		if !n.Unknown || n.Value != want[i] {
			t.Errorf("%v = %#v, unknown %v", n.Path, n.Value, n.Unknown)
		}
	}
}

func TestDecodeRefusesRecords(t *testing.T) {
	ok := m{0: "/3/0/9", 2: 1}
	for _, tc := range []struct {
		name  string
		index int
		want  lwm2m.Reason
		in    []m
	}{
		{"relative", 0, lwm2m.ReasonPath, []m{{0: "3/0/9", 2: 1}}},
		{"climbs", 1, lwm2m.ReasonPath, []m{ok, {-2: "/3/0/../../0/0/", 0: "0", 3: "x"}}},
		{"reserved ID", 0, lwm2m.ReasonPath, []m{{0: "/3/0/65535", 2: 1}}},
		{"five segments", 0, lwm2m.ReasonPath, []m{{0: "/3/0/6/0/0", 2: 1}}},
		{"empty segment", 0, lwm2m.ReasonPath, []m{{-2: "/3/0/", 0: "/9", 2: 1}}},
		{"outside the target", 1, lwm2m.ReasonPath, []m{ok, {0: "/3/1/9", 2: 1}}},
		{"another object", 0, lwm2m.ReasonPath, []m{{0: "/0/0/5", 8: []byte{1}}}},
		{"value of an instance", 0, lwm2m.ReasonStructure, []m{{0: "/3/0", 2: 1}}},
		{"no value", 0, lwm2m.ReasonStructure, []m{{0: "/3/0/9"}}},
		{"only a time", 0, lwm2m.ReasonStructure, []m{{0: "/3/0/9", 6: 1}}},
		{"single with an instance", 0, lwm2m.ReasonStructure, []m{{0: "/3/0/9/0", 2: 1}}},
		{"multiple without", 0, lwm2m.ReasonStructure, []m{{0: "/3/0/6", 2: 1}}},
		{"text label", 0, lwm2m.ReasonStructure, []m{{0: "/3/0/9", 2: 1, "n": "/3/0/10"}}},
		{"label of another type", 0, lwm2m.ReasonStructure, []m{{0: "/3/0/9", 2: 1, true: 1}}},
		{"path twice", 1, lwm2m.ReasonDuplicate, []m{ok, ok}},
		{"value and instances", 1, lwm2m.ReasonDuplicate, []m{{0: "/3/0/99", 2: 1}, {0: "/3/0/99/0", 2: 1}}},
		{"instances and value", 1, lwm2m.ReasonDuplicate, []m{{0: "/3/0/99/0", 2: 1}, {0: "/3/0/99", 2: 1}}},
		{"two values", 0, lwm2m.ReasonDuplicate, []m{{0: "/3/0/9", 2: 1, 3: "1"}}},
		{"value and link", 0, lwm2m.ReasonDuplicate, []m{{0: "/3/0/9", 2: 1, "vlo": "1:1"}}},
		{"must be understood", 0, lwm2m.ReasonUnknown, []m{{0: "/3/0/9", 2: 1, "x_": 1}}},
		{"base value", 0, lwm2m.ReasonUnknown, []m{{-5: 1, 0: "/3/0/9", 2: 1}}},
		{"base sum", 0, lwm2m.ReasonUnknown, []m{{-6: 1, 0: "/3/0/9", 2: 1}}},
		{"sum", 0, lwm2m.ReasonUnknown, []m{{0: "/3/0/9", 5: 1}}},
		{"version 11", 0, lwm2m.ReasonVersion, []m{{-1: 11, 0: "/3/0/9", 2: 1}}},
		{"version 0", 0, lwm2m.ReasonValue, []m{{-1: 0, 0: "/3/0/9", 2: 1}}},
		{"version 1.5", 0, lwm2m.ReasonValue, []m{{-1: 1.5, 0: "/3/0/9", 2: 1}}},
		{"name is a number", 0, lwm2m.ReasonValue, []m{{0: 3, 2: 1}}},
		{"base name is bytes", 0, lwm2m.ReasonValue, []m{{-2: []byte("/3"), 2: 1}}},
		{"time is text", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", 2: 1, 6: "now"}}},
		{"unit is a number", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", 2: 1, 1: 1}}},
		{"text in v", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", 2: "1"}}},
		{"null in v", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", 2: nil}}},
		{"bytes in vs", 0, lwm2m.ReasonValue, []m{{0: "/3/0/0", 3: []byte("x")}}},
		{"number in vb", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", 4: 1}}},
		{"text in vd", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", 8: "eA"}}},
		{"link without colon", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", "vlo": "66"}}},
		{"link too large", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", "vlo": "65536:0"}}},
		{"link is a number", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", "vlo": 1}}},
		{"string for an integer", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", 3: "1"}}},
		{"half for an integer", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", 2: 0.5}}},
		{"NaN for an integer", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", 2: math.NaN()}}},
		{"infinity for a time", 0, lwm2m.ReasonValue, []m{{0: "/3/0/13", 2: math.Inf(1)}}},
		{"value of an executable", 0, lwm2m.ReasonValue, []m{{0: "/3/0/4", 2: 1}}},
		{"fraction of three", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", 2: cbor.Tag{Number: 4, Content: []int{1, 2, 3}}}}},
		{"fraction of floats", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", 2: cbor.Tag{Number: 4, Content: []float64{1, 2}}}}},
		{"huge exponent", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", 2: cbor.Tag{Number: 4, Content: []int{1 << 30, 1}}}}},
		{"unknown tag", 0, lwm2m.ReasonValue, []m{{0: "/3/0/9", 2: cbor.Tag{Number: 40000, Content: 1}}}},
	} {
		got, err := DecodeCBOR(path("/3/0"), pack(t, tc.in...), testRegistry())
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != tc.want || de.Offset != tc.index || de.Format != "senml+cbor" {
			t.Errorf("%s: %v; want %q at %d", tc.name, err, tc.want, tc.index)
		}
		if got.Nodes != nil || got.Instances != nil {
			t.Errorf("%s: gives away %v", tc.name, got)
		}
	}
}

func TestDecodeRefusesCBOR(t *testing.T) {
	record := "a2 00 66 2f332f302f39 02 01"
	for name, tc := range map[string]struct {
		in   string
		want lwm2m.Reason
	}{
		"nothing":                 {"", lwm2m.ReasonTruncated},
		"a map":                   {record, lwm2m.ReasonStructure},
		"null":                    {"f6", lwm2m.ReasonStructure},
		"undefined":               {"f7", lwm2m.ReasonStructure},
		"null as record":          {"81 f6", lwm2m.ReasonStructure},
		"number as record":        {"81 01", lwm2m.ReasonStructure},
		"array cut short":         {"82" + record, lwm2m.ReasonTruncated},
		"string cut short":        {"81 a1 00 66 2f33", lwm2m.ReasonTruncated},
		"no break":                {"9f" + record, lwm2m.ReasonTruncated},
		"second item":             {"81" + record + "80", lwm2m.ReasonSyntax},
		"reserved length":         {"9c", lwm2m.ReasonSyntax},
		"string of 2^63":          {"81 a1 00 7b 7fffffffffffffff", lwm2m.ReasonTruncated},
		"string of 2^32 and 1":    {"81 a1 00 7b 0000000100000001 41", lwm2m.ReasonTruncated},
		"in an open array":        {"9f a1 00 7b 0000000100000001 41 ff", lwm2m.ReasonTruncated},
		"array of 2^31 records":   {"9a 80000000", lwm2m.ReasonLimit},
		"map of 2^31 pairs":       {"81 ba 80000000", lwm2m.ReasonLimit},
		"33 pairs":                {"81 b8 21", lwm2m.ReasonLimit},
		"depth bomb":              {"81 a1 18 63" + strings.Repeat("81", 20) + "01", lwm2m.ReasonLimit},
		"nested tags":             {"81 a1 02" + strings.Repeat("d8 40", 20) + "01", lwm2m.ReasonLimit},
		"label twice":             {"81 a2 02 01 02 01", lwm2m.ReasonDuplicate},
		"label twice, long form":  {"81 a2 02 01 18 02 01", lwm2m.ReasonDuplicate},
		"name is not UTF-8":       {"81 a2 00 61 ff 02 01", lwm2m.ReasonSyntax},
		"array as label":          {"81 a1 81 01 01", lwm2m.ReasonSyntax},
		"bignum as value":         {"81 a2 00 66 2f332f302f39 02 c2 49 010000000000000000", lwm2m.ReasonValue},
		"bignum that would fit":   {"81 a2 00 66 2f332f302f39 02 c2 41 01", lwm2m.ReasonValue},
		"time tag as value":       {"81 a2 00 66 2f332f302f39 02 c1 01", lwm2m.ReasonValue},
		"too large negative":      {"81 a2 00 66 2f332f302f39 02 3b ffffffffffffffff", lwm2m.ReasonValue},
		"fraction with a bignum":  {"81 a2 00 66 2f332f302f39 02 c4 82 00 c2 41 01", lwm2m.ReasonValue},
		"unknown simple as value": {"81 a2 00 66 2f332f302f39 02 e0", lwm2m.ReasonValue},
	} {
		if strconv.IntSize == 32 && strings.Contains(name, " of 2^31") {
			tc.want = lwm2m.ReasonSyntax // the codec does not take lengths that an int cannot hold
		}
		_, err := DecodeCBOR(path("/3/0"), unhex(t, tc.in), testRegistry())
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != tc.want {
			t.Errorf("%s: %v; want %q", name, err, tc.want)
		}
	}
}

func TestDecodeLimits(t *testing.T) {
	many := make([]m, 0, 40)
	for i := range 40 {
		many = append(many, m{0: lwm2m.PathOf(77, 0, uint16(i)).String(), 2: i})
	}
	in := pack(t, many...)
	for _, tc := range []struct {
		limits lwm2m.Limits
		ok     bool
	}{
		{lwm2m.Limits{Nodes: 40, Bytes: len(in)}, true},
		{lwm2m.Limits{Nodes: 39}, false},
		{lwm2m.Limits{Nodes: 3}, false},
		{lwm2m.Limits{Bytes: len(in) - 1}, false},
		{lwm2m.Limits{Nodes: math.MaxInt}, strconv.IntSize == 32}, // more than the codec takes, where an int can be more
	} {
		_, err := DecodeCBORLimited(path("/77"), in, nil, tc.limits)
		var de *lwm2m.DecodeError
		if tc.ok != (err == nil) || (!tc.ok && (!errors.As(err, &de) || de.Reason != lwm2m.ReasonLimit)) {
			t.Errorf("%+v: %v", tc.limits, err)
		}
	}
	_, err := DecodeCBORLimited(path("/77"), pack(t, many[:4]...), nil, lwm2m.Limits{Nodes: 3})
	if err == nil {
		t.Error("a limit below the library's smallest is not kept")
	}
}

func TestErrorsShowNoContent(t *testing.T) {
	for _, in := range [][]byte{
		pack(t, m{0: "/0/0/SECRET", 3: "x"}),
		pack(t, m{0: "/0/0/5", 3: "SECRET"}),
		unhex(t, "81 a2 66 534543524554 01 66 534543524554 01"),
	} {
		_, err := DecodeCBOR(path("/0/0"), in, testRegistry())
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%v", err)
		}
	}
}
