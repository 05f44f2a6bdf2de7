package senml

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

const jsonExample = `[{"bn":"/3/0/","n":"0","vs":"Acme"},{"n":"6/0","v":1}]`

func TestJSONExample(t *testing.T) {
	nodes := []lwm2m.Node{node("/3/0/0", lwm2m.String("Acme")), node("/3/0/6/0", lwm2m.Integer(1))}
	got, err := DecodeJSON(path("/3/0"), []byte(jsonExample), testRegistry())
	if err != nil || !slices.Equal(got.Nodes, nodes) {
		t.Errorf("decoded: %v, %v", got, err)
	}
	if !slices.Equal(got.Instances, []lwm2m.Path{path("/3/0")}) || !slices.Equal(got.Multiples, []lwm2m.Path{path("/3/0/6")}) {
		t.Errorf("mentioned: %v, %v", got.Instances, got.Multiples)
	}
	b, err := EncodeJSON(path("/3/0"), lwm2m.Payload{Nodes: nodes})
	if err != nil || string(b) != jsonExample {
		t.Errorf("encoded: %s, %v", b, err)
	}
}

func TestEncodeJSONBaseNames(t *testing.T) {
	one := lwm2m.Integer(1)
	for _, tc := range []struct {
		target string
		nodes  []lwm2m.Node
		want   string
	}{
		{"/", []lwm2m.Node{node("/3/0/9", one)}, `[{"bn":"/","n":"3/0/9","v":1}]`},
		{"/3", []lwm2m.Node{node("/3/0/9", one)}, `[{"bn":"/3/","n":"0/9","v":1}]`},
		{"/3/0/9", []lwm2m.Node{node("/3/0/9", one)}, `[{"bn":"/3/0/9","v":1}]`},
		{"/3/0/6", []lwm2m.Node{node("/3/0/6/1", one)}, `[{"bn":"/3/0/6/","n":"1","v":1}]`},
		{"/3/0", nil, `[]`},
	} {
		got, err := EncodeJSON(path(tc.target), lwm2m.Payload{Nodes: tc.nodes})
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %s, %v", tc.target, got, err)
		}
	}
}

func TestEncodeJSONValues(t *testing.T) {
	for _, tc := range []struct {
		v    lwm2m.Value
		want string
	}{
		{lwm2m.String(""), `"vs":""`},
		{lwm2m.String("\x00\"\\\u2028é😀"), `"vs":"\u0000\"\\\u2028é😀"`},
		{lwm2m.CoreLink(`</3>;a="b&c"`), `"vs":"</3>;a=\"b&c\""`},
		{lwm2m.Integer(math.MinInt64), `"v":-9223372036854775808`},
		{lwm2m.Unsigned(math.MaxUint64), `"v":18446744073709551615`},
		{lwm2m.Float(0), `"v":0`},
		{lwm2m.Float(math.Copysign(0, -1)), `"v":-0`},
		{lwm2m.Float(0.1), `"v":0.1`},
		{lwm2m.Float(1e300), `"v":1e+300`},
		{lwm2m.Boolean(false), `"vb":false`},
		{lwm2m.Opaque(nil), `"vd":""`},
		{lwm2m.Opaque([]byte{0xfb, 0xff}), `"vd":"-_8"`},
		{lwm2m.Time(time.Unix(1367491215, 0)), `"v":1367491215`},
		{lwm2m.ObjectLink(66, 0), `"vlo":"66:0"`},
	} {
		got, err := EncodeJSON(path("/77/0/1"), lwm2m.Payload{Nodes: []lwm2m.Node{node("/77/0/1", tc.v)}})
		if want := `[{"bn":"/77/0/1",` + tc.want + `}]`; err != nil || string(got) != want {
			t.Errorf("%v: %s, %v; want %s", tc.v, got, err, want)
		}
	}
}

