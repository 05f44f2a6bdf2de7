package dtlstest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The table is as large and as varied as it has to be, and no name is there
// twice in a family.
func TestDeviationsAreNamed(t *testing.T) {
	names, kinds, seen := map[string]bool{}, map[string]int{}, map[string]bool{}
	for _, d := range Deviations {
		key := string(d.Family) + " " + d.Name
		if seen[key] || !slices.Contains(Families, d.Family) || d.Apply == nil {
			t.Errorf("%s: twice, of no family, or empty", key)
		}
		seen[key] = true
		kind, _, _ := strings.Cut(d.Name, ":")
		if !names[d.Name] && !strings.Contains(d.Name, "scheme 0x") {
			names[d.Name], kinds[kind] = true, kinds[kind]+1
		}
		if (d.Want.Outcome == Refused) == (d.Want.Alert == 0) {
			t.Errorf("%s: %+v", key, d.Want)
		}
	}
	t.Logf("%d deviations, %d names without the schemes: %v", len(Deviations), len(names), kinds)
	if len(names) < 200 || len(kinds) < 12 {
		t.Errorf("%d names of %d kinds", len(names), len(kinds))
	}
}

// A mutated flight leaves the flight alone, is the same for the same seed, and
// most often another.
func TestMutate(t *testing.T) {
	flight := [][]byte{bytes.Repeat([]byte{22, 1}, 50), bytes.Repeat([]byte{20}, 14), bytes.Repeat([]byte{23}, 300)}
	before, changed := fmt.Sprint(flight), 0
	for seed := range uint64(2000) {
		first := fmt.Sprint(Mutate(NewRand(seed), flight))
		if first != fmt.Sprint(Mutate(NewRand(seed), flight)) {
			t.Fatalf("seed %d: not the same twice", seed)
		}
		if first != before {
			changed++
		}
	}
	if fmt.Sprint(flight) != before || changed < 1800 {
		t.Errorf("%d of 2000 changed; the flight is %v", changed, flight)
	}
	if out := Mutate(NewRand(1), nil); len(out) != 0 {
		t.Errorf("nothing became %v", out)
	}
}
