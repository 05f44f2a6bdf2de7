package imagefile

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// failOp lets the operations of a name fail on paths that end so.
func failOp(m *memFS, op, suffix string, err error) {
	m.fault = func(name, path string) error {
		if name == op && strings.HasSuffix(path, suffix) {
			return err
		}
		return nil
	}
}

// Each failure of the medium has its kind, and with it the result that a server is told.
func TestFailuresHaveKinds(t *testing.T) {
	fetch := func(f *Folder) error {
		i, err := f.Begin(Spec{ID: "one"})
		if err == nil {
			err = i.Append(0, present.content)
		}
		if err == nil {
			_, err = i.Finish()
		}
		return err
	}
	resume := func(f *Folder) error { _, err := f.Resume("one"); return err }
	for _, tc := range []struct {
		op, path string
		errno    syscall.Errno
		call     func(*Folder) error
		kind     Kind
		result   firmware.Result
	}{
		{"write", "/image", syscall.ENOSPC, fetch, NoSpace, firmware.ResultNoSpace},
		{"write", "/image", syscall.EDQUOT, fetch, NoSpace, firmware.ResultNoSpace},
		{"write", "/image", syscall.EFBIG, fetch, TooLarge, firmware.ResultNoSpace},
		{"write", "/image", syscall.ENOMEM, fetch, OutOfMemory, firmware.ResultOutOfMemory},
		{"write", "/image", syscall.EIO, fetch, WriteFailed, firmware.ResultWriteFailed},
		{"sync", "/image", syscall.EIO, fetch, WriteFailed, firmware.ResultWriteFailed},
		{"sync", "/image", syscall.ENOSPC, fetch, NoSpace, firmware.ResultNoSpace},
		{"open", "/image", syscall.EROFS, fetch, WriteFailed, firmware.ResultWriteFailed},
		{"write", ".tmp", syscall.ENOSPC, fetch, NoSpace, firmware.ResultNoSpace},
		{"syncdir", "", syscall.EIO, fetch, WriteFailed, firmware.ResultWriteFailed},
		{"free", "", syscall.EIO, fetch, WriteFailed, firmware.ResultWriteFailed},
		{"stat", "/image", syscall.EIO, fetch, ReadFailed, firmware.ResultReadFailed},
		{"remove", "/image", syscall.EROFS, fetch, WriteFailed, firmware.ResultWriteFailed},
		{"read", "/image", syscall.EIO, resume, ReadFailed, firmware.ResultReadFailed},
		{"read", "/image", syscall.ENOMEM, resume, OutOfMemory, firmware.ResultOutOfMemory},
		{"open", "/image", syscall.EIO, resume, ReadFailed, firmware.ResultReadFailed},
		{"fstat", "/image", syscall.EIO, resume, ReadFailed, firmware.ResultReadFailed},
		{"read", ".rec", syscall.EIO, resume, ReadFailed, firmware.ResultReadFailed},
		{"readdir", "", syscall.EIO, resume, ReadFailed, firmware.ResultReadFailed},
	} {
		m := newMemFS()
		f := attachMem(t, m)
		if i := begin(t, f, Spec{ID: "one"}); i.Append(0, former.content) != nil {
			t.Fatal("cannot be filled")
		}
		failOp(m, tc.op, tc.path, tc.errno)
		err := tc.call(f)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != tc.kind || e.Result() != tc.result || !errors.Is(err, tc.errno) || !strings.Contains(err.Error(), memDir) {
			t.Errorf("%s of %s fails with %v: %v (%v)", tc.op, tc.path, tc.errno, err, KindOf(err))
		}
		m.fault = nil
		if err := fetch(f); err != nil {
			t.Errorf("%s of %s, once the medium is good again: %v", tc.op, tc.path, err)
		}
	}
}

// Whatever fails, once: the image that comes of it in the end is whole.
func TestFaultAtEveryStep(t *testing.T) {
	for _, errno := range []error{syscall.ENOSPC, syscall.EIO, syscall.ENOMEM, syscall.EACCES} {
		for k := 1; ; k++ {
			m := newMemFS()
			f := attachMem(t, m)
			first := m.steps
			m.fault = func(string, string) error {
				if m.steps-first == k {
					return errno
				}
				return nil
			}
			_ = former.fetch(f) && present.fetch(f)
			if m.steps-first < k {
				break
			}
			m.fault = nil
			expectPrefix(t, f, former, present)
			if !present.fetch(f) {
				t.Fatalf("step %d, %v: cannot be fetched", k, errno)
			}
			if got, err := f.current.Finish(); err != nil || got.Hash != sha256.Sum256(present.content) {
				t.Fatalf("step %d, %v: not the image, %v", k, errno, err)
			}
		}
	}
}

