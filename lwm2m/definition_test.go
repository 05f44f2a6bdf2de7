package lwm2m

import (
	"errors"
	"math"
	"testing"
)

func TestRegistry(t *testing.T) {
	defs := []ResourceDef{{ID: 7, Name: "b"}, {ID: 1, Name: "a"}}
	reg := NewRegistry(ObjectDef{ID: 3, Resources: defs}, ObjectDef{ID: 4, Name: "first"}, ObjectDef{ID: 4, Name: "last"})
	defs[0].Name = "changed"

	o, found := reg.Object(3)
	if !found || o.Resources[0].ID != 1 || o.Resources[1].Name != "b" {
		t.Errorf("Object(3) = %v", o)
	}
	if o, _ := reg.Object(4); o.Name != "last" {
		t.Errorf("Object(4) = %v", o)
	}
	if d, found := reg.Resource(PathOf(3, 9, 7)); !found || d.Name != "b" {
		t.Errorf("Resource(/3/9/7) = %v", d)
	}
	for _, p := range []Path{{}, PathOf(3), PathOf(3, 7), PathOf(3, 0, 2), PathOf(5, 0, 1)} {
		if _, found := reg.Resource(p); found {
			t.Errorf("Resource(%v) found", p)
		}
	}
	if _, found := (*Registry)(nil).Object(3); found {
		t.Error("a nil registry defines something")
	}
}

func TestOperations(t *testing.T) {
	for want, ops := range map[string]Operations{"-": 0, "R": OpRead, "RW": OpRead | OpWrite, "E": OpExecute} {
		if ops.String() != want {
			t.Errorf("String() = %q, want %q", ops, want)
		}
	}
	if !(OpRead | OpWrite).Has(OpWrite) || OpRead.Has(OpRead|OpWrite) {
		t.Error("Has")
	}
}

func TestCheck(t *testing.T) {
	r := Range{Min: 1, Max: 10}
	for _, tc := range []struct {
		kind Kind
		r    Range
		v    Value
		ok   bool
	}{
		{KindInteger, r, Integer(1), true},
		{KindInteger, r, Integer(10), true},
		{KindInteger, r, Integer(0), false},
		{KindInteger, r, Integer(11), false},
		{KindInteger, Range{}, Integer(math.MinInt64), true},
		{KindInteger, r, Unsigned(5), false},
		{KindUnsigned, r, Unsigned(math.MaxUint64), false},
		{KindUnsigned, r, Unsigned(10), true},
		{KindFloat, r, Float(9.5), true},
		{KindFloat, r, Float(math.NaN()), false},
		{KindFloat, r, Float(10.5), false},
		{KindString, r, String("x"), true},
		{KindString, r, String("eleven chars"), false},
		{KindString, r, String(""), true},
		{KindOpaque, Range{Min: 6, Max: 6}, Opaque(nil), true},
		{KindOpaque, Range{Min: 6, Max: 6}, Opaque(make([]byte, 5)), false},
		{KindBoolean, Range{}, Boolean(true), true},
		{KindBoolean, Range{}, Value{}, false},
	} {
		err := ResourceDef{ID: 4, Name: "x", Kind: tc.kind, Range: tc.r}.Check(tc.v)
		var re *RangeError
		if (err == nil) != tc.ok || (err != nil && !errors.As(err, &re)) {
			t.Errorf("Check(%#v) against %v %v = %v", tc.v, tc.kind, tc.r, err)
		}
	}
}

