package tlv

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// Short names for what stands in every table.
var (
	path         = valuetest.Path
	node         = valuetest.Node
	unhex        = valuetest.Unhex
	testRegistry = valuetest.Registry
)

var comparePaths = cmp.Comparer(func(a, b lwm2m.Path) bool { return a == b })

// The examples that the specification gives for a device, read at each level.
const (
	deviceBare    = "c8 00 14 4f 70 65 6e 20 4d 6f 62 69 6c 65 20 41 6c 6c 69 61 6e 63 65" + deviceRest
	deviceRest    = "86 06 41 00 01 41 01 05" + "c1 09 64"
	deviceWrapped = "08 00 22" + deviceBare
)

func deviceNodes() []lwm2m.Node {
	return []lwm2m.Node{
		node("/3/0/0", lwm2m.String("Open Mobile Alliance")),
		node("/3/0/6/0", lwm2m.Integer(1)),
		node("/3/0/6/1", lwm2m.Integer(5)),
		node("/3/0/9", lwm2m.Integer(100)),
	}
}

func TestDecodeDevice(t *testing.T) {
	whole := lwm2m.Payload{
		Nodes:     deviceNodes(),
		Instances: []lwm2m.Path{path("/3/0")},
		Multiples: []lwm2m.Path{path("/3/0/6")},
	}
	for _, tc := range []struct{ base, in string }{
		{"/3", deviceWrapped},
		{"/3/0", deviceBare},
		{"/3/0", deviceWrapped},
	} {
		got, err := Decode(path(tc.base), unhex(t, tc.in), testRegistry())
		if err != nil {
			t.Fatalf("%s: %v", tc.base, err)
		}
		if diff := cmp.Diff(whole, got, comparePaths); diff != "" {
			t.Errorf("%s: %s", tc.base, diff)
		}
	}
}

func TestDecodeSingleTargets(t *testing.T) {
	for _, tc := range []struct {
		base, in string
		want     []lwm2m.Node
	}{
		{"/3/0/9", "c1 09 2a", []lwm2m.Node{node("/3/0/9", lwm2m.Integer(42))}},
		{"/3/0/6", "86 06 41 00 01 41 01 05", []lwm2m.Node{
			node("/3/0/6/0", lwm2m.Integer(1)), node("/3/0/6/1", lwm2m.Integer(5))}},
		{"/3/0/6", "80 06", nil},
		{"/3/0/6/1", "41 01 05", []lwm2m.Node{node("/3/0/6/1", lwm2m.Integer(5))}},
	} {
		got, err := Decode(path(tc.base), unhex(t, tc.in), testRegistry())
		if err != nil || !slices.Equal(got.Nodes, tc.want) {
			t.Errorf("%s: %v, %v", tc.base, got.Nodes, err)
		}
		if !slices.Equal(got.Instances, []lwm2m.Path{path("/3/0")}) {
			t.Errorf("%s: instances %v", tc.base, got.Instances)
		}
	}
}

func TestDecodeEmptyInstances(t *testing.T) {
	for _, tc := range []struct {
		base, in string
		want     []lwm2m.Path
	}{
		{"/1", "", nil},
		{"/1", "00 00 00 05", []lwm2m.Path{path("/1/0"), path("/1/5")}},
		{"/1/3", "", []lwm2m.Path{path("/1/3")}},
		{"/1/3", "00 03", []lwm2m.Path{path("/1/3")}},
		{"/1", "20 01 2c", []lwm2m.Path{path("/1/300")}},
	} {
		got, err := Decode(path(tc.base), unhex(t, tc.in), testRegistry())
		if err != nil || len(got.Nodes) != 0 || !slices.Equal(got.Instances, tc.want) {
			t.Errorf("%s %q: %v, %v", tc.base, tc.in, got, err)
		}
	}
}

// A bootstrap server in common use writes every resource from 0 to 12, empty
// where it has nothing to say.
func TestDecodeSecurityInstanceWithEmptyValues(t *testing.T) {
	resources := "c8 00 0b 636f6170733a2f2f613a31" + "c1 01 00" + "c1 02 00" +
		"c0 03" + "c0 04" + "c0 05" + "c1 06 03" + "c0 07" + "c0 08" + "c0 09" +
		"c1 0a 65" + "c1 0b 01" + "c1 0c 00"
	for _, in := range []string{resources, "08 01 2c" + resources} {
		got, err := Decode(path("/0/1"), unhex(t, in), testRegistry())
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Nodes) != 13 {
			t.Fatalf("%d nodes", len(got.Nodes))
		}
		i := got.Objects()[0].Instances[0]
		for id, want := range map[uint16]lwm2m.Value{
			objects.SecurityServerURI:                     lwm2m.String("coaps://a:1"),
			objects.SecurityBootstrapServer:               lwm2m.Boolean(false),
			objects.SecurityPublicKeyOrIdentity:           lwm2m.Opaque(nil),
			objects.SecurityServerSMSNumber:               lwm2m.String(""),
			objects.SecurityShortServerID:                 lwm2m.Integer(101),
			objects.SecurityBootstrapServerAccountTimeout: lwm2m.Integer(0),
		} {
			if v, found := i.Value(id); !found || v != want {
				t.Errorf("/0/1/%d = %#v", id, v)
			}
		}
	}
}

