package definitions

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// A definition on lines that the tests can name.
const pump = `<?xml version="1.0" encoding="UTF-8"?>
<!-- nothing -->
<LWM2M xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<Object ObjectType="MODefinition">
<Name>Pump</Name>
<Description1>Moves   water.</Description1>
<ObjectID>33001</ObjectID>
<ObjectURN>urn:oma:lwm2m:x:33001:1.1</ObjectURN>
<LWM2MVersion>1.1</LWM2MVersion>
<ObjectVersion>1.1</ObjectVersion>
<MultipleInstances>Multiple</MultipleInstances>
<Mandatory>Optional</Mandatory>
<Resources>
<Item ID="5">
<Name>Stop</Name><Operations>E</Operations><MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory><Type></Type>
<RangeEnumeration></RangeEnumeration>
<Units></Units>
<Description></Description>
</Item>
<Item ID="1">
<Name> Flow
	rate </Name>
<Operations>RW</Operations>
<MultipleInstances>Single</MultipleInstances>
<Mandatory>Mandatory</Mandatory>
<Type>Float</Type>
<RangeEnumeration>0..100</RangeEnumeration>
<Units>l/s</Units>
<Description>What it &lt;moves&gt;.</Description>
</Item>
</Resources>
<Description2>Slowly.</Description2>
</Object>
</LWM2M>
`

func TestLoad(t *testing.T) {
	want := []lwm2m.ObjectDef{{
		ID: 33001, Name: "Pump", Version: "1.1", LWM2MVersion: "1.1", Multiple: true, URN: "urn:oma:lwm2m:x:33001:1.1",
		Description: "Moves   water.\n\nSlowly.",
		Resources: []lwm2m.ResourceDef{
			{ID: 1, Name: "Flow rate", Kind: lwm2m.KindFloat, Operations: lwm2m.OpRead | lwm2m.OpWrite, Mandatory: true, Range: lwm2m.Range{Max: 100},
				Details: &lwm2m.Details{Units: "l/s", Description: "What it <moves>."}},
			{ID: 5, Name: "Stop", Operations: lwm2m.OpExecute},
		},
	}}
	for name, text := range map[string]string{"plain": pump, "with a byte order mark": "\ufeff" + pump, "CRLF": strings.ReplaceAll(pump, "\n", "\r\n"), "ASCII": strings.Replace(pump, "UTF-8", "us-ascii", 1)} {
		got, remarks, err := Load("pump.xml", strings.NewReader(text))
		if diff := cmp.Diff(want, got); diff != "" || err != nil || len(remarks) > 0 {
			t.Error(name, diff, remarks, err)
		}
	}
}

