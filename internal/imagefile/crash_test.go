package imagefile

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
)

// download is a server with an image, and a client that fetches it.
type download struct {
	etag    string
	content []byte
}

// fetch fetches the image from where the folder has come, as update does: what cannot be gone
// on with is begun anew, and another entity tag too. It returns false at the first failure.
func (d *download) fetch(f *Folder) bool {
	i, err := f.Resume("one")
	if KindOf(err) == Nothing {
		i, err = f.Begin(Spec{ID: "one", Limit: 1 << 20})
	}
	if err == nil && string(i.Spec().ETag) != d.etag {
		i, err = d.begin(i)
	}
	for err == nil && i.Progress() < int64(len(d.content)) {
		from := i.Progress()
		err = i.Append(from, d.content[from:min(from+partSize, int64(len(d.content)))])
	}
	if err != nil {
		return false
	}
	_, err = i.Finish()
	return err == nil
}

// partSize makes parts that no checkpoint is a multiple of.
const partSize = 190

func (d *download) begin(i *Image) (*Image, error) {
	if i.Progress() == 0 {
		return i, i.Describe([]byte(d.etag), int64(len(d.content)))
	}
	return i.Restart([]byte(d.etag), int64(len(d.content)))
}

// expect goes on with what a crash has left, and fails the test unless the image is then
// whole.
func (d *download) expect(t *testing.T, m *memFS) {
	t.Helper()
	f := attachMem(t, m)
	expectPrefix(t, f, d)
	if !d.fetch(f) {
		t.Fatal("cannot be fetched after the crash")
	}
	got, err := f.current.Finish()
	if err != nil || got.Hash != sha256.Sum256(d.content) || !bytes.Equal(m.live[got.Path].data, d.content) {
		t.Fatalf("not the image: %d bytes, %v", got.Size, err)
	}
	for path := range m.live {
		if !slices.Contains([]string{"/", "/fw", "/fw/image", "/fw/lock"}, path) && !isNote(path) {
			t.Errorf("left behind: %s", path)
		}
	}
}

// isNote reports whether a path is that of a record.
func isNote(path string) bool {
	var generation uint64
	n, err := fmt.Sscanf(path, "/fw/image.%d.rec", &generation)
	return n == 1 && err == nil
}

// expectPrefix fails the test where what a crash has left is said to be what it is not.
func expectPrefix(t *testing.T, f *Folder, known ...*download) {
	t.Helper()
	i, err := f.Resume("one")
	if KindOf(err) == Nothing {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	there := make([]byte, i.Progress())
	if _, err := i.file.ReadAt(there, 0); err != nil && len(there) > 0 {
		t.Fatal(err)
	}
	for _, d := range known {
		if string(i.Spec().ETag) == d.etag && !bytes.HasPrefix(d.content, there) {
			t.Fatalf("%d bytes that are not those of %q", len(there), d.etag)
		}
	}
}

var (
	former  = &download{"former", content(7, 3*everyMem/2)}
	present = &download{"present", content(8, 5*everyMem/2+1)}
)

// crashAt fetches one image, then another one under the same ID, until operation k.
func crashAt(t *testing.T, k int) (m *memFS, crashed bool) {
	m = newMemFS()
	f := attachMem(t, m)
	m.crashAt = m.steps + k
	return m, !(former.fetch(f) && present.fetch(f))
}

// Whatever the step at which the process is killed or the power goes: what is found is the
// beginning of the image that it is said to be, and the digest at the end is right.
func TestCrashAtEveryStep(t *testing.T) {
	for k := 1; ; k++ {
		m, crashed := crashAt(t, k)
		if !crashed {
			t.Logf("%d steps", k-1)
			return
		}
		t.Run(fmt.Sprintf("killed at step %d", k), func(t *testing.T) {
			expectPrefix(t, attachMem(t, m.copied()), former, present)
			present.expect(t, m.killed())
		})
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("unpowered at step %d, %d", k, seed), func(t *testing.T) {
				m, _ := crashAt(t, k)
				after := m.unpowered(rand.New(rand.NewPCG(seed, uint64(k))))
				expectPrefix(t, attachMem(t, after.copied()), former, present)
				present.expect(t, after)
			})
		}
	}
}

