package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

var errUnfit = errors.New("unfit")

// fit refuses what begins with "unfit" in the record "state".
func fit(name string, data []byte) error {
	if name == "state" && strings.HasPrefix(string(data), "unfit") {
		return errUnfit
	}
	return nil
}

// checking opens the directory again, with a check of contents.
func checking(t *testing.T, m *memFS) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: memDir, FS: m, Check: fit})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unchecked stores contents as somebody does who checks nothing.
func unchecked(t *testing.T, contents ...string) *memFS {
	t.Helper()
	m := newMemFS()
	s := openMem(t, m)
	for _, content := range contents {
		mustSave(t, s, "state", []byte(content))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return m
}

// What could not be loaded is not saved, and what is there stays.
func TestSaveRefusesUnfitContent(t *testing.T) {
	m := newMemFS()
	s := checking(t, m)
	mustSave(t, s, "state", []byte("good"))
	_, err := s.Save("state", []byte("unfit"))
	var failed *WriteError
	if !errors.As(err, &failed) || failed.Op != "check" || !errors.Is(err, errUnfit) {
		t.Fatalf("Save = %v", err)
	}
	if rec, err := s.Load("state"); err != nil || string(rec.Data) != "good" || rec.FellBack {
		t.Errorf("Load = %+v, %v", rec, err)
	}
	mustSave(t, s, "other", []byte("unfit, but nobody minds"))
}

// An unfit generation is passed over like any damage.
func TestLoadFallsBackFromUnfitContent(t *testing.T) {
	s := checking(t, unchecked(t, "old", "unfit"))
	checkFellBack(t, s, DamageContent)
	checkFellBack(t, s, errUnfit)
}

// Where every generation is unfit, the error has the newest content.
func TestLoadOfUnfitContentOnly(t *testing.T) {
	_, err := checking(t, unchecked(t, "unfit 1", "unfit 2")).Load("state")
	var failed *ReadError
	if !errors.As(err, &failed) || !failed.Corrupt || string(failed.Refused) != "unfit 2" || !errors.Is(err, errUnfit) {
		t.Errorf("Load = %v, %+v", err, failed)
	}
}

// The next Save keeps the older, good generation to fall back to, and the unfit
// one as evidence.
func TestUnfitContentIsSetAside(t *testing.T) {
	m := unchecked(t, "old", "unfit")
	s := checking(t, m)
	mustSave(t, s, "state", []byte("new"))
	files, err := m.ReadDir(memDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []entry{newEntry("state", 1, extRecord), newEntry("state", 2, extDamaged), newEntry("state", 3, extRecord)} {
		if !slices.Contains(files, want.file) {
			t.Errorf("%s is gone: %v", want.file, files)
		}
	}
	if rec, err := s.Load("state"); err != nil || string(rec.Data) != "new" || rec.FellBack {
		t.Errorf("Load = %+v, %v", rec, err)
	}
}

// Delete brings no older generation back, and keeps the evidence.
func TestDeleteOfUnfitContent(t *testing.T) {
	m := unchecked(t, "old", "unfit")
	s := checking(t, m)
	if err := s.Delete("state"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load("state"); !errors.Is(err, ErrNotExist) {
		t.Errorf("Load = %v", err)
	}
	if _, err := m.Stat(memPath(newEntry("state", 2, extDamaged).file)); err != nil {
		t.Errorf("the evidence is gone: %v", err)
	}
}
