package listeners

import (
	"slices"
	"testing"
)

func TestTheWatchLastsWhileSomebodyListens(t *testing.T) {
	var g Group[int]
	var log []string
	begin := func() func() {
		log = append(log, "begin")
		return func() { log = append(log, "end") }
	}
	tells := func(who string) func(int) { return func(n int) { log = append(log, who+string(rune('0'+n))) } }
	g.Tell(1)
	first := g.Add(tells("a"), begin)
	g.Tell(2)
	second := g.Add(tells("b"), begin)
	first()
	first()
	g.Tell(3)
	second()
	second()
	g.Tell(4)
	g.Add(tells("c"), begin)()
	if want := []string{"begin", "a2", "b3", "end", "begin", "end"}; !slices.Equal(log, want) {
		t.Errorf("%q, want %q", log, want)
	}
}
