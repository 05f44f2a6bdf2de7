package imagefile

import (
	"runtime"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/store"
)

// What is allocated in all is a fraction of the image, both while it is written and when it is
// read again.
func TestMemoryIsBounded(t *testing.T) {
	const parts, partLen = 128, 64 << 10
	part := content(1, partLen)
	f := attach(t, at(t.TempDir(), "boot"))
	written := allocated(func() {
		i := begin(t, f, Spec{ID: "one"})
		for n := range int64(parts) {
			if err := i.Append(n*partLen, part); err != nil {
				t.Fatal(err)
			}
		}
	})
	read := allocated(func() {
		if i, err := f.Resume("one"); err != nil || i.Progress() != parts*partLen {
			t.Fatal(err)
		}
	})
	if written > parts*partLen/8 || read > 4*readAtOnce {
		t.Errorf("%d bytes to write an image of %d, %d to read it again", written, parts*partLen, read)
	}
}

// allocated returns how many bytes a function allocates, those that it frees included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// How fast an image can be written, with all that is synced.
func BenchmarkAppend(b *testing.B) {
	part := content(1, 1024)
	boot := "boot"
	f, err := Attach(b.Context(), Options{Dir: b.TempDir(), FS: realFS{FS: Over(store.OS()), boot: &boot}})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close() // nothing of it is kept
	i, err := f.Begin(Spec{ID: "one"})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(part)))
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		if n == 64<<10 { // 64 MiB are enough
			n = 0
			if i, err = i.Restart(nil, 0); err != nil {
				b.Fatal(err)
			}
		}
		if err := i.Append(n*int64(len(part)), part); err != nil {
			b.Fatal(err)
		}
	}
}
