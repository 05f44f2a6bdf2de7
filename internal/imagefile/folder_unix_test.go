//go:build unix

package imagefile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/store"
)

// A folder that others can change is not used at all, and is used again once it is put right.
func TestAFolderThatOthersCanWrite(t *testing.T) {
	above := filepath.Join(t.TempDir(), "above")
	dir := filepath.Join(above, "firmware")
	if err := errors.Join(os.Mkdir(above, 0o700), os.Chmod(above, 0o777)); err != nil {
		t.Fatal(err)
	}
	f := attach(t, at(dir, "boot"))
	_, err := f.Begin(Spec{ID: "one"})
	if expectKind(t, err, WriteFailed); !errors.As(err, new(*store.DistrustError)) {
		t.Error(err)
	}
	_, err = f.Resume("one")
	if expectKind(t, err, ReadFailed); !errors.As(err, new(*store.DistrustError)) {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("made all the same: %v", err)
	}
	if err := os.Chmod(above, 0o700); err != nil {
		t.Fatal(err)
	}
	begin(t, f, Spec{ID: "one"})
}

// A link in the place of the image is neither read nor written through.
func TestALinkInPlaceOfTheImage(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(elsewhere, []byte("root"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := attach(t, at(dir, "boot"))
	begin(t, f, Spec{ID: "one"})
	if err := errors.Join(os.Remove(f.Path()), os.Symlink(elsewhere, f.Path())); err != nil {
		t.Fatal(err)
	}
	_, err := f.Resume("one")
	expectKind(t, err, Nothing)
	fill(t, begin(t, f, Spec{ID: "two"}), 0, []byte("image"))
	if got, err := os.ReadFile(elsewhere); string(got) != "root" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A pipe is not waited for.
func TestAPipeInPlaceOfTheImage(t *testing.T) {
	f := attach(t, at(t.TempDir(), "boot"))
	begin(t, f, Spec{ID: "one"})
	if err := errors.Join(os.Remove(f.Path()), syscall.Mkfifo(f.Path(), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err := f.Resume("one")
	expectKind(t, err, Nothing)
}

// An image that was removed under its writer is not handed over.
func TestAnImageThatWasRemoved(t *testing.T) {
	f := attach(t, at(t.TempDir(), "boot"))
	i := begin(t, f, Spec{ID: "one"})
	fill(t, i, 0, []byte("image"))
	if err := os.Remove(f.Path()); err != nil {
		t.Fatal(err)
	}
	_, err := i.Finish()
	if expectKind(t, err, ReadFailed); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(f.Path(), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(f.Path(), 3); err != nil {
		t.Fatal(err)
	}
	_, err = i.Finish()
	expectKind(t, err, ReadFailed)
}