func TestCheckSeveralRanges(t *testing.T) {
	enumeration := &Details{Ranges: []Range{{0, 3}, {99, 99}}}
	fractions := &Details{Floats: []FloatRange{{0, 0}, {0.25, 0.5}}}
	for _, tc := range []struct {
		kind    Kind
		details *Details
		v       Value
		ok      bool
	}{
		{KindInteger, enumeration, Integer(3), true},
		{KindInteger, enumeration, Integer(4), false},
		{KindInteger, enumeration, Integer(99), true},
		{KindUnsigned, enumeration, Unsigned(math.MaxUint64), false},
		{KindString, enumeration, String("four"), false},
		{KindFloat, fractions, Float(0), true},
		{KindFloat, fractions, Float(0.1), false},
		{KindFloat, fractions, Float(0.5), true},
		{KindFloat, fractions, Float(math.NaN()), false},
		{KindFloat, &Details{Units: "Cel"}, Float(1e9), true},
	} {
		err := ResourceDef{ID: 4, Name: "x", Kind: tc.kind, Details: tc.details}.Check(tc.v)
		if (err == nil) != tc.ok {
			t.Errorf("Check(%#v) against %v = %v", tc.v, tc.details, err)
		}
	}
}

func TestRangeErrorNamesEveryRange(t *testing.T) {
	d := ResourceDef{ID: 4, Name: "x", Kind: KindInteger, Details: &Details{Ranges: []Range{{0, 3}, {99, 99}}}}
	if got, want := d.Check(Integer(4)).Error(), "lwm2m: resource 4 (x) is outside 0..3, 99"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	d = ResourceDef{ID: 4, Name: "x", Kind: KindFloat, Details: &Details{Floats: []FloatRange{{0.5, 1}}}}
	if got, want := d.Check(Float(4)).Error(), "lwm2m: resource 4 (x) is outside 0.5..1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if d.Units() != "" || (ResourceDef{}).Units() != "" || (ResourceDef{Details: &Details{Units: "Cel"}}).Units() != "Cel" {
		t.Error("Units()")
	}
}

// Ranges that would allow nothing, or have no effect, are faults of a definition.
func TestRangeFaults(t *testing.T) {
	floats := &Details{Floats: []FloatRange{{Min: 0.5, Max: 1}}}
	for _, tc := range []struct {
		def  ResourceDef
		want bool
	}{
		{ResourceDef{Kind: KindBoolean}, false},
		{ResourceDef{Kind: KindInteger, Range: Range{Min: -1, Max: 1}}, false},
		{ResourceDef{Kind: KindFloat, Range: Range{Min: 1, Max: 2}, Details: floats}, false},
		{ResourceDef{Kind: KindTime, Range: Range{Min: 1, Max: 2}}, false},
		{ResourceDef{Kind: KindString, Range: Range{Min: -1, Max: 2}}, false},
		{ResourceDef{Kind: KindString, Details: &Details{Ranges: []Range{{}}}}, false},
		{ResourceDef{Kind: KindBoolean, Details: &Details{Units: "s"}}, false},
		{ResourceDef{Kind: KindInteger, Range: Range{Min: 2, Max: 1}}, true},
		{ResourceDef{Kind: KindInteger, Details: &Details{Ranges: []Range{{Min: 2, Max: 1}}}}, true},
		{ResourceDef{Kind: KindFloat, Details: &Details{Floats: []FloatRange{{Min: 2, Max: 1}}}}, true},
		{ResourceDef{Kind: KindFloat, Details: &Details{Floats: []FloatRange{{Min: math.NaN(), Max: 1}}}}, true},
		{ResourceDef{Kind: KindBoolean, Range: Range{Max: 1}}, true},
		{ResourceDef{Kind: KindObjectLink, Details: &Details{Ranges: []Range{{}}}}, true},
		{ResourceDef{Range: Range{Max: 1}}, true},
		{ResourceDef{Kind: KindUnsigned, Details: floats}, true},
		{ResourceDef{Kind: KindOpaque, Details: floats}, true},
		{ResourceDef{Kind: KindCoreLink, Range: Range{Min: -2, Max: -1}}, true},
	} {
		if got := tc.def.RangeFault(); (got != "") != tc.want {
			t.Errorf("%+v: %q", tc.def, got)
		}
	}
}
