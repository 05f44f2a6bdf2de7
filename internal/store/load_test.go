package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// twoGenerations returns a store with "old" and "new" under "state", the
// content of the newer file, and that file.
func twoGenerations(t *testing.T) (*memFS, *Store, *inode) {
	t.Helper()
	m := newMemFS()
	s := openMem(t, m)
	mustSave(t, s, "state", []byte("old"))
	mustSave(t, s, "state", []byte("new"))
	return m, s, m.live[memPath(recordFile("state", 2))]
}

func checkFellBack(t *testing.T, s *Store, cause error) {
	t.Helper()
	rec, err := s.Load("state")
	if err != nil || string(rec.Data) != "old" || rec.Generation != 1 {
		t.Fatalf("Load = %q (%d), %v; want the older generation", rec.Data, rec.Generation, err)
	}
	if !rec.FellBack || !slices.Equal(rec.Damaged, []string{recordFile("state", 2)}) {
		t.Errorf("record = %+v, want it to name the newer file", rec)
	}
	if !errors.Is(rec.Cause, cause) {
		t.Errorf("cause = %v, want %v", rec.Cause, cause)
	}
}

func TestLoadFallsBackFromDamage(t *testing.T) {
	good := encode("state", 2, []byte("new"))
	for name, c := range map[string]struct {
		raw  []byte
		want Damage
	}{
		"empty":      {nil, DamageTruncated},
		"half":       {good[:len(good)/2], DamageTruncated},
		"header":     {good[:headerLen], DamageTruncated},
		"no sum":     {good[:len(good)-32], DamageTruncated},
		"zeros":      {make([]byte, len(good)), DamageMagic},
		"text":       {[]byte(strings.Repeat("hello ", 40)), DamageMagic},
		"longer":     {append(bytes.Clone(good), 0), DamageLength},
		"length":     {flip(good, 20, 0x80), DamageLength},
		"payload":    {flip(good, len(good)-33, 1), DamageChecksum},
		"version":    {flip(good, 9, 3), DamageVersion},
		"generation": {encode("state", 1, []byte("copied")), DamageIdentity},
		"other name": {encode("credentials", 2, []byte("copied")), DamageIdentity},
		"too large":  {make([]byte, defaultMaxRecord+overheadMax+1), DamageTooLarge},
		"payload too large": {
			encode("state", 2, make([]byte, defaultMaxRecord+1)), DamageTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			m, s, newer := twoGenerations(t)
			newer.data = c.raw
			checkFellBack(t, s, c.want)
			checkFellBack(t, s, c.want) // Load changes nothing
			if got := m.live[memPath(recordFile("state", 2))].data; !bytes.Equal(got, c.raw) {
				t.Error("the damaged file was altered")
			}
		})
	}
}

func flip(b []byte, at int, mask byte) []byte {
	b = bytes.Clone(b)
	b[at] ^= mask
	return b
}

func TestLoadFallsBackFromEveryBitFlip(t *testing.T) {
	_, s, newer := twoGenerations(t)
	good := newer.data
	for bit := range 8 * len(good) {
		newer.data = flip(good, bit/8, 1<<(bit%8))
		rec, err := s.Load("state")
		if err != nil || !rec.FellBack || string(rec.Data) != "old" {
			t.Fatalf("bit %d: Load = %+v, %v", bit, rec, err)
		}
	}
}

func TestLoadFallsBackFromEveryTruncation(t *testing.T) {
	_, s, newer := twoGenerations(t)
	good := newer.data
	for n := range good {
		newer.data = good[:n]
		checkFellBack(t, s, DamageTruncated)
	}
}

func TestLoadFallsBackFromWhatIsNoFile(t *testing.T) {
	for _, mode := range []fs.FileMode{fs.ModeDir, fs.ModeNamedPipe, fs.ModeSymlink, fs.ModeDevice} {
		_, s, newer := twoGenerations(t)
		newer.mode = mode | 0o600
		checkFellBack(t, s, DamageNotRegular)
	}
}

// failOn makes operations on one file fail.
func failOn(m *memFS, path string, err error, ops ...string) {
	m.fault = func(op, at string) error {
		if at == path && slices.Contains(ops, op) {
			return err
		}
		return nil
	}
}

func TestLoadFallsBackFromUnreadable(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EACCES} {
		for _, op := range []string{"open", "fstat", "read"} {
			m, s, _ := twoGenerations(t)
			failOn(m, memPath(recordFile("state", 2)), errno, op)
			checkFellBack(t, s, errno)
			m.fault = nil
			if rec, err := s.Load("state"); err != nil || rec.FellBack || string(rec.Data) != "new" {
				t.Errorf("Load of the recovered medium = %+v, %v", rec, err)
			}
		}
	}
}

