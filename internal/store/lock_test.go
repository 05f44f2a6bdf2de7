package store

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOpenWaitsForTheLockAndNamesItsHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		first := openMem(t, m)
		start := time.Now()
		_, err := Open(t.Context(), Options{Dir: memDir, FS: m})
		if waited := time.Since(start); waited != 5*time.Second {
			t.Errorf("waited %v, want 5s", waited)
		}
		checkLocked(t, err, nil)
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		if err := openMem(t, m).Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func checkLocked(t *testing.T, err, cause error) {
	t.Helper()
	var le *LockedError
	if !errors.As(err, &le) {
		t.Fatalf("Open = %v, want a LockedError", err)
	}
	if le.PID != strconv.Itoa(os.Getpid()) || le.Process != processName() || le.Process == "" {
		t.Errorf("error = %+v, want it to name this process", le)
	}
	if le.Err != cause {
		t.Errorf("cause = %v, want %v", le.Err, cause)
	}
	for _, want := range []string{le.Dir, "process " + le.PID + " (" + le.Process + ")", "stop that process"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestOpenTakesOverWhenTheHolderLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		first := openMem(t, m)
		time.AfterFunc(1250*time.Millisecond, func() { _ = first.Close() })
		start := time.Now()
		if err := openMem(t, m).Close(); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited != 1300*time.Millisecond {
			t.Errorf("waited %v, want the next poll at 1.3s", waited)
		}
	})
}

func TestOpenHeedsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		openMem(t, m)
		ctx, cancel := context.WithTimeout(t.Context(), 730*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := Open(ctx, Options{Dir: memDir, FS: m, LockTimeout: time.Minute})
		if waited := time.Since(start); waited != 730*time.Millisecond {
			t.Errorf("waited %v, want 730ms", waited)
		}
		checkLocked(t, err, context.DeadlineExceeded)

		before := m.steps
		_, err = Open(ctx, Options{Dir: memDir, FS: m})
		var ioe *IOError
		if !errors.As(err, &ioe) || !errors.Is(err, context.DeadlineExceeded) || m.steps != before {
			t.Errorf("Open with a context that is done = %v", err)
		}
	})
}

func TestSaveLocksAnewWhenTheLockFileIsGone(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	delete(m.live, memPath(lockFile))
	mustSave(t, s, "state", []byte("x"))
	synctest.Test(t, func(t *testing.T) {
		_, err := Open(t.Context(), Options{Dir: memDir, FS: m})
		checkLocked(t, err, nil)
	})
}

func TestSaveIsRefusedWhenAnotherHasTheNewLockFile(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	mustSave(t, s, "state", []byte("x"))
	delete(m.live, memPath(lockFile))
	other := openMem(t, m)
	var we *WriteError
	_, err := s.Save("state", []byte("y"))
	if !errors.As(err, &we) || we.Op != "lock" {
		t.Fatalf("Save = %v, want a WriteError of the lock", err)
	}
	checkLocked(t, err, nil)
	if err := s.Delete("state"); !errors.As(err, &we) {
		t.Errorf("Delete = %v, want a WriteError", err)
	}
	if rec, err := s.Load("state"); err != nil || string(rec.Data) != "x" {
		t.Errorf("Load = %q, %v", rec.Data, err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	mustSave(t, s, "state", []byte("y"))
}

func TestOwnerRoundTrip(t *testing.T) {
	for _, process := range []string{"holdfast", "a name with blanks", ""} {
		b := formatOwner(4711, process)
		if len(b) != ownerLen {
			t.Errorf("length %d, want %d", len(b), ownerLen)
		}
		if pid, got := parseOwner(b); pid != "4711" || got != process {
			t.Errorf("owner = %q %q", pid, got)
		}
	}
}

func TestParseOwnerOfForeignText(t *testing.T) {
	for _, s := range []string{"", "\n", "x y", "-1 a", "0 a", "99999999999 a", "1\x1b[31m a"} {
		if pid, process := parseOwner([]byte(s)); pid != "" || process != "" {
			t.Errorf("parseOwner(%q) = %q, %q", s, pid, process)
		}
	}
	if _, process := parseOwner([]byte("1 a\x1b[31m\xff")); process != "a?[31m?" {
		t.Errorf("process = %q", process)
	}
	for err, want := range map[*LockedError]string{
		{Dir: "/d"}:           "store: /d is in use by another process: ",
		{Dir: "/d", PID: "7"}: "store: /d is in use by process 7: ",
	} {
		if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q does not begin with %q", err, want)
		}
	}
}

func FuzzParseOwner(f *testing.F) {
	f.Add([]byte("12 holdfast  \n"))
	f.Add([]byte("12 \x1b]0;\xff\n"))
	f.Add([]byte("00000000010"))
	f.Fuzz(func(t *testing.T, b []byte) {
		pid, process := parseOwner(b)
		if len(pid) > 10 || len(process) > processMax {
			t.Errorf("owner = %q, %q", pid, process)
		}
		if cleanProcess(process) != process {
			t.Errorf("process = %q is not clean", process)
		}
	})
}
