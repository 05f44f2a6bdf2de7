package lwm2m

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func TestValueAccessors(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 789, time.FixedZone("", 3600))
	if v := String("x"); v.Kind() != KindString || v.Text() != "x" || v.Size() != 1 {
		t.Error(v)
	}
	if v := Integer(-5); v.Kind() != KindInteger || v.Int() != -5 {
		t.Error(v)
	}
	if v := Unsigned(math.MaxUint64); v.Kind() != KindUnsigned || v.Uint() != math.MaxUint64 {
		t.Error(v)
	}
	if v := Float(-0.5); v.Kind() != KindFloat || v.Float64() != -0.5 {
		t.Error(v)
	}
	if v := Boolean(true); v.Kind() != KindBoolean || !v.Bool() || Boolean(false).Bool() {
		t.Error(v)
	}
	if v := Time(at); v.Kind() != KindTime || !v.When().Equal(at.Truncate(time.Second)) || v.Int() != at.Unix() {
		t.Error(v)
	}
	if v := CoreLink("</3>"); v.Kind() != KindCoreLink || v.Text() != "</3>" {
		t.Error(v)
	}
	if o, i := ObjectLink(66, 65535).Link(); o != 66 || i != 65535 {
		t.Error(o, i)
	}
}

func TestValueOfAnotherKindReadsAsZero(t *testing.T) {
	for _, v := range []Value{{}, Opaque([]byte{1}), String("7"), Integer(7), ObjectLink(1, 1)} {
		if v.Bool() || v.Float64() != 0 || v.Uint() != 0 || !v.When().IsZero() {
			t.Errorf("%#v leaks into other accessors", v)
		}
	}
	if (Value{}).Bytes() != nil || Opaque([]byte("s")).Text() != "" || String("s").Int() != 0 {
		t.Error("accessors do not look at the kind")
	}
}

func TestOpaqueIsCopied(t *testing.T) {
	in := []byte{1, 2, 3}
	v := Opaque(in)
	in[0] = 9
	v.Bytes()[1] = 9
	if got := v.Bytes(); got[0] != 1 || got[1] != 2 {
		t.Errorf("opaque changed to %v", got)
	}
	if Opaque(nil).Bytes() == nil {
		t.Error("an empty opaque is a value, not nil")
	}
}

func TestValueNeverPrintsOpaqueContent(t *testing.T) {
	v := Opaque([]byte("SECRETKEY"))
	n := Node{Path: PathOf(0, 0, 5), Value: v}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, x := range []any{v, n, Payload{Nodes: []Node{n}}, Resource{ID: 5, Value: v}} {
			if s := fmt.Sprintf(verb, x); strings.Contains(s, "SECRETKEY") {
				t.Errorf("%s of %T prints %s", verb, x, s)
			}
		}
	}
	if v.String() != "opaque(9 bytes)" {
		t.Errorf("String() = %q", v.String())
	}
}

func TestValueString(t *testing.T) {
	for want, v := range map[string]Value{
		"none": {}, "hi": String("hi"), "-7": Integer(-7), "18446744073709551615": Unsigned(math.MaxUint64),
		"21.5": Float(21.5), "true": Boolean(true), "66:0": ObjectLink(66, 0),
		"2026-02-03T04:05:06Z": Time(time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)),
	} {
		if v.String() != want {
			t.Errorf("String() = %q, want %q", v.String(), want)
		}
	}
	if KindObjectLink.String() != "object link" || Kind(99).String() != "kind(99)" {
		t.Error("kind names")
	}
}

func TestAs(t *testing.T) {
	for _, tc := range []struct {
		in   Value
		to   Kind
		want Value
	}{
		{Integer(5), KindInteger, Integer(5)},
		{Integer(5), KindUnsigned, Unsigned(5)},
		{Integer(5), KindFloat, Float(5)},
		{Integer(5), KindTime, Time(time.Unix(5, 0))},
		{Float(5), KindInteger, Integer(5)},
		{Float(-5), KindInteger, Integer(-5)},
		{Float(1 << 63), KindUnsigned, Unsigned(1 << 63)},
		{Unsigned(math.MaxInt64), KindInteger, Integer(math.MaxInt64)},
		{Unsigned(math.MaxUint64), KindFloat, Float(math.MaxUint64)},
		{Time(time.Unix(9, 0)), KindInteger, Integer(9)},
		{Time(time.Unix(9, 0)), KindFloat, Float(9)},
		{String("</3>"), KindCoreLink, CoreLink("</3>")},
		{CoreLink("x"), KindString, String("x")},
	} {
		got, err := tc.in.As(tc.to)
		if err != nil || !got.Equal(tc.want) {
			t.Errorf("%#v.As(%v) = %#v, %v", tc.in, tc.to, got, err)
		}
	}
}

func TestAsRefusesWhatIsNotExact(t *testing.T) {
	for _, tc := range []struct {
		in Value
		to Kind
	}{
		{Integer(-1), KindUnsigned},
		{Unsigned(1 << 63), KindInteger},
		{Unsigned(1 << 63), KindTime},
		{Float(0.5), KindInteger},
		{Float(math.NaN()), KindInteger},
		{Float(math.Inf(1)), KindUnsigned},
		{Float(1 << 63), KindInteger},
		{Float(-1), KindUnsigned},
		{Float(1 << 64), KindUnsigned},
		{String("5"), KindInteger},
		{String("5"), KindUnsigned},
		{String("5"), KindFloat},
		{Boolean(true), KindInteger},
		{Integer(1), KindBoolean},
		{Opaque(nil), KindString},
		{String(""), KindOpaque},
		{Integer(1), KindNone},
		{Value{}, KindString},
	} {
		got, err := tc.in.As(tc.to)
		var ce *ConvertError
		if !errors.As(err, &ce) || ce.From != tc.in.Kind() || ce.To != tc.to || got != (Value{}) {
			t.Errorf("%#v.As(%v) = %#v, %v", tc.in, tc.to, got, err)
		}
	}
}
