package strict

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// scan reads one JSON value.
func scan(data []byte) (any, Fault) {
	s, f := NewScanner(data)
	if f != None {
		return nil, f
	}
	v, f := s.Value()
	if f != None {
		return nil, f
	}
	return v, s.End()
}

// The short way for small integers and the long way for all numbers agree.
func TestNumbersAreReadInOneWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		want, ok := numberOf(text)
		got, f := scan([]byte("[" + text + "]"))
		if ok != (f == None) {
			t.Fatalf("in a list: %v", f)
		}
		if _, list := got.(Composite); ok && !list {
			t.Fatalf("%v is no list", got)
		}
		s, _ := NewScanner([]byte(text + " ,"))
		if got, f := s.Value(); ok && (f != None || !sameNumber(got, want)) {
			t.Fatalf("%v, %v, want %v", got, f, want)
		}
	})
}

// What is an integer exactly is one; everything else is the float64 next to it, and says so
// where that is whole.
func TestNumbersAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		exact, _ := new(big.Rat).SetString(text)
		nearest, _ := exact.Float64()
		got, ok := numberOf(text)
		switch v := got.(type) {
		case uint64:
			ok = ok && exact.Cmp(new(big.Rat).SetUint64(v)) == 0
		case int64:
			ok = ok && v < 0 && exact.Cmp(new(big.Rat).SetInt64(v)) == 0
		case float64:
			ok = ok && v == nearest && (v == 0 && text[0] == '-' || v != math.Trunc(v))
		case Rounded:
			integer := exact.IsInt() && (exact.Num().IsInt64() || exact.Num().IsUint64())
			ok = ok && float64(v) == nearest && float64(v) == math.Trunc(float64(v)) && !integer
		}
		if !ok {
			t.Fatalf("%s: %T %v", text, got, got)
		}
	})
}

// A number with a large exponent takes no more work than any other.
func TestFarNumbersCostLittle(t *testing.T) {
	const count = 1000
	for _, number := range []string{"1e-400,", "0.5e-399,", "0e400,", "1e-9999999999,", "2.5e-300,"} {
		in := []byte("[" + strings.Repeat(number, count) + "0]")
		most := 4.0 * count
		if got := testing.AllocsPerRun(3, func() { _, _ = scan(in) }); got > most {
			t.Errorf("%s: %v allocations, want at most %v", number, got, most)
		}
	}
	long := []byte("[" + strings.Repeat("1", 60000) + "]")
	if _, f := scan(long); f.Detail != "number too long" {
		t.Error(f)
	}
}

func sameNumber(a, b any) bool {
	x, isFloat := a.(float64)
	y, too := b.(float64)
	if isFloat && too {
		return math.Float64bits(x) == math.Float64bits(y)
	}
	return a == b
}

func TestSmallIntegers(t *testing.T) {
	for text, want := range map[string]any{
		"0,": uint64(0), "7]": uint64(7), "120 ]": uint64(120), "999999999999999999}": uint64(999999999999999999),
		"9999999999999999999}": uint64(9999999999999999999), "18446744073709551615,": uint64(math.MaxUint64),
		"5": uint64(5), "-5,": int64(-5), "1.5,": 1.5, "1e2,": uint64(100), "1E2,": uint64(100),
	} {
		s, _ := NewScanner([]byte(text))
		if got, f := s.Value(); f != None || got != want {
			t.Errorf("%s: %v, %v", text, got, f)
		}
	}
	for _, text := range []string{"01", "00", "-", "-01", "1.", ".5", "1e", "+1", "0x1", "1_0", "١"} {
		if got, f := scan([]byte(text)); f == None {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// Whatever the scanner takes is JSON for the standard library, too.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0.5e3,true,null],"b":"\ud83d\ude00\n"}`, `[01]`, `"\ud800"`, `[[[[[[[[[[1]]]]]]]]]]`, `{"a":1,"a":2}`, `1 2`, "\xef\xbb\xbf1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, fault := scan(data)
		if fault == None && !json.Valid(data) {
			t.Fatalf("%q is no JSON", data)
		}
		if fault != None && (fault.Reason == "" || fault.Detail == "") {
			t.Fatalf("a fault without a reason: %v", fault)
		}
	})
}

// Whatever arrives, an item is one that can be written again, or a fault.
func FuzzReadItem(f *testing.F) {
	for _, seed := range []string{"\x00", "\xc1\x1a\x51\x4b\x67\xb0", "\xc4\x82\x21\x19\x6a\xb3", "\x5f\x41\x00\xff", "\x81\x81\x81\x81\x81\x01", "\xf9\x7e\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		item, fault := ReadItem(data)
		if fault != None {
			if fault.Reason == "" || fault.Detail == "" {
				t.Fatalf("a fault without a reason: %v", fault)
			}
			return
		}
		if v, ok := Number(item); ok && v.Kind() != lwm2m.KindInteger && v.Kind() != lwm2m.KindUnsigned && v.Kind() != lwm2m.KindFloat {
			t.Fatalf("%v is no number", v)
		}
		if _, err := Marshal(item); err != nil {
			t.Fatal(err)
		}
	})
}