func TestLoadNamesWhatIsWrong(t *testing.T) {
	const object, item = "Object 33001", "Object 33001, Item 1"
	for name, tc := range map[string]struct {
		old, new string
		line     int
		element  string
		reason   string
	}{
		"cut off":             {"</Object>\n</LWM2M>\n", "", 33, "", "no well-formed XML"},
		"tags crossed":        {"<Units>l/s</Units>", "<Units>l/s</Unit>", 28, "", "no well-formed XML"},
		"entity":              {"&lt;", "&secret;", 29, "", "no well-formed XML"},
		"document type":       {"<!-- nothing -->", `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>`, 2, "", "document type"},
		"encoding":            {"UTF-8", "UTF-16", 1, "", "UTF-8"},
		"encoding, by name":   {"UTF-8", "ISO-8859-1", 1, "", `"ISO-8859-1"`},
		"XML 1.1":             {`"1.0"`, `"1.1"`, 1, "", "only version 1.0"},
		"another, undeclared": {"Slowly", "Lent\xe9ment", 32, "", "not UTF-8"},
		"UTF-16":              {"<?xml", "\xff\xfe<\x00", 1, "", "UTF-16"},
		"second root":         {"</LWM2M>\n", "</LWM2M>\n<LWM2M/>", 35, "LWM2M", "second outermost"},
		"text behind":         {"</LWM2M>\n", "</LWM2M>\nand more\n", 36, "", "outside of its elements"},
		"root":                {"LWM2M", "LWM3M", 3, "LWM3M", "outermost"},
		"no object":           {pump[strings.Index(pump, "<Object "):strings.Index(pump, "</LWM2M>")], "", 3, "LWM2M", "no Object"},
		"another element":     {"</LWM2M>", "<Thing/></LWM2M>", 34, "Thing", "Objects only"},
		"object type":         {"MODefinition", "Common", 4, "Object", `"Common"`},
		"object twice":        {"</LWM2M>", pump[strings.Index(pump, "<Object "):], 34, object, "twice"},
		"no name":             {"<Name>Pump</Name>", "", 4, "Object 33001, Name", "missing"},
		"empty name":          {"Pump", " ", 5, "Object 33001, Name", "empty"},
		"object ID":           {"<ObjectID>33001", "<ObjectID>65535", 7, "Object, ObjectID", `"65535"`},
		"no object ID":        {"<ObjectID>33001</ObjectID>", "", 4, "Object, ObjectID", "missing"},
		"version":             {"<ObjectVersion>1.1", "<ObjectVersion>one", 10, "Object 33001, ObjectVersion", `"one"`},
		"multiple":            {">Multiple<", ">Many<", 11, "Object 33001, MultipleInstances", `"Multiple", "Single"`},
		"mandatory":           {">Optional</Mandatory>\n<Res", "></Mandatory>\n<Res", 12, "Object 33001, Mandatory", `""`},
		"unknown element":     {"<Description2>Slowly.</Description2>", "<Description3/>", 32, "Object 33001, Description3", "no element"},
		"element twice":       {"<Description2>", "<Name>Again</Name><Description2>", 32, "Object 33001, Name", "twice"},
		"no item":             {pump[strings.Index(pump, "<Item ID=\"5\""):strings.Index(pump, "</Resources>")], "", 13, "Object 33001, Resources", "no Item"},
		"something else":      {"</Resources>", "<Thing/></Resources>", 31, "Object 33001, Thing", "Items only"},
		"item ID":             {`ID="1"`, `ID="-1"`, 20, "Object 33001, Item -1", `"-1"`},
		"no item ID":          {` ID="1"`, ``, 20, "Object 33001, Item ", `""`},
		"item twice":          {`ID="1"`, `ID="5"`, 20, "Object 33001, Item", "5 is there twice"},
		"operations":          {">RW<", ">WR<", 23, item + ", Operations", `"WR"`},
		"type":                {">Float<", ">Double<", 26, item + ", Type", `"Double"`},
		"no type":             {">Float<", "><", 26, item + ", Type", "is empty"},
		"type missing":        {"<Type>Float</Type>", "", 20, item + ", Type", "missing"},
		"executed, several":   {">E</Operations><MultipleInstances>Single", ">E</Operations><MultipleInstances>Multiple", 15, "Object 33001, Item 5, MultipleInstances", "Single"},
		"unknown, of an item": {"<Units>l/s</Units>", "<Unit>l/s</Unit>", 28, item + ", Unit", "no element"},
		"too deep":            {"<Units>l/s</Units>", "<Units>" + strings.Repeat("<a>", 9) + strings.Repeat("</a>", 9) + "</Units>", 28, "a", "too deep"},
	} {
		if !strings.Contains(pump, tc.old) {
			t.Fatalf("%s: nothing to change", name)
		}
		all := -1
		if name != "root" {
			all = 1
		}
		defs, _, err := Load("pump.xml", strings.NewReader(strings.Replace(pump, tc.old, tc.new, all)))
		var faults Faults
		if !errors.As(err, &faults) || defs != nil {
			t.Errorf("%s: %v, %v", name, defs, err)
			continue
		}
		got := faults[0]
		if got.File != "pump.xml" || got.Line != tc.line || got.Element != tc.element || !strings.Contains(got.Reason, tc.reason) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestLoadNamesEveryFault(t *testing.T) {
	text := strings.NewReplacer(">RW<", ">WR<", ">Float<", ">Double<", "Pump", "").Replace(pump)
	_, _, err := Load("pump.xml", strings.NewReader(text))
	want := `pump.xml:5: Object 33001, Name: is empty; write a name
pump.xml:23: Object 33001, Item 1, Operations: is "WR"; it can be "", "E", "R", "RW", "W"
pump.xml:26: Object 33001, Item 1, Type: is "Double"; it can be "", "Boolean", "Corelnk", "Float", "Integer", "Objlnk", "Opaque", "String", "Time", "Unsigned Integer"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	var fault *Fault
	if !errors.As(err, &fault) || fault.Line != 5 {
		t.Error("the first fault cannot be reached")
	}
}

func TestLoadIsBounded(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("<LWM2M>"), strings.NewReader(strings.Repeat(" ", maxBytes)))
	var faults Faults
	if _, _, err := Load("x", endless); !errors.As(err, &faults) || !strings.Contains(faults[0].Reason, "bytes") {
		t.Error(err)
	}
	if _, _, err := Load("x", strings.NewReader("<LWM2M>"+strings.Repeat("<a/>", maxNodes+1)+"</LWM2M>")); !errors.As(err, &faults) || !strings.Contains(faults[0].Reason, "too much") {
		t.Error(err)
	}
	if _, _, err := Load("x", iotest.ErrReader(errors.New("broken"))); !errors.As(err, &faults) || !strings.Contains(faults[0].Reason, "broken") {
		t.Error(err)
	}
	if _, _, err := Load("x", strings.NewReader("")); !errors.As(err, &faults) || !strings.Contains(faults[0].Reason, "LWM2M") {
		t.Error(err)
	}
}

func TestRanges(t *testing.T) {
	r := func(low, high int64) lwm2m.Range { return lwm2m.Range{Min: low, Max: high} }
	f := func(low, high float64) lwm2m.FloatRange { return lwm2m.FloatRange{Min: low, Max: high} }
	var none lwm2m.Range
	const highest int64 = math.MaxInt64
	for _, tc := range []struct {
		kind, text string
		one        lwm2m.Range
		ranges     []lwm2m.Range
		floats     []lwm2m.FloatRange
		remark     bool
	}{
		{"Integer", "0..100", r(0, 100), nil, nil, false},
		{"Integer", " -24 .. 24 ", r(-24, 24), nil, nil, false},
		{"Integer", "0..3, 99", none, []lwm2m.Range{r(0, 3), r(99, 99)}, nil, false},
		{"Integer", "0: off\n\t1: on\n 255: broken", none, []lwm2m.Range{r(0, 0), r(1, 1), r(255, 255)}, nil, false},
		{"Integer", "0..0", none, []lwm2m.Range{r(0, 0)}, nil, false},
		{"Integer", "255", none, nil, nil, true},
		{"Integer", "2 bytes", none, nil, nil, true},
		{"Integer", "9..1", none, nil, nil, true},
		{"Integer", "1...3", none, nil, nil, true},
		{"Integer", "0..1.5", none, nil, nil, true},
		{"Integer", ",", none, nil, nil, true},
		{"Unsigned Integer", "0..18446744073709551615", none, nil, nil, false},
		{"Unsigned Integer", fmt.Sprint("0..", highest), r(0, highest), nil, nil, false},
		{"Time", "0..5", r(0, 5), nil, nil, false},
		{"String", "1..64 Bytes", r(1, 64), nil, nil, false},
		{"String", "32 bytes", r(0, 32), nil, nil, false},
		{"String", "10,26", none, []lwm2m.Range{r(10, 10), r(26, 26)}, nil, false},
		{"String", "-5..3", none, nil, nil, true},
		{"Opaque", "6", r(0, 6), nil, nil, false},
		{"Corelnk", "any", none, nil, nil, true},
		{"Float", "0.0..360.0", none, nil, []lwm2m.FloatRange{f(0, 360)}, false},
		{"Float", "-1..1", r(-1, 1), nil, nil, false},
		{"Float", "0.000001..1.0", none, nil, []lwm2m.FloatRange{f(0.000001, 1)}, false},
		{"Float", "0; 3.8..20.5", none, nil, []lwm2m.FloatRange{f(0, 0), f(3.8, 20.5)}, false},
		{"Float", "ON;OFF", none, nil, nil, true},
		{"Float", "5", none, nil, nil, true},
		{"Float", "NaN..5", none, nil, nil, true},
		{"Boolean", "0..1", none, nil, nil, true},
		{"Objlnk", "0..1", none, nil, nil, true},
	} {
		text := strings.NewReplacer(">Float<", ">"+tc.kind+"<", "0..100", tc.text).Replace(pump)
		defs, remarks, err := Load("pump.xml", strings.NewReader(text))
		if err != nil {
			t.Errorf("%s %q: %v", tc.kind, tc.text, err)
			continue
		}
		got := defs[0].Resources[0]
		if got.Range != tc.one || !cmp.Equal(got.Details.Ranges, tc.ranges) || !cmp.Equal(got.Details.Floats, tc.floats) {
			t.Errorf("%s %q: %v, %v", tc.kind, tc.text, got.Range, got.Details)
		}
		if (len(remarks) == 1) != tc.remark || tc.remark && (remarks[0].Line != 27 || remarks[0].Element != "Object 33001, Item 1, RangeEnumeration") {
			t.Errorf("%s %q: %v", tc.kind, tc.text, remarks)
		}
	}
}

func TestRemarks(t *testing.T) {
	for name, tc := range map[string]struct {
		old, new string
		line     int
		reason   string
	}{
		"URN of another":         {"x:33001:1.1", "x:33002:1.1", 8, "33001"},
		"URN of another version": {"x:33001:1.1", "x:33001", 8, "version 1.0"},
		"type of an executed":    {"<Type></Type>", "<Type>String</Type>", 15, "executed"},
	} {
		defs, remarks, err := Load("pump.xml", strings.NewReader(strings.Replace(pump, tc.old, tc.new, 1)))
		if err != nil || len(defs) != 1 || len(remarks) != 1 || remarks[0].Line != tc.line || !strings.Contains(remarks[0].Reason, tc.reason) {
			t.Errorf("%s: %v, %v", name, remarks, err)
		}
	}
}

func TestLoadFS(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	files := fstest.MapFS{
		"a/1.xml": file(pump), "a/2.xml": file(strings.ReplaceAll(pump, "33001", "33002")), "a/3.xml": file(pump), "a/4.xml": file("<x>"), "a/dir.xml/x": file(""),
	}
	defs, remarks, err := LoadFS(files, "a/1.xml", "a/2.xml")
	if err != nil || len(remarks) > 0 || len(defs) != 2 || defs[0].ID != 33001 || defs[1].ID != 33002 {
		t.Error(defs, remarks, err)
	}
	if defs, remarks, err = LoadFS(files, "a/2.xml", "a/[12].xml", "a/2.xml"); err != nil || len(remarks) > 0 || len(defs) != 2 || defs[0].ID != 33002 || defs[1].ID != 33001 {
		t.Error(defs, remarks, err)
	}
	defs, _, err = LoadFS(files, "b/*", "a/*.xml", "[")
	var faults Faults
	if !errors.As(err, &faults) || len(defs) != 2 {
		t.Fatal(err)
	}
	for at, want := range []string{"b/*: matches no file", "a/3.xml: Object 33001: is defined by a/1.xml too", "a/4.xml:1: is no well-formed", "a/dir.xml: cannot be read", "[: matches no file"} {
		if at >= len(faults) || !strings.HasPrefix(faults[at].Error(), want) {
			t.Errorf("%d: %v, want %s", at, faults, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(pump)
	f.Add(strings.Replace(pump, "0..100", "0; 3.8..20.5", 1))
	f.Add("<LWM2M><Object ObjectType='MODefinition'/></LWM2M>")
	f.Fuzz(func(t *testing.T, text string) {
		defs, remarks, err := Load("x.xml", strings.NewReader(text))
		var faults Faults
		if err != nil && (!errors.As(err, &faults) || len(faults) == 0 || defs != nil) {
			t.Fatalf("%T without a fault", err)
		}
		for _, fault := range append(faults, remarks...) {
			if fault.File != "x.xml" || fault.Reason == "" {
				t.Fatalf("a fault that says nothing: %v", fault)
			}
		}
		for _, def := range defs {
			if def.ID == lwm2m.MaxID || def.Name == "" || len(def.Resources) == 0 {
				t.Fatalf("no definition: %v", def)
			}
		}
	})
}