func TestEncodeJSONRefuses(t *testing.T) {
	for _, v := range []lwm2m.Value{
		{}, lwm2m.Float(math.NaN()), lwm2m.Float(math.Inf(1)), lwm2m.Float(math.Inf(-1)),
		lwm2m.String("\xff"), lwm2m.CoreLink("\xed\xa0\x80"),
	} {
		_, err := EncodeJSON(path("/77/0"), lwm2m.Payload{Nodes: []lwm2m.Node{node("/77/0/1", v)}})
		var ee *lwm2m.EncodeError
		if !errors.As(err, &ee) || ee.Reason != lwm2m.ReasonMismatch || ee.Format != "senml+json" {
			t.Errorf("%v: %v", v, err)
		}
	}
}

func TestDecodeJSONNames(t *testing.T) {
	want := []lwm2m.Node{node("/3/0/9", lwm2m.Integer(1)), node("/3/0/10", lwm2m.Integer(2))}
	for name, in := range map[string]string{
		"base and names":           `[{"bn":"/3/0/","n":"9","v":1},{"n":"10","v":2}]`,
		"no base":                  `[{"n":"/3/0/9","v":1},{"n":"/3/0/10","v":2}]`,
		"base behind the name":     `[{"v":1,"n":"9","bn":"/3/0/"},{"v":2,"n":"10"}]`,
		"base breaks in an ID":     `[{"bn":"/3/0","n":"/9","v":1},{"bn":"/3/0/1","n":"0","v":2}]`,
		"base is emptied":          `[{"bn":"/3/0/","n":"9","v":1},{"bn":"","n":"/3/0/10","v":2}]`,
		"base alone":               `[{"bn":"/3/0/"},{"n":"9","v":1},{"n":"10","v":2}]`,
		"white space":              " \t\r\n[ {\n\"bn\" : \"/3/0/\" ,\"n\":\"9\", \"v\" :1 } , { \"n\":\"10\",\"v\":2 } ] ",
		"escapes":                  `[{"\u0062n":"\/3\u002f0/","n":"\u0039","v":1},{"n":"10","v":2}]`,
		"version, times and units": `[{"bn":"/3/0/","bver":10,"bt":1.5e9,"bu":"V","n":"9","v":1},{"n":"10","v":2,"u":"V","t":-3,"ut":0.5}]`,
		"unknown labels":           `[{"bn":"/3/0/","n":"9","v":1,"x":[{"y":[null,true,-1.5e-3]}],"":null},{"n":"10","v":2,"_x":{}}]`,
		"integers in other words":  `[{"n":"/3/0/9","v":1.0},{"n":"/3/0/10","v":20e-1}]`,
	} {
		for _, target := range []string{"/", "/3", "/3/0"} {
			got, err := DecodeJSON(path(target), []byte(in), testRegistry())
			if err != nil || !slices.Equal(got.Nodes, want) {
				t.Errorf("%s, %s: %v, %v", name, target, got.Nodes, err)
			}
		}
	}
}

func TestDecodeJSONEmptyPack(t *testing.T) {
	for target, want := range map[string][]lwm2m.Path{"/": nil, "/1": nil, "/1/5": {path("/1/5")}} {
		for _, in := range []string{"[]", " [ ] ", "[{}]"} {
			got, err := DecodeJSON(path(target), []byte(in), testRegistry())
			if err != nil || len(got.Nodes) != 0 || !slices.Equal(got.Instances, want) {
				t.Errorf("%s %s: %v, %v", target, in, got, err)
			}
		}
	}
}