func TestLoadErrors(t *testing.T) {
	newest := memPath(recordFile("state", 2))
	for name, c := range map[string]struct {
		spoil   func(m *memFS)
		corrupt bool
		path    string
		damaged int
		cause   error
	}{
		"both corrupt": {func(m *memFS) {
			put(m, 1, []byte("x"))
			put(m, 2, nil)
		}, true, newest, 2, DamageTruncated},
		"older unreadable": {func(m *memFS) {
			put(m, 2, nil)
			failOn(m, memPath(recordFile("state", 1)), syscall.EIO, "read")
		}, false, newest, 2, DamageTruncated},
		"all unreadable": {func(m *memFS) {
			m.fault = func(op, _ string) error {
				if op == "open" {
					return syscall.EACCES
				}
				return nil
			}
		}, false, newest, 2, syscall.EACCES},
		"directory unreadable": {func(m *memFS) {
			failOn(m, memDir, syscall.EIO, "readdir")
		}, false, memDir, 0, syscall.EIO},
		"directory gone": {func(m *memFS) { delete(m.live, memDir) }, false, memDir, 0, fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			m, s, _ := twoGenerations(t)
			c.spoil(m)
			_, err := s.Load("state")
			var re *ReadError
			if !errors.As(err, &re) || !errors.Is(err, c.cause) || errors.Is(err, ErrNotExist) {
				t.Fatalf("Load = %v, want a ReadError of %v", err, c.cause)
			}
			if re.Corrupt != c.corrupt || re.Path != c.path || len(re.Damaged) != c.damaged || re.Name != "state" {
				t.Errorf("error = %+v", re)
			}
		})
	}
}

func TestLoadReadsBoundedNumberOfFiles(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	for g := range uint64(1000) {
		put(m, g+1, nil)
	}
	before := m.steps
	_, err := s.Load("state")
	var re *ReadError
	if !errors.As(err, &re) || len(re.Damaged) != scanMax {
		t.Errorf("Load = %v, %d files", err, len(re.Damaged))
	}
	if steps := m.steps - before; steps > 10*scanMax {
		t.Errorf("%d operations", steps)
	}
}

func TestSaveSetsDamagedAside(t *testing.T) {
	m, s, newer := twoGenerations(t)
	newer.data = newer.data[:10]
	failStep(m, 8, syscall.ENOSPC) // a Save that fails leaves it where it is
	if _, err := s.Save("state", []byte("x")); err == nil {
		t.Fatal("Save did not fail")
	}
	m.fault = nil
	checkFellBack(t, s, DamageTruncated)

	if gen := mustSave(t, s, "state", []byte("third")); gen != 3 {
		t.Errorf("generation %d, want 3", gen)
	}
	want := []string{lockFile, recordFile("state", 1), newEntry("state", 2, extDamaged).file, recordFile("state", 3)}
	if got := m.names(memDir); !slices.Equal(got, want) {
		t.Errorf("files = %q, want %q", got, want)
	}
	if got := m.live[memPath(want[2])]; got != newer || len(got.data) != 10 {
		t.Error("the damaged file was altered")
	}
	if rec, err := s.Load("state"); err != nil || rec.FellBack || string(rec.Data) != "third" {
		t.Errorf("Load = %+v, %v", rec, err)
	}
}

func TestDamagedFilesAreBounded(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	for range 10 {
		gen := mustSave(t, s, "state", []byte("x"))
		m.live[memPath(recordFile("state", gen))].data = fmt.Append(nil, "evidence ", gen)
	}
	mustSave(t, s, "state", []byte("good"))
	var got []string
	for _, e := range newListing("state", m.names(memDir)).damaged {
		got = append(got, string(m.live[memPath(e.file)].data))
	}
	want := []string{"evidence 1", "evidence 8", "evidence 9", "evidence 10"}
	if !slices.Equal(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
}

func TestSaveLeavesUnreadableInPlace(t *testing.T) {
	m, s, newer := twoGenerations(t)
	path := memPath(recordFile("state", 2))
	failOn(m, path, syscall.EIO, "open", "read")
	mustSave(t, s, "state", []byte("third"))
	if m.live[path] != newer {
		t.Error("the unreadable file is gone")
	}
	m.fault = nil
	mustSave(t, s, "state", []byte("fourth")) // it can be read again, and is just an old generation
	want := []string{lockFile, recordFile("state", 3), recordFile("state", 4)}
	if got := m.names(memDir); !slices.Equal(got, want) {
		t.Errorf("files = %q, want %q", got, want)
	}
}

func TestDeleteSetsUnusableAside(t *testing.T) {
	m, s, newer := twoGenerations(t)
	older := m.live[memPath(recordFile("state", 1))]
	newer.data = nil
	failOn(m, memPath(recordFile("state", 1)), syscall.EIO, "read")
	if err := s.Delete("state"); err != nil {
		t.Fatal(err)
	}
	m.fault = nil
	if _, err := s.Load("state"); !errors.Is(err, ErrNotExist) {
		t.Errorf("Load = %v, want ErrNotExist", err)
	}
	for gen, want := range map[uint64]*inode{1: older, 2: newer} {
		if m.live[memPath(newEntry("state", gen, extDamaged).file)] != want {
			t.Errorf("generation %d was not kept", gen)
		}
	}
	if gen := mustSave(t, s, "state", []byte("afresh")); gen != 3 {
		t.Errorf("generation %d, want 3: numbers of evidence are not used again", gen)
	}
}

func TestEvidenceIsNotOverwritten(t *testing.T) {
	m, s, newer := twoGenerations(t)
	newer.data = []byte("second evidence")
	first := &inode{mode: fileMode, data: []byte("first evidence")}
	m.live[memPath(newEntry("state", 2, extDamaged).file)] = first
	if err := s.Delete("state"); err != nil {
		t.Fatal(err)
	}
	got := newListing("state", m.names(memDir)).damaged
	if len(got) != 2 || m.live[memPath(got[0].file)] != first || m.live[memPath(got[1].file)] != newer {
		t.Errorf("kept %v", got)
	}
}
