package legacyjson

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Short names for what stands in every table.
var (
	path         = valuetest.Path
	node         = valuetest.Node
	testRegistry = valuetest.Registry
)

// The answer to a Read of the Device object (LwM2M 1.0 section 6.4.4), without the
// resources that the client does not have.
const device = `{"bn":"/3/0/","e":[{"n":"0","sv":"Open Mobile Alliance"},{"n":"1","sv":"Lightweight M2M Client"},` +
	`{"n":"2","sv":"345000123"},{"n":"3","sv":"1.0"},{"n":"6/0","v":1},{"n":"6/1","v":5},{"n":"9","v":100},` +
	`{"n":"11/0","v":0},{"n":"13","v":1367491215},{"n":"14","sv":"+02:00"},{"n":"16","sv":"U"}]}`

func TestPublishedExample(t *testing.T) {
	want := []lwm2m.Node{
		node("/3/0/0", lwm2m.String("Open Mobile Alliance")), node("/3/0/1", lwm2m.String("Lightweight M2M Client")),
		node("/3/0/2", lwm2m.String("345000123")), node("/3/0/3", lwm2m.String("1.0")),
		node("/3/0/6/0", lwm2m.Integer(1)), node("/3/0/6/1", lwm2m.Integer(5)), node("/3/0/9", lwm2m.Integer(100)),
		node("/3/0/11/0", lwm2m.Integer(0)), node("/3/0/13", lwm2m.Time(time.Unix(1367491215, 0))),
		node("/3/0/14", lwm2m.String("+02:00")), node("/3/0/16", lwm2m.String("U")),
	}
	got, err := Decode(path("/3/0"), []byte(device), testRegistry(), lwm2m.Limits{})
	if err != nil || !slices.EqualFunc(got.Nodes, want, sameValue) {
		t.Errorf("decoded: %v, %v", got.Nodes, err)
	}
	if b, err := Encode(path("/3/0"), got); err != nil || string(b) != device {
		t.Errorf("encoded: %s, %v", b, err)
	}
}

// sameValue disregards whether the registry has the resource.
func sameValue(a, b lwm2m.Node) bool {
	if v, err := a.Value.As(b.Value.Kind()); err == nil {
		a.Value = v
	}
	return a.Path == b.Path && a.Value == b.Value
}

// Names as the specification and the servers write them.
func TestNames(t *testing.T) {
	for _, tc := range []struct{ target, in, want string }{
		{"/3/0/9", `{"bn":"/3/0/9","e":[{"v":1}]}`, "/3/0/9"},
		{"/3/0/9", `{"bn":"/3/0/9/","e":[{"n":"","v":1}]}`, "/3/0/9"},
		{"/3/0/9", `{"e":[{"n":"","v":1}]}`, "/3/0/9"},
		{"/3/0/9", `{"e":[{"v":1}],"bn":"/3/0/9"}`, "/3/0/9"},
		{"/3/0/9", `{"bn":"","e":[{"n":"/3/0/9","v":1}]}`, "/3/0/9"},
		{"/3/0/9", `{"bn":"/3/0/","e":[{"n":"9","v":1}]}`, "/3/0/9"},
		{"/3/0/9", `{"bn":"/","e":[{"n":"3/0/9","v":1}]}`, "/3/0/9"},
		{"/3/0", `{"e":[{"n":"9","v":1}]}`, "/3/0/9"},
		{"/3", `{"e":[{"n":"0/9","v":1}]}`, "/3/0/9"},
		{"/3/0/6", `{"bn":"/3/0/6/","e":[{"n":"2","v":1}]}`, "/3/0/6/2"},
		{"/3/0/6/2", `{"bn":"/3/0/6/2","e":[{"v":1}]}`, "/3/0/6/2"},
		{"/3/0", `{"bn":"/3/0/","bt":1e9,"e":[{"n":"9","v":1,"t":-5}],"more":[{}]}`, "/3/0/9"},
	} {
		got, err := Decode(path(tc.target), []byte(tc.in), testRegistry(), lwm2m.Limits{})
		if err != nil || len(got.Nodes) != 1 || got.Nodes[0] != node(tc.want, lwm2m.Integer(1)) {
			t.Errorf("%s %s: %v, %v", tc.target, tc.in, got.Nodes, err)
		}
	}
}

