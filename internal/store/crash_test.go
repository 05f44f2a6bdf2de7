package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
)

const memDir = "/var/lib/gw"

// action is one call on a Store; data nil means Delete.
type action struct{ data []byte }

func save(s string) action { return action{data: []byte(s)} }

func (a action) run(s *Store) error {
	if a.data == nil {
		return s.Delete("credentials")
	}
	_, err := s.Save("credentials", a.data)
	return err
}

// runUntilCrash opens a store and runs the script. It returns what is stored
// as far as was acknowledged, and what may be stored, should the action under
// way have come through; nil stands for nothing stored.
func runUntilCrash(m *memFS, script []action) (acknowledged, possible []byte, crashed bool) {
	s, err := Open(context.Background(), Options{Dir: memDir, FS: m})
	if err != nil {
		return nil, nil, true
	}
	for _, a := range script {
		if err := a.run(s); err != nil {
			return acknowledged, a.data, true
		}
		acknowledged = a.data
		if m.steps >= m.crashAt { // crashed while tidying up
			return acknowledged, acknowledged, true
		}
	}
	return acknowledged, acknowledged, false
}

// checkAfterCrash opens what the crash left, and goes on using it.
func checkAfterCrash(t *testing.T, m *memFS, allowed ...[]byte) {
	t.Helper()
	s := openMem(t, m)
	checkLoadsOneOf(t, s, allowed...)
	want := []byte("saved after the crash")
	mustSave(t, s, "credentials", want)
	checkLoadsOneOf(t, s, want)
	checkNoTemps(t, m)
}

func checkLoadsOneOf(t *testing.T, s *Store, allowed ...[]byte) {
	t.Helper()
	rec, err := s.Load("credentials")
	for _, want := range allowed {
		if want == nil && errors.Is(err, ErrNotExist) {
			return
		}
		if want != nil && err == nil && bytes.Equal(rec.Data, want) && !rec.FellBack {
			return
		}
	}
	t.Fatalf("Load = %q, fell back %v, %v; want one of %q", rec.Data, rec.FellBack, err, allowed)
}

func checkNoTemps(t *testing.T, m *memFS) {
	t.Helper()
	for _, name := range m.names(memDir) {
		if strings.HasSuffix(name, "."+extTemp) {
			t.Errorf("temporary file left: %s", name)
		}
	}
}

func TestCrashAtEveryStepLeavesOldOrNew(t *testing.T) {
	script := []action{save("one"), save("two, longer"), save("3"), save("four"), {}, save("five"), save("")}
	crashes := 0
	for k := 1; ; k++ {
		m := newMemFS()
		m.crashAt = k
		old, new, crashed := runUntilCrash(m, script)
		if !crashed {
			t.Logf("%d crash points, %d crashes", k-1, crashes)
			return
		}
		states := []*memFS{m.crashLosing(), m.crashKeeping()}
		for seed := range uint64(30) {
			states = append(states, m.crashAtRandom(rand.New(rand.NewPCG(seed, uint64(k)))))
		}
		for i, after := range states {
			crashes++
			t.Run(fmt.Sprintf("step%d/%d", k, i), func(t *testing.T) {
				checkAfterCrash(t, after, old, new)
			})
		}
	}
}

// A crash during the recovery from a crash is no worse.
func TestCrashTwice(t *testing.T) {
	for first := 20; first < 60; first++ {
		for second := 1; second < 40; second++ {
			m := newMemFS()
			m.crashAt = first
			old, new, crashed := runUntilCrash(m, []action{save("one"), save("two"), save("three")})
			if !crashed {
				break
			}
			r := rand.New(rand.NewPCG(uint64(first), uint64(second)))
			m = m.crashAtRandom(r)
			m.crashAt = second
			allowed := [][]byte{old, new}
			acknowledged, possible, _ := runUntilCrash(m, []action{save("again")})
			if acknowledged != nil {
				allowed = [][]byte{acknowledged}
			} else if possible != nil {
				allowed = append(allowed, possible)
			}
			checkAfterCrash(t, m.crashAtRandom(r), allowed...)
		}
	}
}