func TestDecodeJSONByDefinition(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want lwm2m.Value
	}{
		{`"vs":"x"`, lwm2m.String("x")},
		{`"vs":""`, lwm2m.String("")},
		{`"vs":"\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00"`, lwm2m.String("\"\\/\b\f\n\r\té😀")},
		{`"vs":"</3>"`, lwm2m.CoreLink("</3>")},
		{`"v":-5`, lwm2m.Integer(-5)},
		{`"v":-9223372036854775808`, lwm2m.Integer(math.MinInt64)},
		{`"v":9007199254740993`, lwm2m.Integer(9007199254740993)},
		{`"v":9007199254740993.0`, lwm2m.Integer(9007199254740993)},
		{`"v":0.5e1`, lwm2m.Integer(5)},
		{`"v":-0`, lwm2m.Integer(0)},
		{`"v":5`, lwm2m.Unsigned(5)},
		{`"v":18446744073709551615`, lwm2m.Unsigned(math.MaxUint64)},
		{`"v":5`, lwm2m.Float(5)},
		{`"v":0.1`, lwm2m.Float(0.1)},
		{`"v":-0.0`, lwm2m.Float(math.Copysign(0, -1))},
		{`"v":1E+300`, lwm2m.Float(1e300)},
		{`"v":5e-324`, lwm2m.Float(5e-324)},
		{`"v":36893488147419103232`, lwm2m.Float(1 << 65)},
		{`"v":9007199254740992.5`, lwm2m.Float(1 << 53)},
		{`"v":-123456789012345678.25`, lwm2m.Float(-123456789012345680)},
		{`"v":1e-400`, lwm2m.Float(0)},
		{`"v":1e-99999999999999999999`, lwm2m.Float(0)},
		{`"v":-1e-401`, lwm2m.Float(math.Copysign(0, -1))},
		{`"v":0e999`, lwm2m.Float(0)},
		{`"v":0.00E-999`, lwm2m.Integer(0)},
		{`"v":0e99999999999999999999`, lwm2m.Unsigned(0)},
		{`"vb":true`, lwm2m.Boolean(true)},
		{`"vb":false`, lwm2m.Boolean(false)},
		{`"vd":"-_8"`, lwm2m.Opaque([]byte{0xfb, 0xff})},
		{`"vd":""`, lwm2m.Opaque(nil)},
		{`"v":1367491215`, lwm2m.Time(time.Unix(1367491215, 0))},
		{`"vlo":"66:0"`, lwm2m.ObjectLink(66, 0)},
		{`"vlo":"65535:65535"`, lwm2m.ObjectLink(65535, 65535)},
		{`"vs":"66:0"`, lwm2m.ObjectLink(66, 0)}, // as Leshan writes them
	} {
		target := lwm2m.PathOf(valuetest.Object, 0, uint16(tc.want.Kind()))
		in := `[{"n":` + strconv.Quote(target.String()) + `,` + tc.in + `}]`
		got, err := DecodeJSON(target, []byte(in), testRegistry())
		if err != nil || len(got.Nodes) != 1 || got.Nodes[0] != (lwm2m.Node{Path: target, Value: tc.want}) {
			t.Errorf("%s as %v: %v, %v", tc.in, tc.want.Kind(), got.Nodes, err)
		}
	}
}