func TestDecodeUnknownResources(t *testing.T) {
	got, err := Decode(path("/3/0"), unhex(t, "c2 63 ab cd 83 64 41 00 07"), testRegistry())
	if err != nil {
		t.Fatal(err)
	}
	want := []lwm2m.Node{
		{Path: path("/3/0/99"), Value: lwm2m.Opaque([]byte{0xab, 0xcd}), Unknown: true},
		{Path: path("/3/0/100/0"), Value: lwm2m.Opaque([]byte{7}), Unknown: true},
	}
	if !slices.Equal(got.Nodes, want) {
		t.Errorf("%v", got.Nodes)
	}
	if _, err := Decode(path("/77/0"), unhex(t, deviceBare), nil); err != nil {
		t.Errorf("without a registry: %v", err)
	}
}

func TestDecodeValues(t *testing.T) {
	at := func(sec int64) lwm2m.Value { return lwm2m.Time(time.Unix(sec, 0)) }
	for _, tc := range []struct {
		in   string
		want lwm2m.Value
	}{
		{"", lwm2m.String("")},
		{"c3a9", lwm2m.String("é")},
		{"80", lwm2m.Integer(-128)},
		{"0001", lwm2m.Integer(1)},
		{"ffffffff", lwm2m.Integer(-1)},
		{"8000000000000000", lwm2m.Integer(math.MinInt64)},
		{"80", lwm2m.Unsigned(128)},
		{"ffffffffffffffff", lwm2m.Unsigned(math.MaxUint64)},
		{"3fc00000", lwm2m.Float(1.5)},
		{"3fb999999999999a", lwm2m.Float(0.1)},
		{"00", lwm2m.Boolean(false)},
		{"01", lwm2m.Boolean(true)},
		{"", lwm2m.Opaque(nil)},
		{"00ff", lwm2m.Opaque([]byte{0, 255})},
		{"5182428f", at(1367491215)},
		{"00420000", lwm2m.ObjectLink(66, 0)},
		{"ffffffff", lwm2m.ObjectLink(65535, 65535)},
		{"3c2f333e", lwm2m.CoreLink("</3>")},
	} {
		got, problem := decodeValue(tc.want.Kind(), unhex(t, tc.in))
		if problem != "" || got != tc.want {
			t.Errorf("%s %v: %#v %s", tc.in, tc.want.Kind(), got, problem)
		}
	}
}

