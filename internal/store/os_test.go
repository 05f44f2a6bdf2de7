package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The tests here use the real file system.

func openDir(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: dir, LockTimeout: time.Millisecond})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func checkLoad(t *testing.T, s *Store, name, want string) {
	t.Helper()
	if rec, err := s.Load(name); err != nil || string(rec.Data) != want {
		t.Fatalf("Load = %q, %v; want %q", rec.Data, err, want)
	}
}

func TestRealDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := openDir(t, dir)
	for _, v := range []string{"one", "two", "three"} {
		mustSave(t, s, "state", []byte(v))
		checkLoad(t, s, "state", v)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openDir(t, dir)
	checkLoad(t, s, "state", "three")
	if runtime.GOOS != "windows" {
		checkModes(t, dir)
	}
	if err := s.Delete("state"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load("state"); !errors.Is(err, ErrNotExist) {
		t.Errorf("Load = %v, want ErrNotExist", err)
	}
}

func checkModes(t *testing.T, dir string) {
	t.Helper()
	for path, want := range map[string]os.FileMode{
		filepath.Dir(dir): 0o700,
		dir:               0o700,
		filepath.Join(dir, recordFile("state", 3)): 0o600,
		filepath.Join(dir, lockFile):               0o600,
	} {
		fi, err := os.Stat(path)
		if err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %v", path, fi.Mode(), err, want)
		}
	}
}

func TestSecondStoreInThisProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir)
	_, err := Open(context.Background(), Options{Dir: dir, LockTimeout: time.Millisecond})
	checkLocked(t, err, nil)
	mustSave(t, s, "state", []byte("the first one works on"))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLoadRealDamage(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir)
	mustSave(t, s, "state", []byte("old"))
	mustSave(t, s, "state", []byte("new"))
	newest := filepath.Join(dir, recordFile("state", 2))
	must(t, os.Truncate(newest, 20))
	checkFellBack(t, s, DamageTruncated)
	must(t, os.Remove(newest))
	must(t, os.Mkdir(newest, 0o700))
	checkFellBack(t, s, DamageNotRegular)
	mustSave(t, s, "state", []byte("newer"))
	checkLoad(t, s, "state", "newer")
}

// childEnv tells a copy of this test binary to be another process: it saves
// ever more generations of "state" in that directory, and prints each number
// once it is saved.
const childEnv = "HOLDFAST_STORE_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		saveForEver(dir)
	}
	os.Exit(m.Run())
}

func saveForEver(dir string) {
	s, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	rec, err := s.Load("state")
	for err == nil || errors.Is(err, ErrNotExist) {
		rec.Generation, err = s.Save("state", childRecord(rec.Generation+1))
		fmt.Println(rec.Generation)
	}
	fmt.Println("error", err)
	os.Exit(1)
}

// childRecord is what the child saves as a generation.
func childRecord(generation uint64) []byte {
	return fmt.Appendf(nil, "%d %s", generation, strings.Repeat("x", int(generation*997%30000)))
}

// startChild starts another process on dir and returns its output.
func startChild(t *testing.T, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

func TestAnotherProcessIsNamed(t *testing.T) {
	dir := t.TempDir()
	cmd, out := startChild(t, dir)
	if !out.Scan() {
		t.Fatal("the other process did not start")
	}
	_, err := Open(context.Background(), Options{Dir: dir, LockTimeout: time.Millisecond})
	var le *LockedError
	if !errors.As(err, &le) || le.PID != fmt.Sprint(cmd.Process.Pid) || le.Process != processName() {
		t.Errorf("Open = %v, want it to name process %d", err, cmd.Process.Pid)
	}
}

func TestKilledProcessLosesNothing(t *testing.T) {
	dir := t.TempDir()
	for round := range 15 {
		cmd, out := startChild(t, dir)
		saved := ""
		for range 2 + round {
			if !out.Scan() {
				t.Fatalf("the other process ended after %q", saved)
			}
			saved = out.Text()
		}
		must(t, cmd.Process.Kill())
		for out.Scan() { // what it saved before the signal came
			saved = out.Text()
		}
		_ = cmd.Wait()
		checkKilled(t, dir, saved)
	}
}

func checkKilled(t *testing.T, dir, saved string) {
	t.Helper()
	s := openDir(t, dir)
	defer s.Close()
	rec, err := s.Load("state")
	if err != nil || rec.FellBack || !bytes.Equal(rec.Data, childRecord(rec.Generation)) {
		t.Fatalf("Load = generation %d, %d bytes, fell back %v, %v", rec.Generation, len(rec.Data), rec.FellBack, err)
	}
	var acknowledged uint64
	if _, err := fmt.Sscan(saved, &acknowledged); err != nil {
		t.Fatalf("the other process said %q", saved)
	}
	if rec.Generation != acknowledged && rec.Generation != acknowledged+1 {
		t.Errorf("generation %d, want %d or the one after", rec.Generation, acknowledged)
	}
}