func TestDecodeJSONUnknownResources(t *testing.T) {
	in := `[{"bn":"/77/0/","n":"1","v":5},{"n":"2","v":18446744073709551615},{"n":"3","v":1.5},
		{"n":"4","vs":"s"},{"n":"5","vd":"AQ"},{"n":"6/1","vb":true},{"n":"7","vlo":"1:2"}]`
	got, err := DecodeJSON(path("/77"), []byte(in), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []lwm2m.Value{
		lwm2m.Integer(5), lwm2m.Unsigned(math.MaxUint64), lwm2m.Float(1.5), lwm2m.String("s"),
		lwm2m.Opaque([]byte{1}), lwm2m.Boolean(true), lwm2m.ObjectLink(1, 2),
	}
	for i, n := range got.Nodes {
		if !n.Unknown || n.Value != want[i] {
			t.Errorf("%v = %#v, unknown %v", n.Path, n.Value, n.Unknown)
		}
	}
}

func TestDecodeJSONRefusesRecords(t *testing.T) {
	const ok = `{"n":"/3/0/9","v":1}`
	for _, tc := range []struct {
		in    string
		index int
		want  lwm2m.Reason
	}{
		{`{"n":"3/0/9","v":1}`, 0, lwm2m.ReasonPath},
		{ok + `,{"bn":"/3/0/../../0/0/","n":"0","vs":"x"}`, 1, lwm2m.ReasonPath},
		{`{"n":"/3/0/%39","v":1}`, 0, lwm2m.ReasonPath},
		{`{"n":"/3/0/65535","v":1}`, 0, lwm2m.ReasonPath},
		{ok + `,{"n":"/3/1/9","v":1}`, 1, lwm2m.ReasonPath},
		{`{"n":"/0/0/5","vd":"AQ"}`, 0, lwm2m.ReasonPath},
		{`{"n":"/3/0","v":1}`, 0, lwm2m.ReasonStructure},
		{`{"n":"/3/0/9"}`, 0, lwm2m.ReasonStructure},
		{`{"n":"/3/0/9/0","v":1}`, 0, lwm2m.ReasonStructure},
		{`{"n":"/3/0/6","v":1}`, 0, lwm2m.ReasonStructure},
		{ok + "," + ok, 1, lwm2m.ReasonDuplicate},
		{`{"n":"/3/0/9","v":1,"vs":"1"}`, 0, lwm2m.ReasonDuplicate},
		{`{"n":"/3/0/9","v":1,"vlo":"1:1"}`, 0, lwm2m.ReasonDuplicate},
		{`{"n":"/3/0/9","v":1,"v":1}`, 0, lwm2m.ReasonDuplicate},
		{`{"n":"/3/0/9","v":1,"\u0076":1}`, 0, lwm2m.ReasonDuplicate},
		{`{"n":"/3/0/9","v":1,"x":{"a":1,"a":2}}`, 0, lwm2m.ReasonDuplicate},
		{`{"n":"/3/0/9","v":1,"x_":1}`, 0, lwm2m.ReasonUnknown},
		{`{"n":"/3/0/9","v":1,"_":1}`, 0, lwm2m.ReasonUnknown},
		{`{"bv":1,"n":"/3/0/9","v":1}`, 0, lwm2m.ReasonUnknown},
		{`{"bs":1,"n":"/3/0/9","v":1}`, 0, lwm2m.ReasonUnknown},
		{`{"n":"/3/0/9","s":1}`, 0, lwm2m.ReasonUnknown},
		{`{"bver":11,"n":"/3/0/9","v":1}`, 0, lwm2m.ReasonVersion},
		{`{"bver":18446744073709551615,"n":"/3/0/9","v":1}`, 0, lwm2m.ReasonVersion},
	} {
		refusedJSON(t, "["+tc.in+"]", tc.index, tc.want)
	}
}

// Values that do not fit their labels or resources.
func TestDecodeJSONRefusesValues(t *testing.T) {
	for _, tc := range []string{
		`"bver":0`, `"bver":-1`, `"bver":1.5`, `"bver":"10"`, `"bver":1e400`,
		`"bn":1`, `"bn":null`, `"n":9`, `"u":1`, `"bu":[]`, `"t":"now"`, `"bt":{}`, `"ut":true`,
		`"v":"1"`, `"v":null`, `"v":true`, `"v":[1]`, `"v":1.5`, `"v":9223372036854775808`,
		`"v":-9223372036854775809`, `"v":1e400`, `"v":-1e309`, `"v":1e999999999999999999999`, `"v":1e-400`,
		`"v":1e-401`, `"v":9007199254740992.5`, `"v":1e999`, `"v":-2e-999`, `"v":1` + strings.Repeat("0", 400),
		`"vs":"1"`, `"vs":1`, `"vb":1`, `"vb":"true"`, `"vb":true`, `"vd":"AQ"`, `"vd":1`,
		`"vlo":"1:1"`, `"vlo":"1"`, `"vlo":"65536:0"`, `"vlo":"1:-1"`, `"vlo":1`, `"vlo":null`,
		`"vd":"AQ=="`, `"vd":"+_8"`, `"vd":"A"`, `"vd":"AR"`, `"vd":"A\nQ"`, `"vd":"A Q"`,
	} {
		refusedJSON(t, `[{`+tc+`,"bn":"/3/0/9"}]`, 0, lwm2m.ReasonValue)
	}
}

func TestDecodeJSONRefusesSyntax(t *testing.T) {
	record := `{"n":"/3/0/9","v":1}`
	for _, tc := range []struct {
		in   string
		want lwm2m.Reason
	}{
		{"", lwm2m.ReasonTruncated},
		{" ", lwm2m.ReasonTruncated},
		{record, lwm2m.ReasonStructure},
		{"null", lwm2m.ReasonStructure},
		{`"x"`, lwm2m.ReasonStructure},
		{"1", lwm2m.ReasonStructure},
		{"[null]", lwm2m.ReasonStructure},
		{"[1]", lwm2m.ReasonStructure},
		{"[[]]", lwm2m.ReasonStructure},
		{"[", lwm2m.ReasonTruncated},
		{"[" + record, lwm2m.ReasonTruncated},
		{"[" + record + ",", lwm2m.ReasonTruncated},
		{"[" + record + ",]", lwm2m.ReasonSyntax},
		{"[,]", lwm2m.ReasonSyntax},
		{"[" + record + " " + record + "]", lwm2m.ReasonSyntax},
		{"[" + record + "}", lwm2m.ReasonSyntax},
		{"[" + record + "]]", lwm2m.ReasonSyntax},
		{"[" + record + "][]", lwm2m.ReasonSyntax},
		{"[" + record + "]\x00", lwm2m.ReasonSyntax},
		{"\ufeff[" + record + "]", lwm2m.ReasonSyntax},
		{"[" + record + "] // c", lwm2m.ReasonSyntax},
		{`[{"v"`, lwm2m.ReasonTruncated},
		{`[{"v":`, lwm2m.ReasonTruncated},
		{`[{"v":1`, lwm2m.ReasonTruncated},
		{`[{"v":-`, lwm2m.ReasonTruncated},
		{`[{"n":"/3`, lwm2m.ReasonTruncated},
		{`[{"n":"\`, lwm2m.ReasonTruncated},
		{`[{"n":"\u12`, lwm2m.ReasonSyntax},
		{`[{"v" 1}]`, lwm2m.ReasonSyntax},
		{`[{"v":1,}]`, lwm2m.ReasonSyntax},
		{`[{,"v":1}]`, lwm2m.ReasonSyntax},
		{`[{v:1}]`, lwm2m.ReasonSyntax},
		{`[{1:1}]`, lwm2m.ReasonSyntax},
		{`[{'v':1}]`, lwm2m.ReasonSyntax},
		{`[{"v":01}]`, lwm2m.ReasonSyntax},
		{`[{"v":+1}]`, lwm2m.ReasonSyntax},
		{`[{"v":.5}]`, lwm2m.ReasonSyntax},
		{`[{"v":1.}]`, lwm2m.ReasonSyntax},
		{`[{"v":1e}]`, lwm2m.ReasonSyntax},
		{`[{"v":-}]`, lwm2m.ReasonSyntax},
		{`[{"v":0x10}]`, lwm2m.ReasonSyntax},
		{`[{"v":NaN}]`, lwm2m.ReasonSyntax},
		{`[{"v":Infinity}]`, lwm2m.ReasonSyntax},
		{`[{"vb":True}]`, lwm2m.ReasonSyntax},
		{`[{"vb":truex}]`, lwm2m.ReasonSyntax},
		{`[{"vs":"` + "\n" + `"}]`, lwm2m.ReasonSyntax},
		{`[{"vs":"` + "\x1f" + `"}]`, lwm2m.ReasonSyntax},
		{`[{"vs":"\x41"}]`, lwm2m.ReasonSyntax},
		{`[{"vs":"\u00g0"}]`, lwm2m.ReasonSyntax},
		{`[{"vs":"\U0041"}]`, lwm2m.ReasonSyntax},
		{`[{"vs":"\ud800"}]`, lwm2m.ReasonSyntax},
		{`[{"vs":"\udc00"}]`, lwm2m.ReasonSyntax},
		{`[{"vs":"\ud800\ud800"}]`, lwm2m.ReasonSyntax},
		{`[{"vs":"\udc00\ud800"}]`, lwm2m.ReasonSyntax},
		{`[{"vs":"\ud800\u0041"}]`, lwm2m.ReasonSyntax},
		{`[{"vs":"\ud800x"}]`, lwm2m.ReasonSyntax},
		{`[{"vs":"\ud800\n"}]`, lwm2m.ReasonSyntax},
		{"[{\"vs\":\"\xff\"}]", lwm2m.ReasonSyntax},
		{"[{\"vs\":\"\xc0\x80\"}]", lwm2m.ReasonSyntax},
		{"[{\"vs\":\"\xed\xa0\x80\"}]", lwm2m.ReasonSyntax},
		{"[{\"x\xff\":1}]", lwm2m.ReasonSyntax},
		{strings.Repeat("[", 60000), lwm2m.ReasonLimit},
		{`[{"x":` + strings.Repeat("[", 60000), lwm2m.ReasonLimit},
		{`[{"x":` + strings.Repeat(`{"x":`, 10000), lwm2m.ReasonLimit},
		{`[{"x":` + strings.Repeat("[", strict.MaxNesting-1) + strings.Repeat("]", strict.MaxNesting-1) + `}]`, lwm2m.ReasonLimit},
		{`[` + manyMembers(strict.MaxPairs+1) + `]`, lwm2m.ReasonLimit},
		{`[{"vs":"` + strings.Repeat("x", 10<<20) + `"}]`, lwm2m.ReasonLimit},
	} {
		_, err := DecodeJSON(path("/3/0"), []byte(tc.in), testRegistry())
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != tc.want {
			t.Errorf("%.60q: %v; want %q", tc.in, err, tc.want)
		}
	}
}

func manyMembers(n int) string {
	var members []string
	for i := range n {
		members = append(members, `"x`+strconv.Itoa(i)+`":0`)
	}
	return "{" + strings.Join(members, ",") + "}"
}

func refusedJSON(t *testing.T, in string, index int, want lwm2m.Reason) {
	t.Helper()
	got, err := DecodeJSON(path("/3/0"), []byte(in), testRegistry())
	var de *lwm2m.DecodeError
	if !errors.As(err, &de) || de.Reason != want || de.Offset != index || de.Format != "senml+json" {
		t.Errorf("%.80s: %v; want %q at %d", in, err, want, index)
	}
	if got.Nodes != nil || got.Instances != nil {
		t.Errorf("%.80s: gives away %v", in, got)
	}
}

func TestDecodeJSONLimits(t *testing.T) {
	many := make([]string, 0, 40)
	for i := range 40 {
		many = append(many, `{"n":"`+lwm2m.PathOf(77, 0, uint16(i)).String()+`","v":1}`)
	}
	in := "[" + strings.Join(many, ",") + "]"
	for _, tc := range []struct {
		limits lwm2m.Limits
		ok     bool
	}{
		{lwm2m.Limits{Nodes: 40, Bytes: len(in)}, true},
		{lwm2m.Limits{Nodes: 39}, false},
		{lwm2m.Limits{Bytes: len(in) - 1}, false},
		{lwm2m.Limits{Nodes: math.MaxInt, Bytes: math.MaxInt}, true},
	} {
		_, err := DecodeJSONLimited(path("/77"), []byte(in), nil, tc.limits)
		var de *lwm2m.DecodeError
		if tc.ok != (err == nil) || (!tc.ok && (!errors.As(err, &de) || de.Reason != lwm2m.ReasonLimit)) {
			t.Errorf("%+v: %v", tc.limits, err)
		}
	}
	for _, in := range []string{`[` + manyMembers(strict.MaxPairs) + `]`, `[{"x":` + strings.Repeat("[", strict.MaxNesting-2) + strings.Repeat("]", strict.MaxNesting-2) + `}]`} {
		if _, err := DecodeJSON(path("/77"), []byte(in), nil); err != nil {
			t.Errorf("%s is within the limits: %v", in, err)
		}
	}
}

func TestJSONErrorsShowNoContent(t *testing.T) {
	for _, in := range []string{
		`[{"n":"/0/0/SECRET","vs":"x"}]`,
		`[{"n":"/0/0/5","vs":"SECRET"}]`,
		`[{"n":"/0/0/5","vd":"SECRET="}]`,
		`[{"SECRET":1,"SECRET":1}]`,
		`[{"vs":"SECRET\q"}]`,
	} {
		_, err := DecodeJSON(path("/0/0"), []byte(in), testRegistry())
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%v", err)
		}
	}
}
