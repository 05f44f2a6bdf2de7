package imagefile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/store"
)

// content returns n bytes that look like an image: no part is like another.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0] = byte(seed)
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}

// realFS is the real file system, with a boot and room that a test chooses.
type realFS struct {
	FS
	boot *string
	room *int64
}

func (r realFS) BootID() string { return *r.boot }

func (r realFS) Free(dir string) (int64, bool, error) {
	if r.room == nil {
		return r.FS.Free(dir)
	}
	return *r.room, true, nil
}

// at returns the options of a folder on the real file system.
func at(dir, boot string) Options {
	return Options{Dir: dir, FS: realFS{FS: Over(store.OS()), boot: &boot}}
}

func attach(t *testing.T, o Options) *Folder {
	t.Helper()
	f, err := Attach(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func begin(t *testing.T, f *Folder, s Spec) *Image {
	t.Helper()
	i, err := f.Begin(s)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// fill appends data from an offset on, in parts of 1024 bytes.
func fill(t *testing.T, i *Image, from int, data []byte) {
	t.Helper()
	for part := range slices.Chunk(data, 1024) {
		if err := i.Append(int64(from), part); err != nil {
			t.Fatal(err)
		}
		from += len(part)
	}
}

// expectKind fails the test unless an error of this package is of that kind.
func expectKind(t *testing.T, err error, want Kind) {
	t.Helper()
	if e, ok := errors.AsType[*Error](err); !ok || e.Kind != want || e.Path == "" {
		t.Errorf("%v (%v), want %v", err, KindOf(err), want)
	}
}

// expectFinished finishes an image, and looks at it as an Installer does.
func expectFinished(t *testing.T, i *Image, want []byte) {
	t.Helper()
	got, err := i.Finish()
	if err != nil {
		t.Fatal(err)
	}
	onDisk, err := os.ReadFile(got.Path)
	if err != nil || !bytes.Equal(onDisk, want) {
		t.Errorf("%d bytes on the disk, %v; want %d", len(onDisk), err, len(want))
	}
	if got.Size != int64(len(want)) || got.Hash != sha256.Sum256(want) {
		t.Errorf("finished as %d bytes, %x", got.Size, got.Hash)
	}
}

func TestAnImageIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "firmware")
	f := attach(t, at(dir, "boot"))
	data := content(1, 700_001)
	i := begin(t, f, Spec{ID: "one", ETag: []byte("e"), Size: int64(len(data))})
	fill(t, i, 0, data)
	if i.Progress() != int64(len(data)) || i.Complete() {
		t.Errorf("%d bytes, complete: %t", i.Progress(), i.Complete())
	}
	expectFinished(t, i, data)
	expectFinished(t, i, data)
	if !i.Complete() || i.file != nil {
		t.Errorf("complete: %t; closed: %t", i.Complete(), i.file == nil)
	}
	if err := i.Sync(); err != nil {
		t.Error(err)
	}
	expectKind(t, i.Append(int64(len(data)), []byte("x")), Misuse)
	if runtime.GOOS != "windows" {
		expectModes(t, dir)
	}
	if err := f.Discard(); err != nil {
		t.Fatal(err)
	}
	if names := filesIn(t, dir); !slices.Equal(names, []string{"lock"}) {
		t.Errorf("left behind: %q", names)
	}
	expectKind(t, i.Append(0, []byte("x")), Stale)
}

// expectModes looks at what others may do.
func expectModes(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Within a boot all counts that was written, after another one what was synced.
func TestResume(t *testing.T) {
	data := content(2, 3*checkpointEvery/2)
	for _, tc := range []struct {
		name, before, after string
		want                int
	}{
		{"the process was killed", "boot 1", "boot 1", len(data)},
		{"the machine was restarted", "boot 1", "boot 2", checkpointEvery},
		{"nothing tells one boot from another", "", "", checkpointEvery},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			f := attach(t, at(dir, tc.before))
			fill(t, begin(t, f, Spec{ID: "one", ETag: []byte("e"), Size: 5, Limit: 1 << 20}), 0, data)
			kill(t, f)
			f = attach(t, at(dir, tc.after))
			i, err := f.Resume("one")
			if err != nil {
				t.Fatal(err)
			}
			if s := i.Spec(); i.Progress() != int64(tc.want) || string(s.ETag) != "e" || s.Size != 5 || s.Limit != 1<<20 || s.ID != "one" {
				t.Errorf("%d bytes of %+v, want %d", i.Progress(), s, tc.want)
			}
			fill(t, i, tc.want, data[tc.want:])
			expectFinished(t, i, data)
			kill(t, f)
			i, err = attach(t, at(dir, "boot 3")).Resume("one")
			if err != nil || !i.Complete() {
				t.Fatalf("a finished one: %v", err)
			}
			expectFinished(t, i, data)
		})
	}
}

// kill lets go of a folder as the end of the process does.
func kill(t *testing.T, f *Folder) {
	t.Helper()
	f.let()
	if err := f.notes.Close(); err != nil {
		t.Fatal(err)
	}
}

// An orderly end of the client loses nothing, and neither does one of the machine after it.
func TestCloseSyncs(t *testing.T) {
	dir, data := t.TempDir(), content(3, 5000)
	f := attach(t, at(dir, "boot 1"))
	i := begin(t, f, Spec{ID: "one"})
	fill(t, i, 0, data)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	expectKind(t, i.Append(5000, data), Stale)
	_, err := f.Begin(Spec{ID: "two"})
	if expectKind(t, err, WriteFailed); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
	i, err = attach(t, at(dir, "boot 2")).Resume("one")
	if err != nil || i.Progress() != 5000 {
		t.Errorf("%v", err)
	}
}

// What is left behind by a goroutine that nobody waits for does not get into the next image.
func TestManyAtOnce(t *testing.T) {
	f := attach(t, at(t.TempDir(), "boot"))
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			id := string(rune('a' + n))
			i, err := f.Begin(Spec{ID: id})
			for err == nil && i.Progress() < 1000 {
				err = i.Append(i.Progress(), []byte(id))
			}
			if err == nil {
				_, err = i.Finish()
			}
			if KindOf(err) != Stale && err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := os.ReadFile(f.Path())
	if err != nil || len(got) == 0 || !bytes.Equal(got, bytes.Repeat(got[:1], len(got))) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := f.Resume(string(got[0])); err != nil {
		t.Error(err)
	}
}
