package store

import (
	"errors"
	"slices"
	"testing"
)

func TestNamesAreThoseOfTheRecords(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	for _, name := range []string{"state-2", "credentials", "state-10", "state-2"} {
		mustSave(t, s, name, []byte("x"))
	}
	got, err := s.Names("state-")
	if want := []string{"state-10", "state-2"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Names = %v, %v; want %v", got, err, want)
	}
	must(t, s.Delete("state-2"))
	must(t, s.SetAside("state-10"))
	if got, err := s.Names("state-"); err != nil || len(got) != 0 {
		t.Errorf("Names = %v, %v", got, err)
	}
	must(t, s.Close())
	if _, err := s.Names(""); !errors.Is(err, ErrClosed) {
		t.Errorf("Names = %v", err)
	}
}

// What is set aside is not read again, is not lost, and not by a crash either.
func TestSetAsideKeepsWhatItHides(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	mustSave(t, s, "state-1", []byte("one"))
	mustSave(t, s, "state-1", []byte("two"))
	must(t, s.SetAside("state-1"))
	for _, found := range []*memFS{m, m.crashLosing()} {
		s := s
		if found != m {
			s = openMem(t, found)
		}
		if _, err := s.Load("state-1"); !errors.Is(err, ErrNotExist) {
			t.Errorf("Load = %v", err)
		}
		for generation := range uint64(2) {
			aside := newEntry("state-1", generation+1, extDamaged)
			if !slices.Contains(found.names(memDir), aside.file) {
				t.Errorf("%s is not kept: %v", aside.file, found.names(memDir))
			}
		}
	}
	mustSave(t, s, "state-1", []byte("three"))
	checkLoad(t, s, "state-1", "three")
}
