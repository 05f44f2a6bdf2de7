//go:build unix

package installer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// shell is a command that a shell carries out; "$1" is the image.
func shell(script string) []string { return []string{"/bin/sh", "-c", script, "install"} }

func imageFile(t *testing.T) firmware.Image {
	t.Helper()
	content := []byte("a new version")
	path := filepath.Join(t.TempDir(), "the image")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return firmware.Image{
		Path: path, Size: int64(len(content)), Hash: sha256.Sum256(content),
		Version: "1.2.3; exit 4", Component: "MAIN", VendorData: []byte{0, 0xff},
	}
}

// The command has the image and what is known of it, and no more of the client's than other
// commands have.
func TestACommandInstalls(t *testing.T) {
	t.Setenv("HOLDFAST_SERVER_PSK_KEY", "c0ffee")
	t.Setenv("SLOT", "b")
	image := imageFile(t)
	done := filepath.Join(t.TempDir(), "done")
	script := `cat "$1" - >` + done + `; env | grep -E '^(HOLDFAST_|SLOT)' | sort >>` + done
	got, err := New(shell(script)).Install(t.Context(), image)
	if got != firmware.InstallDone || err != nil {
		t.Fatalf("%v, %v", got, err)
	}
	said, err := os.ReadFile(done)
	want := "a new version" + strings.Join([]string{
		"HOLDFAST_IMAGE_COMPONENT=MAIN", fmt.Sprintf("HOLDFAST_IMAGE_SHA256=%x", image.Hash), "HOLDFAST_IMAGE_SIZE=13",
		"HOLDFAST_IMAGE_VENDOR_DATA=00ff", "HOLDFAST_IMAGE_VERSION=1.2.3; exit 4", "SLOT=b", "",
	}, "\n")
	if string(said) != want || err != nil {
		t.Errorf("%q, %v", said, err)
	}
}

func TestACommandFails(t *testing.T) {
	image := imageFile(t)
	long := strings.Repeat("x", 300)
	for _, tc := range []struct {
		argv          []string
		output, cause string
	}{
		{shell("echo begun; echo 'no slot is free' >&2; echo; exit 3"), "no slot is free", "exit status 3"},
		{shell("exit 1"), "", "exit status 1"},
		{shell("kill -9 $$"), "", "signal: killed"},
		{shell("printf 'a\\377b\\rc\\377'; exit 1"), "c?", "exit status 1"},
		{shell("printf '%0100000d\\n' 5; echo " + long + "; exit 1"), long[:lineLen], "exit status 1"},
		{shell(`echo "$1"; exit 1`), image.Path, "exit status 1"},
		{[]string{"/nowhere/install"}, "", "no such file or directory"},
	} {
		got, err := New(tc.argv).Install(t.Context(), image)
		e, ok := errors.AsType[*Error](err)
		if got != 0 || !ok || e.Output != tc.output || !strings.Contains(err.Error(), tc.cause) {
			t.Errorf("%q: %v, %v", tc.argv, got, err)
		}
		if errors.As(err, new(*firmware.ResultError)) {
			t.Errorf("%q: names a result of its own: %v", tc.argv, err)
		}
	}
	_, err := New(shell("exit 7")).Install(t.Context(), image)
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 7 {
		t.Error(err)
	}
}

// pipe makes a named pipe.
func pipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// When the client is closed the command is killed with its children: the pipe that all of
// them hold has no writer any more.
func TestACommandEndsWithItsContext(t *testing.T) {
	held := pipe(t)
	closed := errors.New("the client is closed")
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := make(chan error, 1)
	go func() {
		f, err := os.Open(held) // until the command has it, too
		cancel(closed)
		if err == nil {
			_, err = io.ReadAll(f)
			err = errors.Join(err, f.Close())
		}
		gone <- err
	}()
	script := "exec 3>" + held + "; sleep 600 & (sleep 600 & wait) & wait"
	if got, err := New(shell(script)).Install(ctx, imageFile(t)); got != 0 || !errors.Is(err, closed) {
		t.Errorf("%v, %v", got, err)
	}
	if err := <-gone; err != nil {
		t.Error(err)
	}
}

// What a command leaves running when it has ended well goes on, and is not waited for.
func TestWhatIsLeftRunningGoesOn(t *testing.T) {
	begin, done := pipe(t), pipe(t)
	script := "(read line <" + begin + "; echo \"$line\" >" + done + ") & exit 0"
	if got, err := New(shell(script)).Install(t.Context(), imageFile(t)); got != firmware.InstallDone || err != nil {
		t.Fatalf("%v, %v", got, err)
	}
	if err := os.WriteFile(begin, []byte("go on\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(done); string(got) != "go on\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestVerify(t *testing.T) {
	image := imageFile(t)
	short, missing, folder := image, image, image
	short.Size++
	missing.Path += "x"
	folder.Path = filepath.Dir(image.Path)
	for _, tc := range []struct {
		name   string
		argv   []string
		image  firmware.Image
		fails  bool
		result firmware.Result // 0: that of a failed Verify
	}{
		{"well", shell("exit 1"), image, false, 0},
		{"found on the path", []string{"sh"}, image, false, 0},
		{"of another size", shell(""), short, true, 0},
		{"missing", shell(""), missing, true, firmware.ResultReadFailed},
		{"a folder", shell(""), folder, true, firmware.ResultReadFailed},
		{"no program", []string{"/nowhere/install"}, image, true, firmware.ResultInstallationFailed},
		{"not to be run", []string{image.Path}, image, true, firmware.ResultInstallationFailed},
	} {
		err := New(tc.argv).Verify(t.Context(), tc.image)
		var result firmware.Result
		if e, ok := errors.AsType[*firmware.ResultError](err); ok {
			result = e.Result
		}
		if err != nil != tc.fails || result != tc.result {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// An update that another installer began, and that was to be confirmed, fails and says why.
func TestACommandNeedsNoRestart(t *testing.T) {
	c, image := New([]string{"/bin/true"}), imageFile(t)
	for _, err := range []error{c.Reboot(t.Context()), c.Confirm(t.Context(), image), c.RollBack(t.Context(), image)} {
		if !errors.Is(err, errNoRestart) || !strings.Contains(err.Error(), "another installer") {
			t.Error(err)
		}
	}
}
