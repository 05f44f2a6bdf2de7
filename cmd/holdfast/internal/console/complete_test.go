package console

import (
	"slices"
	"testing"
)

func TestCompletion(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.gateway("gw-1", "192.0.2.9", links)
		for line, want := range map[string]string{
			"re":                       "re",   // read, read-composite, replace
			"rea":                      "read", // and read-composite
			"rep":                      "replace ",
			"read ":                    "read gw-1 ",
			"read g":                   "read gw-1 ",
			"read gw-1 ":               "read gw-1 /",
			"read gw-1 /":              "read gw-1 /",
			"read /1":                  "read /1/",
			"read /d":                  "read /3/",
			"read /3/":                 "read /3/0/",
			"read /3303":               "read /3303/",
			"read /3303/":              "read /3303/",
			"read /3/0/man":            "read /3/0/0 ",
			"read /3/0/CURR":           "read /3/0/13 ",
			"read gw-1 /3/0/bat":       "read gw-1 /3/0/bat", // Battery Level and Battery Status
			"read /3/0/0 sen":          "read /3/0/0 senml-",
			"read gw-1 /3/0/0 t":       "read gw-1 /3/0/0 t", // text and tlv
			"read /3/0/0 te":           "read /3/0/0 text ",
			"attr /3/0/9 pmi":          "attr /3/0/9 pmin=",
			"attr /3/0/9 pmin=5 pma":   "attr /3/0/9 pmin=5 pmax=",
			"help wri":                 "help write",
			"read-composite /3/0/0 /1": "read-composite /3/0/0 /1/",
			"quit ":                    "quit ",
			"nonsense g":               "nonsense g",
			`read "gw`:                 `read "gw`,
			"write /1/0/life":          "write /1/0/1 ",
			"write /1/0/1 ":            "write /1/0/1 ",
			"read nobody /3":           "read nobody /3",
		} {
			got, cursor, _ := b.Edit(line+" tail", len(line))
			if got != want+" tail" || cursor != len(want) {
				t.Errorf("%q: %q at %d, want %q", line, got, cursor, want+" tail")
			}
		}
	})
}

func TestChoices(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.gateway("gw-1", "192.0.2.9", links)
		b.gateway("gw-2", "192.0.2.10", links)
		for line, want := range map[string][]string{
			"read gw-":            {"gw-1", "gw-2"},
			"read gw-1 /":         {"/1     LwM2M Server", "/3     Device", "/3303"},
			"read gw-1 /3/0/batt": {"/3/0/9   Battery Level", "/3/0/20  Battery Status"},
			"help wr":             nil, // completed first
			"help write":          {"write            a value, or several of an instance or of a multiple resource", "write-composite  values of any objects, all of them or none"},
			"read /":              nil, // whose?
		} {
			_, _, choices := b.Edit(line, len(line))
			if got := Choices(choices); !slices.Equal(got, want) {
				t.Errorf("%q: %q, want %q", line, got, want)
			}
		}
		var many []Candidate
		for range mostChoices + 2 {
			many = append(many, Candidate{Text: "x"})
		}
		if got := Choices(many); len(got) != mostChoices+1 || got[mostChoices] != "and 2 more" {
			t.Errorf("%d lines, last %q", len(got), got[len(got)-1])
		}
	})
}

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		`a  b`: {"a", "b"}, ` a` + "\t" + `b `: {"a", "b"}, `"a b" 'c d'`: {"a b", "c d"}, `x="a b"c`: {"x=a bc"},
		`0='1',2`: {"0='1',2"}, `"a\"b\\"`: {`a"b\`}, `""`: {""}, `a\b`: {`a\b`},
	} {
		if got, err := split(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
	for _, line := range []string{`"a`, `a "b c`, `'a`} {
		if got, err := split(line); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
	for _, text := range []string{"a b", `a"b`, "'a", "", `\`, "/odd"} {
		if got, err := split(quoted(text)); err != nil || !slices.Equal(got, []string{text}) {
			t.Errorf("%q is written %s, and read %q, %v", text, quoted(text), got, err)
		}
	}
}