func TestDecodeValueRefuses(t *testing.T) {
	for _, tc := range []struct {
		kind lwm2m.Kind
		in   string
	}{
		{lwm2m.KindInteger, ""}, {lwm2m.KindInteger, "000000"}, {lwm2m.KindInteger, "000000000000000000"},
		{lwm2m.KindUnsigned, ""}, {lwm2m.KindUnsigned, "0000000000"}, {lwm2m.KindTime, ""},
		{lwm2m.KindFloat, ""}, {lwm2m.KindFloat, "0000"}, {lwm2m.KindFloat, "000000000000"},
		{lwm2m.KindBoolean, ""}, {lwm2m.KindBoolean, "02"}, {lwm2m.KindBoolean, "0001"},
		{lwm2m.KindObjectLink, ""}, {lwm2m.KindObjectLink, "0000"}, {lwm2m.KindObjectLink, "0000000000"},
		{lwm2m.KindString, "ff"}, {lwm2m.KindCoreLink, "c3"},
		{lwm2m.KindNone, ""}, {lwm2m.KindNone, "00"},
	} {
		if v, problem := decodeValue(tc.kind, unhex(t, tc.in)); problem == "" {
			t.Errorf("%v %q is accepted as %#v", tc.kind, tc.in, v)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, base, in string
		want           lwm2m.Reason
		offset         int
	}{
		{"root", "/", "", lwm2m.ReasonMismatch, 0},
		{"no entry for a resource", "/3/0/9", "", lwm2m.ReasonTruncated, 0},
		{"type byte only", "/3/0", "c1", lwm2m.ReasonTruncated, 0},
		{"half a wide ID", "/3/0", "e1 01", lwm2m.ReasonTruncated, 0},
		{"half a length", "/3/0", "d0 00 01", lwm2m.ReasonTruncated, 0},
		{"value cut short", "/3/0", "c2 09 01", lwm2m.ReasonTruncated, 0},
		{"length of 16 MiB", "/3/0", "d8 00 ff ff ff 41", lwm2m.ReasonTruncated, 0},
		{"trailing byte", "/3/0", "c1 09 64 c1", lwm2m.ReasonTruncated, 3},
		{"trailing byte in an instance", "/3", "04 00 c1 09 64 c1", lwm2m.ReasonTruncated, 5},
		{"two resources for one target", "/3/0/9", "c1 09 64 c1 0a 01", lwm2m.ReasonSyntax, 3},
		{"bare resources for an object", "/3", "c1 09 64", lwm2m.ReasonStructure, 0},
		{"bare resource after an instance", "/3", "00 00 c1 09 64", lwm2m.ReasonStructure, 2},
		{"instance after bare resources", "/3/0", "c1 09 64 00 00", lwm2m.ReasonStructure, 3},
		{"two wrapped instances for one", "/1/0", "00 00 00 01", lwm2m.ReasonSyntax, 2},
		{"instance in an instance", "/1", "02 00 00 01", lwm2m.ReasonStructure, 2},
		{"resource instance in an instance", "/3", "03 00 41 06 01", lwm2m.ReasonStructure, 2},
		{"resource in a multiple resource", "/3/0", "83 06 c1 00 01", lwm2m.ReasonStructure, 2},
		{"multiple in a multiple resource", "/3/0", "82 06 80 00", lwm2m.ReasonStructure, 2},
		{"single resource as multiple", "/3/0", "83 09 41 00 01", lwm2m.ReasonStructure, 0},
		{"multiple resource as single", "/3/0", "c1 06 01", lwm2m.ReasonStructure, 0},
		{"instance of a single resource", "/3/0/9/0", "41 00 01", lwm2m.ReasonStructure, 0},
		{"resource for a resource instance", "/3/0/6/0", "c1 00 01", lwm2m.ReasonStructure, 0},
		{"another instance", "/3/0", "00 01", lwm2m.ReasonPath, 0},
		{"another resource", "/3/0/9", "c1 0a 01", lwm2m.ReasonPath, 0},
		{"another resource instance", "/3/0/6/0", "41 01 01", lwm2m.ReasonPath, 0},
		{"reserved instance", "/1", "20 ff ff", lwm2m.ReasonPath, 0},
		{"reserved resource", "/3/0", "e1 ff ff 01", lwm2m.ReasonPath, 0},
		{"reserved resource instance", "/3/0", "84 06 61 ff ff 01", lwm2m.ReasonPath, 2},
		{"instance twice", "/1", "00 02 00 02", lwm2m.ReasonDuplicate, 2},
		{"resource twice", "/3/0", "c1 09 64 c1 09 64", lwm2m.ReasonDuplicate, 3},
		{"resource twice, wide ID", "/3/0", "c1 09 64 e1 00 09 64", lwm2m.ReasonDuplicate, 3},
		{"resource instance twice", "/3/0", "86 06 41 00 01 41 00 05", lwm2m.ReasonDuplicate, 5},
		{"both single and multiple", "/3/0", "c1 63 64 80 63", lwm2m.ReasonDuplicate, 3},
		{"integer without bytes", "/3/0", "c0 09", lwm2m.ReasonValue, 0},
		{"boolean 2", "/0/0", "c1 01 02", lwm2m.ReasonValue, 0},
		{"value of an executable", "/3/0", "c0 04", lwm2m.ReasonValue, 0},
	} {
		got, err := Decode(path(tc.base), unhex(t, tc.in), testRegistry())
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != tc.want || de.Offset != tc.offset || de.Format != "tlv" {
			t.Errorf("%s: %v; want %q at %d", tc.name, err, tc.want, tc.offset)
		}
		if got.Nodes != nil || got.Instances != nil || got.Multiples != nil {
			t.Errorf("%s: gives away %v", tc.name, got)
		}
	}
}

func TestDecodeLimits(t *testing.T) {
	in := unhex(t, deviceBare)
	for _, tc := range []struct {
		limits lwm2m.Limits
		ok     bool
	}{
		{lwm2m.Limits{Bytes: len(in), Nodes: 5}, true}, // 4 values and 1 container
		{lwm2m.Limits{Bytes: len(in) - 1}, false},
		{lwm2m.Limits{Nodes: 4}, false},
	} {
		_, err := DecodeLimited(path("/3/0"), in, testRegistry(), tc.limits)
		var de *lwm2m.DecodeError
		if tc.ok != (err == nil) || (!tc.ok && (!errors.As(err, &de) || de.Reason != lwm2m.ReasonLimit)) {
			t.Errorf("%+v: %v", tc.limits, err)
		}
	}
	if _, err := Decode(path("/0/0"), make([]byte, lwm2m.DefaultMaxBytes+1), nil); err == nil {
		t.Error("no default limit")
	}
}

func TestDecodeKeepsNoReference(t *testing.T) {
	in := unhex(t, "c2 63 ab cd")
	got, err := Decode(path("/3/0"), in, testRegistry())
	clear(in)
	if err != nil || got.Nodes[0].Value.Bytes()[0] != 0xab {
		t.Errorf("%v, %v", got, err)
	}
}

func TestErrorsShowNoContent(t *testing.T) {
	_, err := Decode(path("/0/0"), append([]byte{0xc8, 9, 20}, "SECRET SECRET \xff ....."...), testRegistry())
	if err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("%v", err)
	}
}
