package reporting

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

func parse(t *testing.T, query ...string) Change {
	t.Helper()
	c, err := ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// set returns what a server has set that began with nothing.
func set(t *testing.T, query ...string) Attributes {
	t.Helper()
	a, err := parse(t, query...).Apply(Attributes{}, valuetest.Path("/1/0/1"), lwm2m.KindFloat)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAttributesOfAQuery(t *testing.T) {
	for _, c := range []struct {
		query []string
		want  string // as Discover shows it
	}{
		{nil, ""},
		{[]string{"pmin=10", "pmax=60"}, ";pmin=10;pmax=60"},
		{[]string{"pmin=0"}, ";pmin=0"},
		{[]string{"pmax=4294967295"}, ";pmax=4294967295"},
		{[]string{"gt=5", "lt=1", "st=0.5"}, ";gt=5;lt=1;st=0.5"},
		{[]string{"epmin=1", "epmax=2", "con=1"}, ";epmin=1;epmax=2;con=1"},
		{[]string{"con=0"}, ";con=0"},
		{[]string{"gt=-1.5", "lt=-20"}, ";gt=-1.5;lt=-20"},
		{[]string{"gt=1e3"}, ";gt=1000"},
		{[]string{"lt=-0"}, ";lt=0"},
		{[]string{"pmin=9", "pmax=3"}, ";pmin=9;pmax=3"}, // pmax is ignored, not refused
	} {
		if got := string(set(t, c.query...).AppendLink(nil)); got != c.want {
			t.Errorf("%q: %q, want %q", c.query, got, c.want)
		}
	}
}

func TestRefusedQueries(t *testing.T) {
	for _, c := range []struct {
		query []string
		name  string
		why   AttributeReason
	}{
		{[]string{"pmin=-1"}, "pmin", AttributeNoPeriod},
		{[]string{"pmin=+1"}, "pmin", AttributeNoPeriod},
		{[]string{"pmin=1.5"}, "pmin", AttributeNoPeriod},
		{[]string{"pmax="}, "pmax", AttributeNoPeriod},
		{[]string{"pmax=4294967296"}, "pmax", AttributeNoPeriod},
		{[]string{"epmin=1_0"}, "epmin", AttributeNoPeriod},
		{[]string{"gt="}, "gt", AttributeNoNumber},
		{[]string{"gt=NaN"}, "gt", AttributeNoNumber},
		{[]string{"lt=inf"}, "lt", AttributeNoNumber},
		{[]string{"lt=0x10"}, "lt", AttributeNoNumber},
		{[]string{"gt=1e999"}, "gt", AttributeNoNumber},
		{[]string{"st=-1"}, "st", AttributeNegative},
		{[]string{"con=2"}, "con", AttributeNoFlag},
		{[]string{"pmin=1", "pmin=2"}, "pmin", AttributeTwice},
		{[]string{"pmin=1", "pmin"}, "pmin", AttributeTwice},
		{[]string{"edge=1"}, "edge", AttributeUnknown},
		{[]string{"hqmax=5"}, "hqmax", AttributeUnknown},
		{[]string{""}, "", AttributeUnknown},
		{[]string{"PMIN=1"}, "PMIN", AttributeUnknown},
		{[]string{"a-name-of-more-than-thirty-two-bytes=1"}, "a-name-of-more-than-thirty-two-b", AttributeUnknown},
	} {
		_, err := ParseQuery(c.query)
		var refused *AttributeError
		if !errors.As(err, &refused) || *refused != (AttributeError{c.name, c.why}) {
			t.Errorf("%q: %v, want %s %s", c.query, err, c.name, c.why)
		}
	}
}

// What a request changes depends on where, and on what is set there.
func TestApply(t *testing.T) {
	for _, c := range []struct {
		name   string
		before []string
		query  []string
		path   string
		kind   lwm2m.Kind
		want   string
		why    AttributeReason
	}{
		{"others stay", []string{"pmin=1", "gt=9"}, []string{"pmax=5"}, "/3/0/9", lwm2m.KindInteger, ";pmin=1;pmax=5;gt=9", ""},
		{"set again", []string{"pmin=1"}, []string{"pmin=2"}, "/3/0", lwm2m.KindNone, ";pmin=2", ""},
		{"unset", []string{"pmin=1", "pmax=2"}, []string{"pmin"}, "/3", lwm2m.KindNone, ";pmax=2", ""},
		{"unset what is not set", nil, []string{"gt"}, "/3", lwm2m.KindNone, "", ""},
		{"threshold of an object", nil, []string{"gt=1"}, "/3", lwm2m.KindNone, "", AttributeLevel},
		{"threshold of an instance", nil, []string{"st=1"}, "/3/0", lwm2m.KindNone, "", AttributeLevel},
		{"threshold of a text", nil, []string{"lt=1"}, "/3/0/0", lwm2m.KindString, "", AttributeKind},
		{"threshold of a time", nil, []string{"lt=1"}, "/3/0/13", lwm2m.KindTime, "", AttributeKind},
		{"threshold of a resource instance", nil, []string{"lt=1"}, "/3/0/7/1", lwm2m.KindUnsigned, ";lt=1", ""},
		{"coherent", nil, []string{"lt=1", "gt=4", "st=1"}, "/3/0/9", lwm2m.KindInteger, ";gt=4;lt=1;st=1", ""},
		{"no room for the steps", nil, []string{"lt=1", "gt=3", "st=1"}, "/3/0/9", lwm2m.KindInteger, "", AttributeIncoherent},
		{"with what is set", []string{"lt=1", "gt=3"}, []string{"st=1"}, "/3/0/9", lwm2m.KindInteger, ";gt=3;lt=1", AttributeIncoherent},
		{"unset in the same request", []string{"lt=1", "gt=3"}, []string{"st=1", "lt"}, "/3/0/9", lwm2m.KindInteger, ";gt=3;st=1", ""},
		{"lt above gt", nil, []string{"lt=5", "gt=3"}, "/3/0/9", lwm2m.KindInteger, "", AttributeIncoherent},
		{"lt above gt, below zero", nil, []string{"lt=-3", "gt=-5"}, "/3/0/9", lwm2m.KindInteger, "", AttributeIncoherent},
		{"below zero", nil, []string{"lt=-5", "gt=-3"}, "/3/0/9", lwm2m.KindInteger, ";gt=-3;lt=-5", ""},
	} {
		after, err := parse(t, c.query...).Apply(set(t, c.before...), valuetest.Path(c.path), c.kind)
		var refused *AttributeError
		errors.As(err, &refused)
		if got := string(after.AppendLink(nil)); got != c.want || refused == nil && c.why != "" || refused != nil && refused.Reason != c.why {
			t.Errorf("%s: %q, %v; want %q, %q", c.name, got, err, c.want, c.why)
		}
	}
}

// The more specific path counts, attribute by attribute (section 5.1.2).
func TestPrecedence(t *testing.T) {
	var table Table
	put := func(path string, query ...string) {
		if err := table.Put(valuetest.Path(path), set(t, query...)); err != nil {
			t.Fatal(err)
		}
	}
	put("/3", "pmin=1", "pmax=1", "epmin=1")
	put("/3/0", "pmin=2", "pmax=2")
	put("/3/0/7", "pmin=3", "gt=3")
	put("/3/0/7/1", "gt=4")
	put("/3/1", "epmax=9")
	for path, want := range map[string]string{
		"/3":       ";pmin=1;pmax=1;epmin=1",
		"/3/0":     ";pmin=2;pmax=2;epmin=1",
		"/3/0/7":   ";pmin=3;pmax=2;epmin=1;gt=3",
		"/3/0/7/1": ";pmin=3;pmax=2;epmin=1;gt=4",
		"/3/0/9":   ";pmin=2;pmax=2;epmin=1",
		"/4":       "",
	} {
		if got := string(table.InForce(valuetest.Path(path)).AppendLink(nil)); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if table.Thresholds() == nil {
		t.Error("the thresholds are overlooked")
	}
	if !table.Forget(valuetest.Path("/3/0")) || table.Len() != 2 || table.Thresholds() != nil {
		t.Errorf("%d paths are left", table.Len())
	}
	if table.Forget(valuetest.Path("/3/0")) {
		t.Error("forgets what is not there")
	}
}

func TestTableIsBounded(t *testing.T) {
	var table Table
	a := set(t, "pmin=1")
	for i := range uint16(MaxAttributed) {
		if err := table.Put(lwm2m.PathOf(1, i), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Put(lwm2m.PathOf(2), a); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v", err)
	}
	if err := table.Put(lwm2m.PathOf(1, 7), set(t, "pmin=2")); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	if err := table.Put(lwm2m.PathOf(1, 7), Attributes{}); err != nil || table.Len() != MaxAttributed-1 {
		t.Errorf("unset: %v, %d", err, table.Len())
	}
}

// The table knows at every moment whether any threshold is set.
func TestTableCountsThresholds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table Table
		for range rapid.IntRange(1, 20).Draw(t, "changes") {
			path := lwm2m.PathOf(1, 0, rapid.Uint16Range(0, 3).Draw(t, "resource"))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				_ = table.Put(path, Attributes{}.With(GreaterThan, 1))
			case 1:
				_ = table.Put(path, Attributes{}.With(MinPeriod, 1))
			case 2:
				_ = table.Put(path, Attributes{})
			default:
				table.Forget(path)
			}
			any := false
			for _, p := range table.Paths() {
				any = any || table.At(p).thresholds()
			}
			if any != (table.Thresholds() != nil) {
				t.Fatalf("thresholds: %t, known: %t", any, table.Thresholds() != nil)
			}
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	for _, q := range []string{"pmin=1", "pmin", "gt=-1.5e3", "con=1", "=", "st=\xff"} {
		f.Add(q, "pmax=3")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		c, err := ParseQuery([]string{first, second})
		if err != nil {
			_ = err.Error()
			return
		}
		a, err := c.Apply(Attributes{}, lwm2m.PathOf(3, 0, 9), lwm2m.KindInteger)
		if err != nil {
			return
		}
		for at, value := range a.All() {
			if !at.possible(value) {
				t.Errorf("%s=%v", at, value)
			}
		}
	})
}