// copied returns a file system of its own with the same content.
func (m *memFS) copied() *memFS {
	c := newMemFS()
	c.boot = m.boot
	for path, i := range m.live {
		c.live[path] = &inode{mode: i.mode, data: slices.Clone(i.data)}
	}
	return c
}

// Crashes of both kinds, one after the other, also while the image is gone on with.
func TestCrashesInSuccession(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := newMemFS()
		for range 4 {
			f := attachMem(t, m)
			m.crashAt = m.steps + 1 + r.IntN(200)
			_ = former.fetch(f) && present.fetch(f)
			if r.IntN(2) == 0 {
				m = m.killed()
			} else {
				m = m.unpowered(r)
			}
			expectPrefix(t, attachMem(t, m.copied()), former, present)
		}
		present.expect(t, m)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// What was synced is never lost with the power.
func TestSyncedBytesOutliveAnyCrash(t *testing.T) {
	for seed := range uint64(60) {
		m := newMemFS()
		i := begin(t, attachMem(t, m), Spec{ID: "one"})
		want := present.content[:2*everyMem+seed]
		for at := 0; at < len(want); at += 100 {
			if err := i.Append(int64(at), want[at:min(at+100, len(want))]); err != nil {
				t.Fatal(err)
			}
		}
		least := int64(2 * everyMem)
		if seed%2 == 0 {
			least = int64(len(want))
			if err := i.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		i, err := attachMem(t, m.unpowered(rand.New(rand.NewPCG(seed, 2)))).Resume("one")
		if err != nil || i.Progress() < least {
			t.Errorf("seed %d: less than %d bytes, %v", seed, least, err)
		}
	}
}

// The loss of power leaves rubbish behind the checkpoint. That it is not the image is not
// forgotten when the process is killed while it goes on.
func TestKilledWhileGoingOnAfterALossOfPower(t *testing.T) {
	for k := 1; ; k++ {
		m := newMemFS()
		i := begin(t, attachMem(t, m), Spec{ID: "one", ETag: []byte(present.etag)})
		if err := i.Append(0, present.content[:everyMem]); err != nil {
			t.Fatal(err)
		}
		m.live["/fw/image"].data = append(m.live["/fw/image"].data, make([]byte, 300)...)
		m = m.killed()
		m.boot = "boot 2"
		f := attachMem(t, m)
		m.crashAt = m.steps + k
		_, err := f.Resume("one")
		expectPrefix(t, attachMem(t, m.killed()), present)
		if err == nil {
			return
		}
	}
}

// However large the parts are that come, no more is at stake at any time than lies between
// two checkpoints.
func TestLargePartsAreSyncedOnTheirWay(t *testing.T) {
	m := newMemFS()
	i := begin(t, attachMem(t, m), Spec{ID: "one"})
	most := 0
	m.fault = func(string, string) error {
		file := m.live["/fw/image"]
		most = max(most, len(file.data)-len(file.synced))
		return nil
	}
	whole := content(9, 5*everyMem+1)
	for _, end := range []int{everyMem / 2, 4 * everyMem, len(whole)} {
		if err := i.Append(i.Progress(), whole[i.Progress():end]); err != nil || i.Progress() != int64(end) {
			t.Fatalf("%d bytes of %d, %v", i.Progress(), end, err)
		}
	}
	if most != everyMem {
		t.Errorf("%d bytes are at stake, want at most %d", most, everyMem)
	}
	if done, err := i.Finish(); err != nil || done.Hash != sha256.Sum256(whole) || !bytes.Equal(m.live["/fw/image"].synced, whole) {
		t.Errorf("%+v, %v", done, err)
	}
}

// A disk that fills in the middle of a large part refuses no more than a piece of it.
func TestLargePartsAreWrittenInPieces(t *testing.T) {
	m := newMemFS()
	f := attachMem(t, m)
	f.every = checkpointEvery
	i := begin(t, f, Spec{ID: "one"})
	writes := 0
	m.fault = func(op, path string) error {
		if op == "write" && path == "/fw/image" {
			if writes++; writes > 3 {
				return syscall.ENOSPC
			}
		}
		return nil
	}
	if err := i.Append(0, content(9, 10*writeAtOnce)); KindOf(err) != NoSpace || i.Progress()/writeAtOnce != 3 {
		t.Errorf("%d bytes are there, %v", i.Progress(), err)
	}
}