// A disk that fills half way has taken some of a part. When there is room again the rest
// of it follows, and the digest is right.
func TestADiskThatFillsHalfWay(t *testing.T) {
	m := newMemFS()
	f := attachMem(t, m)
	i := begin(t, f, Spec{ID: "one"})
	part := present.content[:800]
	failOp(m, "write", "/image", syscall.ENOSPC)
	expectKind(t, i.Append(0, part), NoSpace)
	if i.Progress() != 400 {
		t.Fatalf("%d bytes", i.Progress())
	}
	m.fault = nil
	if err := i.Append(0, part); err != nil {
		t.Fatal(err)
	}
	if got, err := i.Finish(); err != nil || got.Hash != sha256.Sum256(part) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Where a sync has failed nobody knows what is on the medium: nothing goes on with it.
func TestAFailedSyncEndsTheImage(t *testing.T) {
	m := newMemFS()
	f := attachMem(t, m)
	i := begin(t, f, Spec{ID: "one"})
	if err := i.Append(0, present.content[:10]); err != nil {
		t.Fatal(err)
	}
	failOp(m, "sync", "/image", syscall.EIO)
	expectKind(t, i.Sync(), WriteFailed)
	m.fault = nil
	expectKind(t, i.Append(10, present.content[10:20]), WriteFailed)
	expectKind(t, i.Sync(), WriteFailed)
	_, err := i.Finish()
	expectKind(t, err, WriteFailed)
	_, err = f.Resume("one")
	expectKind(t, err, Nothing)
}

// Room is looked for before anything is fetched, and when the size becomes known.
func TestRoom(t *testing.T) {
	m := newMemFS()
	f := attachMem(t, m)
	for _, tc := range []struct {
		room, size int64
		kind       Kind
	}{
		{reserve + 100, 100, 0},
		{reserve + 99, 100, NoSpace},
		{reserve, 0, 0}, // of unknown size
		{reserve - 1, 0, NoSpace},
	} {
		m.room = tc.room
		_, err := f.Begin(Spec{ID: "one", Size: tc.size})
		if KindOf(err) != tc.kind {
			t.Errorf("%+v: %v", tc, err)
		}
		if space, ok := errors.AsType[*SpaceError](err); tc.kind != 0 && (!ok || space.Needed != tc.size || space.Free != tc.room) {
			t.Errorf("%+v: %v", tc, err)
		}
		if m.live["/fw/image"] != nil != (tc.kind == 0) {
			t.Errorf("%+v: there is an image: %t", tc, m.live["/fw/image"] != nil)
		}
	}
	m.room = reserve + 1000
	i := begin(t, f, Spec{ID: "one"})
	expectKind(t, i.Describe(nil, 1001), NoSpace)
	if err := errors.Join(i.Describe(nil, 1000), i.Append(0, former.content[:600])); err != nil {
		t.Fatal(err)
	}
	m.room = reserve + 400 // the rest
	if err := i.Describe(nil, 1000-1); err != nil {
		t.Error(err)
	}
	expectKind(t, i.Describe(nil, 1001), NoSpace)
}

// A size above the limit is refused before anything is written, by whoever says it.
func TestLimit(t *testing.T) {
	m := newMemFS()
	f, err := Attach(t.Context(), Options{Dir: memDir, FS: m, Max: 1000})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Begin(Spec{ID: "one", Size: 1001})
	expectKind(t, err, TooLarge)
	if size, ok := errors.AsType[*SizeError](err); !ok || size.Size != 1001 || size.Limit != 1000 {
		t.Error(err)
	}
	_, err = f.Begin(Spec{ID: "one", Size: 501, Limit: 500})
	expectKind(t, err, TooLarge)
	i := begin(t, f, Spec{ID: "one", Limit: 2000})
	expectKind(t, i.Append(0, former.content[:1001]), TooLarge)
	if i.Progress() != 0 {
		t.Errorf("%d bytes", i.Progress())
	}
	if err := i.Append(0, former.content[:1000]); err != nil {
		t.Error(err)
	}
	expectKind(t, i.Append(1000, former.content[:1]), TooLarge)
	expectKind(t, i.Describe(nil, 1001), TooLarge)
}

func TestMisuse(t *testing.T) {
	f := attachMem(t, newMemFS())
	for _, s := range []Spec{
		{}, {ID: strings.Repeat("x", MaxID+1)}, {ID: "one", Size: -1}, {ID: "one", ETag: make([]byte, MaxETag+1)},
	} {
		_, err := f.Begin(s)
		expectKind(t, err, Misuse)
	}
	i := begin(t, f, Spec{ID: strings.Repeat("x", MaxID), ETag: make([]byte, MaxETag)})
	expectKind(t, i.Append(1, []byte("gap")), Misuse)
	expectKind(t, i.Append(-1, []byte("before")), Misuse)
	if err := errors.Join(i.Describe([]byte("a"), 0), i.Append(0, []byte("abc")), i.Describe([]byte("a"), 5)); err != nil {
		t.Fatal(err)
	}
	expectKind(t, i.Describe([]byte("b"), 5), Misuse)
	if s := i.Spec(); string(s.ETag) != "a" || s.Size != 5 {
		t.Errorf("%+v", s)
	}
}

// A part that was sent once more is not written again.
func TestOverlap(t *testing.T) {
	f := attachMem(t, newMemFS())
	i := begin(t, f, Spec{ID: "one"})
	for _, p := range []struct {
		offset int64
		data   string
	}{{0, "hold"}, {2, "ld"}, {0, ""}, {4, ""}, {0, "hol"}, {3, "dfast"}} {
		if err := i.Append(p.offset, []byte(p.data)); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if got, err := i.Finish(); err != nil || got.Hash != sha256.Sum256([]byte("holdfast")) || got.Size != 8 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Another image under the same address begins anew, and what has the former one in its hands
// cannot write into it.
func TestRestart(t *testing.T) {
	m := newMemFS()
	f := attachMem(t, m)
	i := begin(t, f, Spec{ID: "one", ETag: []byte("a"), Limit: 5000})
	if err := i.Append(0, former.content); err != nil {
		t.Fatal(err)
	}
	anew, err := i.Restart([]byte("b"), 8)
	if err != nil {
		t.Fatal(err)
	}
	expectStale(t, i)
	if s := anew.Spec(); s.ID != "one" || string(s.ETag) != "b" || s.Size != 8 || s.Limit != 5000 || anew.Progress() != 0 {
		t.Errorf("%+v, %d", s, anew.Progress())
	}
	if err := anew.Append(0, []byte("holdfast")); err != nil {
		t.Error(err)
	}
	again, err := f.Resume("one")
	if err != nil || again.Progress() != 8 {
		t.Fatal(err)
	}
	expectStale(t, anew)
}

func expectStale(t *testing.T, i *Image) {
	t.Helper()
	_, finish := i.Finish()
	_, restart := i.Restart(nil, 0)
	for _, err := range []error{i.Append(i.Progress(), []byte("x")), i.Sync(), i.Describe(nil, 0), finish, restart} {
		expectKind(t, err, Stale)
	}
}

// What cannot be gone on with is Nothing, whatever was done to it.
func TestNothingToGoOnWith(t *testing.T) {
	for name, change := range map[string]func(m *memFS){
		"no image":            func(m *memFS) { delete(m.live, "/fw/image") },
		"shorter than synced": func(m *memFS) { cut(m.live["/fw/image"], 999) },
		"altered":             func(m *memFS) { m.live["/fw/image"].data[500]++ },
		"writable by others":  func(m *memFS) { m.live["/fw/image"].mode |= 0o002 },
		"no regular file":     func(m *memFS) { m.live["/fw/image"].mode |= fs.ModeNamedPipe },
		"note damaged":        func(m *memFS) { cut(m.live[noteOf(m)], 40) },
		"note removed":        func(m *memFS) { delete(m.live, noteOf(m)) },
		"folder removed":      func(m *memFS) { clear(m.live); m.live["/"] = &inode{mode: fs.ModeDir | 0o755} },
	} {
		m := newMemFS()
		f := attachMem(t, m)
		if err := begin(t, f, Spec{ID: "one"}).Append(0, former.content); err != nil {
			t.Fatal(err)
		}
		for path := range m.live { // one generation of the note
			if isNote(path) && path != noteOf(m) {
				delete(m.live, path)
			}
		}
		change(m)
		_, err := f.Resume("one")
		if KindOf(err) != Nothing || err.Error() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := attachMem(t, newMemFS())
	_, err := f.Resume("one")
	expectKind(t, err, Nothing)
	begin(t, f, Spec{ID: "one"})
	_, err = f.Resume("two")
	expectKind(t, err, Nothing)
}

func cut(i *inode, length int) { i.data = i.data[:length] }

// noteOf is the path of the newest note.
func noteOf(m *memFS) (newest string) {
	for path := range m.live {
		if isNote(path) {
			newest = max(newest, path)
		}
	}
	return newest
}

// A folder that another process has is refused, by name.
func TestOneProcessHasTheFolder(t *testing.T) {
	dir := t.TempDir()
	f := attach(t, at(dir, "boot"))
	o := at(dir, "boot")
	o.LockTimeout = 1
	_, err := Attach(t.Context(), o)
	if locked, ok := errors.AsType[*store.LockedError](err); !ok || locked.Dir != dir {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Attach(ended, o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	attach(t, o)
}

func TestKindsHaveNames(t *testing.T) {
	var seen []string
	for k := NoSpace; k <= Misuse; k++ {
		if name := k.String(); name == "" || slices.Contains(seen, name) {
			t.Errorf("%d: %q", k, name)
		}
		seen = append(seen, k.String())
	}
	if got := (Misuse + 1).String(); got != "kind 9" {
		t.Error(got)
	}
	if (&Error{Kind: Stale}).Result() != firmware.ResultInternal || KindOf(errors.New("other")) != 0 {
		t.Error("other errors")
	}
}