func TestEncodeNames(t *testing.T) {
	one := lwm2m.Integer(1)
	for _, tc := range []struct {
		target string
		nodes  []lwm2m.Node
		want   string
	}{
		{"/3", []lwm2m.Node{node("/3/0/9", one)}, `{"bn":"/3/","e":[{"n":"0/9","v":1}]}`},
		{"/3/0/9", []lwm2m.Node{node("/3/0/9", one)}, `{"bn":"/3/0/9","e":[{"v":1}]}`},
		{"/3/0/6", []lwm2m.Node{node("/3/0/6/1", one)}, `{"bn":"/3/0/6/","e":[{"n":"1","v":1}]}`},
		{"/3/0/6/1", []lwm2m.Node{node("/3/0/6/1", one)}, `{"bn":"/3/0/6/1","e":[{"v":1}]}`},
		{"/3/0", nil, `{"bn":"/3/0/","e":[]}`},
	} {
		got, err := Encode(path(tc.target), lwm2m.Payload{Nodes: tc.nodes})
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %s, %v", tc.target, got, err)
		}
	}
}

// A value of each kind, as it is written and as others write it.
func TestValues(t *testing.T) {
	for _, tc := range []struct {
		want lwm2m.Value
		in   string
		out  bool // is how we write it, too
	}{
		{lwm2m.String(""), `"sv":""`, true},
		{lwm2m.String(`<&> "é😀`), `"sv":"<&> \"é😀"`, true},
		{lwm2m.Integer(math.MinInt64), `"v":-9223372036854775808`, true},
		{lwm2m.Integer(5), `"v":5.0e0`, false},
		{lwm2m.Unsigned(math.MaxUint64), `"v":18446744073709551615`, true},
		{lwm2m.Float(-0.5), `"v":-0.5`, true},
		{lwm2m.Float(5), `"v":5`, true},
		{lwm2m.Boolean(true), `"bv":true`, true},
		{lwm2m.Boolean(false), `"bv":false`, true},
		{lwm2m.Opaque([]byte{0xfb, 0xff}), `"sv":"+/8="`, true},
		{lwm2m.Opaque(nil), `"sv":""`, true},
		{lwm2m.Time(time.Unix(-1, 0)), `"v":-1`, true},
		{lwm2m.ObjectLink(66, 0), `"ov":"66:0"`, true},
		{lwm2m.ObjectLink(66, 0), `"sv":"66:0"`, false},
		{lwm2m.CoreLink("</3>"), `"sv":"</3>"`, true},
	} {
		target := lwm2m.PathOf(valuetest.Object, 0, uint16(tc.want.Kind()))
		in := `{"bn":"` + target.String() + `","e":[{` + tc.in + `}]}`
		got, err := Decode(target, []byte(in), testRegistry(), lwm2m.Limits{})
		if err != nil || len(got.Nodes) != 1 || got.Nodes[0].Value != tc.want {
			t.Errorf("%s: %v, %v", in, got.Nodes, err)
			continue
		}
		if b, err := Encode(target, got); tc.out && (err != nil || string(b) != in) {
			t.Errorf("%v: %s, %v, want %s", tc.want, b, err, in)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, tc := range []struct {
		in     string
		reason lwm2m.Reason
		at     int
	}{
		{``, lwm2m.ReasonTruncated, -1},
		{`{`, lwm2m.ReasonTruncated, -1},
		{`[]`, lwm2m.ReasonStructure, -1},
		{`null`, lwm2m.ReasonStructure, -1},
		{`{}`, lwm2m.ReasonStructure, -1},
		{`{"bn":"/3/0/"}`, lwm2m.ReasonStructure, -1},
		{`{"e":{}}`, lwm2m.ReasonStructure, -1},
		{`{"e":null}`, lwm2m.ReasonStructure, -1},
		{`{"e":[1]}`, lwm2m.ReasonStructure, -1},
		{`{"e":[{"n":"9","v":1}]} {}`, lwm2m.ReasonSyntax, 0},
		{`{"e":[{"n":"9","v":1},]}`, lwm2m.ReasonSyntax, 0},
		{`{"e":[{"n":"9","v":1,}]}`, lwm2m.ReasonSyntax, 0},
		{`{"e":[],"e":[]}`, lwm2m.ReasonDuplicate, -1},
		{`{"bn":"/3/0/","bn":"/3/0/","e":[]}`, lwm2m.ReasonDuplicate, -1},
		{`{"e":[{"n":"9","n":"9","v":1}]}`, lwm2m.ReasonDuplicate, 0},
		{`{"e":[{"n":"9","v":1},{"n":"9","v":2}]}`, lwm2m.ReasonDuplicate, 1},
		{`{"e":[{"n":"9","v":1,"sv":"x"}]}`, lwm2m.ReasonDuplicate, 0},
		{`{"bn":1,"e":[]}`, lwm2m.ReasonValue, -1},
		{`{"bt":"x","e":[]}`, lwm2m.ReasonValue, -1},
		{`{"e":[{"n":9,"v":1}]}`, lwm2m.ReasonValue, 0},
		{`{"e":[{"n":"9","v":1,"t":"x"}]}`, lwm2m.ReasonValue, 0},
		{`{"e":[{"n":"9","v":"1"}]}`, lwm2m.ReasonValue, 0},
		{`{"e":[{"n":"9","v":null}]}`, lwm2m.ReasonValue, 0},
		{`{"e":[{"n":"9","v":1.5}]}`, lwm2m.ReasonValue, 0},
		{`{"e":[{"n":"9","v":1e400}]}`, lwm2m.ReasonValue, 0},
		{`{"e":[{"n":"9","v":9223372036854775808}]}`, lwm2m.ReasonValue, 0},
		{`{"e":[{"n":"9","bv":true}]}`, lwm2m.ReasonValue, 0},
		{`{"e":[{"n":"9","bv":1}]}`, lwm2m.ReasonValue, 0},
		{`{"e":[{"n":"9","sv":"100"}]}`, lwm2m.ReasonValue, 0},
		{`{"e":[{"n":"9","ov":"66"}]}`, lwm2m.ReasonValue, 0},
		{`{"e":[{"n":"9","ov":"66:65536"}]}`, lwm2m.ReasonValue, 0},
		{`{"e":[{"n":"9"}]}`, lwm2m.ReasonStructure, 0},
		{`{"e":[{"n":"6","v":1}]}`, lwm2m.ReasonStructure, 0},
		{`{"e":[{"n":"9/0","v":1}]}`, lwm2m.ReasonStructure, 0},
		{`{"e":[{"n":"","v":1}]}`, lwm2m.ReasonStructure, 0},
		{`{"e":[{"n":"9/","v":1}]}`, lwm2m.ReasonPath, 0},
		{`{"e":[{"n":"65535","v":1}]}`, lwm2m.ReasonPath, 0},
		{`{"e":[{"n":"../1/9","v":1}]}`, lwm2m.ReasonPath, 0},
		{`{"bn":"/4/0/","e":[{"n":"9","v":1}]}`, lwm2m.ReasonPath, 0},
		{`{"bn":"/3/1/","e":[{"n":"9","v":1}]}`, lwm2m.ReasonPath, 0},
		{`{"bn":"coap://x/3/0/","e":[{"n":"9","v":1}]}`, lwm2m.ReasonPath, 0},
		{"{\"e\":[{\"n\":\"0\",\"sv\":\"\xff\"}]}", lwm2m.ReasonSyntax, -1},
		{`{"e":[{"n":"0","sv":"\ud800"}]}`, lwm2m.ReasonSyntax, 0},
		{`{"e":[{"n":"0","sv":"` + "\x01" + `"}]}`, lwm2m.ReasonSyntax, 0},
		{`{"x":` + strings.Repeat("[", 100), lwm2m.ReasonLimit, -1},
		{`{"e":[` + strings.Repeat(`{"n":"9","v":1},`, 5000), lwm2m.ReasonLimit, 4095},
	} {
		got, err := Decode(path("/3/0"), []byte(tc.in), testRegistry(), lwm2m.Limits{Bytes: 1 << 20})
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != tc.reason || de.Offset != tc.at || de.Format != "lwm2m+json" {
			t.Errorf("%.60s: %v, want %q at %d", tc.in, err, tc.reason, tc.at)
		}
		if got.Nodes != nil {
			t.Errorf("%.60s: gives away %v", tc.in, got)
		}
	}
}

func TestBase64(t *testing.T) {
	target := lwm2m.PathOf(valuetest.Object, 0, uint16(lwm2m.KindOpaque))
	for _, text := range []string{"AP8", "AP9=", "AP-_", `AP\n8=`, "?"} {
		in := `{"bn":"` + target.String() + `","e":[{"sv":"` + text + `"}]}`
		if got, err := Decode(target, []byte(in), testRegistry(), lwm2m.Limits{}); err == nil {
			t.Errorf("%s: %v", text, got.Nodes)
		}
	}
}

func TestLimits(t *testing.T) {
	for limits, ok := range map[lwm2m.Limits]bool{
		{}: true, {Bytes: len(device), Nodes: 11}: true, {Bytes: len(device) - 1}: false, {Nodes: 10}: false,
	} {
		if _, err := Decode(path("/3/0"), []byte(device), testRegistry(), limits); (err == nil) != ok {
			t.Errorf("%+v: %v", limits, err)
		}
	}
}

func TestNoRoot(t *testing.T) {
	var de *lwm2m.DecodeError
	if _, err := Decode(lwm2m.Path{}, []byte(device), nil, lwm2m.Limits{}); !errors.As(err, &de) || de.Reason != lwm2m.ReasonMismatch {
		t.Error(err)
	}
	var ee *lwm2m.EncodeError
	if _, err := Encode(lwm2m.Path{}, lwm2m.Payload{}); !errors.As(err, &ee) || ee.Reason != lwm2m.ReasonMismatch {
		t.Error(err)
	}
}

// A Float is the float64 next to a number, and an Integer is none that only rounding makes.
func TestRoundedNumbers(t *testing.T) {
	for kind, want := range map[lwm2m.Kind]bool{lwm2m.KindFloat: true, lwm2m.KindInteger: false, lwm2m.KindUnsigned: false, lwm2m.KindTime: false} {
		target := lwm2m.PathOf(valuetest.Object, 0, uint16(kind))
		p, err := Decode(target, []byte(`{"e":[{"v":9007199254740992.5}]}`), testRegistry(), lwm2m.Limits{})
		if want != (err == nil) || want && p.Nodes[0].Value != lwm2m.Float(1<<53) {
			t.Errorf("%v: %v, %v", kind, p.Nodes, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, v := range []lwm2m.Value{{}, lwm2m.Float(math.NaN()), lwm2m.Float(math.Inf(1)), lwm2m.String("\xff")} {
		var ee *lwm2m.EncodeError
		if b, err := Encode(path("/3/0"), lwm2m.Payload{Nodes: []lwm2m.Node{node("/3/0/0", v)}}); !errors.As(err, &ee) {
			t.Errorf("%v: %s, %v", v, b, err)
		}
	}
	if b, err := Encode(path("/3/0"), lwm2m.Payload{Nodes: []lwm2m.Node{node("/3/1/0", lwm2m.Integer(1))}}); err == nil {
		t.Errorf("outside: %s", b)
	}
}

func TestErrorsShowNoContent(t *testing.T) {
	for _, in := range []string{`{"e":[{"n":"9","sv":"SECRET"}]}`, `{"e":[{"n":"SECRET","v":1}]}`, `{"e":[{"n":"9","v":SECRET}]}`} {
		if _, err := Decode(path("/3/0"), []byte(in), testRegistry(), lwm2m.Limits{}); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Error(err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	reg := testRegistry()
	rapid.Check(t, func(t *rapid.T) {
		tree := lwm2m.NewTree()
		for k := lwm2m.KindString; k <= lwm2m.KindCoreLink; k++ {
			tree.PutResource(valuetest.Object, 1, lwm2m.Resource{ID: uint16(k), Value: valuetest.Draw(t, k)})
		}
		all, _ := tree.Payload(lwm2m.Path{})
		leaf := rapid.SampledFrom(all.Nodes).Draw(t, "node").Path
		target := leaf.Prefix(rapid.IntRange(1, 3).Draw(t, "length"))
		want, _ := tree.Payload(target)
		b, err := Encode(target, want)
		if err != nil || !json.Valid(b) {
			t.Fatalf("%s, %v", b, err)
		}
		got, err := Decode(target, b, reg, lwm2m.Limits{})
		if err != nil || !slices.Equal(got.Nodes, want.Nodes) {
			t.Fatalf("%s: %v, %v", b, got.Nodes, err)
		}
	})
}

// Whatever arrives, the decoder returns a typed error, or what can be encoded and decoded
// again.
func FuzzDecode(f *testing.F) {
	for i, seed := range []string{
		device, `{}`, `{"e":[]}`, `{"bn":"/3/0/9/","e":[{"n":"","v":-0.5e1}]}`, `{"e":[{"n":"6/0","v":1}],"x":[[{"y":null}]]}`,
		`{"e":[{"n":"0","sv":"\ud83d\ude00"}]}`, `{"bt":1,"e":[{"n":"9","t":2,"v":1}]}`, `{"e":[{"ov":"66:0"}]}`,
	} {
		f.Add(uint8(i), []byte(seed))
	}
	reg := testRegistry()
	f.Fuzz(func(t *testing.T, level uint8, data []byte) {
		target := path("/3/0/6/0").Prefix(1 + int(level%4))
		p, err := Decode(target, data, reg, lwm2m.Limits{})
		var de *lwm2m.DecodeError
		if err != nil {
			if !errors.As(err, &de) {
				t.Fatalf("untyped error %T", err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatal("no JSON: " + strconv.Quote(string(data)))
		}
		b, err := Encode(target, p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := Decode(target, b, reg, lwm2m.Limits{Bytes: 1 << 20})
		if err != nil || !slices.Equal(p.Nodes, q.Nodes) {
			t.Fatalf("%v encodes as %q: %v, %v", p.Nodes, b, q.Nodes, err)
		}
	})
}