// failStep lets the n-th operation fail, from 1.
func failStep(m *memFS, n int, err error) {
	first := m.steps
	m.fault = func(string, string) error {
		if m.steps-first == n {
			return err
		}
		return nil
	}
}

func TestFaultAtEveryStepOfSave(t *testing.T) {
	errnos := []error{syscall.ENOSPC, syscall.EROFS, syscall.EACCES, syscall.EIO, syscall.EFBIG}
	failures := 0
	for n := 1; ; n++ {
		for _, errno := range errnos {
			m := newMemFS()
			s := openMem(t, m)
			for _, v := range []string{"a", "b", "current"} {
				mustSave(t, s, "credentials", []byte(v))
			}
			failStep(m, n, errno)
			before := m.steps
			gen, err := s.Save("credentials", []byte("next"))
			reached := m.steps-before >= n
			m.fault = nil
			if !reached {
				t.Logf("%d steps, %d failed Saves", n-1, failures)
				return
			}
			want := "next"
			if err != nil {
				failures++
				want = "current"
				checkFailedSave(t, m, gen, err, errno)
			}
			checkLoadsOneOf(t, s, []byte(want))
			mustSave(t, s, "credentials", []byte("once the disk is good again"))
			checkLoadsOneOf(t, s, []byte("once the disk is good again"))
		}
	}
}

func checkFailedSave(t *testing.T, m *memFS, gen uint64, err, errno error) {
	t.Helper()
	var we *WriteError
	if !errors.As(err, &we) || !errors.Is(err, errno) || we.Op == "" || we.Path == "" || gen != 0 {
		t.Errorf("Save = %d, %#v; want a WriteError for %v", gen, err, errno)
	}
	checkNoTemps(t, m)
}

// A medium that goes bad for good in the middle of a Save.
func TestLastingFaultFromEveryStep(t *testing.T) {
	for n := 1; n < 40; n++ {
		m := newMemFS()
		s := openMem(t, m)
		mustSave(t, s, "credentials", []byte("current"))
		last := m.steps + n
		m.fault = func(string, string) error {
			if m.steps >= last {
				return syscall.EIO
			}
			return nil
		}
		_, err := s.Save("credentials", []byte("next"))
		m.fault = nil
		if err != nil {
			checkLoadsOneOf(t, s, []byte("current"), []byte("next"))
		} else {
			checkLoadsOneOf(t, s, []byte("next"))
		}
		mustSave(t, s, "credentials", []byte("later"))
		checkLoadsOneOf(t, s, []byte("later"))
		checkNoTemps(t, m)
	}
}

// When directory sync fails and taking the file back does too, the new
// generation stays; that is the documented exception, and nothing is lost.
func TestSyncDirAndUndoFail(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	mustSave(t, s, "credentials", []byte("current"))
	m.fault = func(op, _ string) error {
		if op == "syncdir" || op == "remove" {
			return syscall.EIO
		}
		return nil
	}
	_, err := s.Save("credentials", []byte("next"))
	m.fault = nil
	var we *WriteError
	if !errors.As(err, &we) || we.Op != "sync-dir" {
		t.Fatalf("err = %v, want a sync-dir failure", err)
	}
	checkLoadsOneOf(t, s, []byte("next"))
}

func TestTornWriteIsFoundByReadBack(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	mustSave(t, s, "credentials", []byte("current"))
	for name, torn := range map[string]func([]byte) []byte{
		"short":   func(b []byte) []byte { return b[:len(b)-1] },
		"flipped": func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 4; return b },
		"nothing": func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			m.torn = torn
			_, err := s.Save("credentials", []byte("next"))
			m.torn = nil
			var we *WriteError
			if !errors.As(err, &we) || we.Op != "verify" {
				t.Fatalf("Save = %v, want a verify failure", err)
			}
			checkLoadsOneOf(t, s, []byte("current"))
			checkNoTemps(t, m)
		})
	}
}
