package reporting

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

func spec(server uint16, token string, targets ...string) Spec {
	s := Spec{Peer: messages.ManagementPeer(server), Token: token, Composite: len(targets) > 1, Format: 112, Key: "key"}
	for _, target := range targets {
		s.Targets = append(s.Targets, valuetest.Path(target))
	}
	return s
}

func TestBegin(t *testing.T) {
	s := NewSet(2)
	one, before := s.Begin(spec(1, "a", "/3/0"))
	if one == nil || before != nil {
		t.Fatal(one, before)
	}
	s.Schedule(one, start)
	again, before := s.Begin(spec(1, "a", "/3/0"))
	if before != one || again == one || again.ID != one.ID || s.Len() != 1 {
		t.Errorf("the same again: %v, ID %d", before, again.ID)
	}
	if _, due := s.Next(); due {
		t.Error("what was replaced is still due")
	}
	other, before := s.Begin(spec(1, "a", "/3/1"))
	if before != again || other.ID == again.ID || s.Len() != 1 {
		t.Errorf("the same token for something else: ID %d", other.ID)
	}
	if two, _ := s.Begin(spec(2, "a", "/3/0")); two == nil || s.Len() != 2 {
		t.Error("another server's token is another")
	}
	if full, before := s.Begin(spec(1, "b", "/3/0")); full != nil || before != nil || s.Room(messages.ManagementPeer(1), "b") {
		t.Error("one too many")
	}
	if next, _ := s.Begin(spec(1, "a", "/4")); next == nil {
		t.Error("a full set replaces none")
	}
	if ended := s.End(messages.ManagementPeer(1)); len(ended) != 1 || s.Len() != 1 || s.Has(ended[0]) {
		t.Errorf("ended: %v", ended)
	}
}

// What a change concerns and what is due next is what a search through everything
// finds.
// Changes tells whether an observation has begun or ended meanwhile.
func TestChanges(t *testing.T) {
	s := NewSet(2)
	seen := map[uint64]bool{s.Changes(): true}
	for i, do := range []func(){
		func() { s.Begin(spec(1, "a", "/3/0")) },
		func() { s.Begin(spec(1, "a", "/3/0")) },
		func() { s.Cancel(messages.ManagementPeer(1), "a") },
		func() { s.Begin(spec(2, "a", "/3/0")) },
		func() { s.End(messages.ManagementPeer(2)) },
	} {
		if do(); seen[s.Changes()] {
			t.Errorf("%d: the same number as before", i)
		}
		seen[s.Changes()] = true
	}
	last := s.Changes()
	if s.Cancel(messages.ManagementPeer(1), "b"); s.Changes() != last {
		t.Error("nothing has ended")
	}
}

func TestSetFindsWhatASearchFinds(t *testing.T) {
	paths := []string{"/", "/3", "/3/0", "/3/0/9", "/3/0/7/1", "/3/0/7", "/3/1", "/4", "/4/0/1"}
	rapid.Check(t, func(t *rapid.T) {
		s := NewSet(6)
		var all []*Observation
		due := map[*Observation]time.Time{}
		forget := func(o *Observation) {
			all = slices.DeleteFunc(all, func(other *Observation) bool { return other == o })
			delete(due, o)
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			token := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "token")
			server := rapid.Uint16Range(1, 2).Draw(t, "server")
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0, 1:
				targets := rapid.SliceOfNDistinct(rapid.SampledFrom(paths), 1, 3, rapid.ID).Draw(t, "targets")
				o, before := s.Begin(spec(server, token, targets...))
				if before != nil {
					forget(before)
				}
				if o != nil {
					all = append(all, o)
				} else if len(all) < 6 {
					t.Fatal("no room")
				}
			case 2:
				if o := s.Cancel(messages.ManagementPeer(server), token); o != nil {
					forget(o)
				}
			case 3:
				if o := s.Get(messages.ManagementPeer(server), token); o != nil {
					due[o] = start.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "at")) * time.Second)
					s.Schedule(o, due[o])
				}
			case 4:
				if o := s.Get(messages.ManagementPeer(server), token); o != nil {
					s.Suspend(o)
					delete(due, o)
				}
			}
			path := valuetest.Path(rapid.SampledFrom(paths).Draw(t, "changed"))
			checkConcerned(t, s, all, path)
			for id := range uint16(3) {
				if peer := messages.ManagementPeer(id); s.Count(peer) != len(s.Of(peer)) {
					t.Fatalf("%d counted of %v", s.Count(peer), s.Of(peer))
				}
			}
		}
		checkDue(t, s, due)
	})
}

func checkConcerned(t *rapid.T, s *Set, all []*Observation, path lwm2m.Path) {
	var want []*Observation
	for _, o := range all {
		if slices.ContainsFunc(o.Targets, func(p lwm2m.Path) bool { return p.Contains(path) || path.Contains(p) }) {
			want = append(want, o)
		}
	}
	got := s.Concerned(path)
	slices.SortFunc(want, func(a, b *Observation) int { return int(a.ID) - int(b.ID) })
	if !slices.Equal(got, want) || s.Len() != len(all) {
		t.Fatalf("a change of %s concerns %d of %d, want %d", path, len(got), s.Len(), len(want))
	}
}

func checkDue(t *rapid.T, s *Set, due map[*Observation]time.Time) {
	var last time.Time
	for at, ok := s.Next(); ok; at, ok = s.Next() {
		if o := s.Due(at.Add(-1)); o != nil {
			t.Fatal("due too early")
		}
		o := s.Due(at)
		if !due[o].Equal(at) || at.Before(last) {
			t.Fatalf("due at %v, want %v", at, due[o])
		}
		last = at
		delete(due, o)
	}
	if len(due) > 0 {
		t.Fatalf("%d are never due", len(due))
	}
}

// Finding what a change concerns costs the same among ten thousand.
func BenchmarkConcerned(b *testing.B) {
	s := NewSet(10_000)
	for i := range uint16(10_000) {
		o, _ := s.Begin(Spec{Peer: messages.ManagementPeer(1), Token: string([]byte{byte(i), byte(i >> 8)}), Targets: []lwm2m.Path{lwm2m.PathOf(3303, i, 5700)}})
		s.Schedule(o, start.Add(time.Duration(i)))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for _, o := range s.Concerned(lwm2m.PathOf(3303, uint16(i%10_000), 5700)) {
			s.Schedule(o, start.Add(time.Duration(i)))
		}
	}
}
