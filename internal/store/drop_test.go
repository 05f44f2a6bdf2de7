package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
)

// dropAfter saves so many generations and drops the record. It returns the newest.
func dropAfter(t *testing.T, s *Store, saves int) (newest []byte) {
	t.Helper()
	for i := range saves {
		newest = []byte{byte(i)}
		mustSave(t, s, "credentials", newest)
	}
	must(t, s.Drop("credentials"))
	if _, err := s.Load("credentials"); !errors.Is(err, ErrNotExist) {
		t.Fatalf("Load = %v", err)
	}
	return newest
}

// What a power loss brings back of a record that was dropped is the newest
// generation, or nothing.
func TestDropNeverLeavesAnOlderGeneration(t *testing.T) {
	for saves := 1; saves <= 4; saves++ {
		m := newMemFS()
		newest := dropAfter(t, openMem(t, m), saves)
		states := []*memFS{m.crashLosing(), m.crashKeeping()}
		for seed := range uint64(50) {
			states = append(states, m.crashAtRandom(rand.New(rand.NewPCG(seed, uint64(saves)))))
		}
		for _, after := range states {
			checkAfterCrash(t, after, newest, nil)
		}
	}
}

// The same where the crash comes within the Drop.
func TestCrashWithinDrop(t *testing.T) {
	for saves := 1; saves <= 4; saves++ {
		for k, ended := 1, false; !ended; k++ {
			m := newMemFS()
			s := openMem(t, m)
			var newest []byte
			for i := range saves {
				newest = []byte{byte(i)}
				mustSave(t, s, "credentials", newest)
			}
			m.crashAt = m.steps + k
			ended = s.Drop("credentials") == nil
			for seed := range uint64(20) {
				checkAfterCrash(t, m.crashAtRandom(rand.New(rand.NewPCG(seed, uint64(k)))), newest, nil)
			}
		}
	}
}

// The next change of any record makes the removal durable, so that a Save, or a
// factory reset, leaves nothing of what was dropped.
func TestWhatFollowsADropMakesItDurable(t *testing.T) {
	for name, next := range map[string]func(*Store) error{
		"Save":   func(s *Store) error { _, err := s.Save("other", nil); return err },
		"Delete": func(s *Store) error { return s.Delete("other") },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemFS()
			s := openMem(t, m)
			dropAfter(t, s, 3)
			must(t, next(s))
			checkAfterCrash(t, m.crashLosing(), nil)
		})
	}
}

// countSyncs counts the syncs of a file system.
func countSyncs(m *memFS) *int {
	n := new(int)
	m.fault = func(op, _ string) error {
		if op == "sync" || op == "syncdir" {
			*n++
		}
		return nil
	}
	return n
}

// A fleet writes a record for each client when it begins and drops it when it ends:
// that the parents of a directory are there is known, and that nothing can come
// back before a first generation.
func TestSyncsOfARecordsLife(t *testing.T) {
	m := newMemFS()
	if _, err := Open(context.Background(), Options{Dir: memDir + "/sibling", FS: m}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), Options{Dir: memDir + "/one", FS: m})
	must(t, err)
	for _, step := range []struct {
		name string
		do   func() error
		want int
	}{
		{"first Save: file, directory and its entry", func() error { _, err := s.Save("a", nil); return err }, 3},
		{"Drop of a first generation", func() error { return s.Drop("a") }, 0},
		{"Save: file and directory", func() error { _, err := s.Save("a", nil); return err }, 2},
		{"another Save", func() error { _, err := s.Save("a", nil); return err }, 2},
		{"Drop of two generations: between the two", func() error { return s.Drop("a") }, 1},
	} {
		n := countSyncs(m)
		must(t, step.do())
		if *n != step.want {
			t.Errorf("%s: %d syncs, want %d", step.name, *n, step.want)
		}
	}
}
