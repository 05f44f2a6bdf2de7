package imagefile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/store"
)

// killedDir names the folder of a process that is made to be killed; the variable is set for
// it alone.
const killedDir = "IMAGEFILE_TEST_DIR"

// TestMain lets the test binary be that process.
func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		panic(appendForEver(dir)) // killed before
	}
	os.Exit(m.Run())
}

// appendForEver goes on with an image, and says so after each part.
func appendForEver(dir string) error {
	f, err := Attach(context.Background(), Options{Dir: dir})
	if err != nil {
		return err
	}
	i, err := f.Resume("one")
	if KindOf(err) == Nothing {
		i, err = f.Begin(Spec{ID: "one"})
	}
	whole := content(5, killedSize)
	for err == nil {
		from := int(i.Progress())
		if from+5000 > len(whole) {
			_, err = os.Stdin.Read(make([]byte, 1)) // nothing comes: it waits to be killed
			break
		}
		if err = i.Append(int64(from), whole[from:from+5000]); err == nil {
			_, err = os.Stdout.WriteString("a part\n")
		}
	}
	return err
}

const killedSize = 8 << 20

// A real process that is killed loses nothing that it had appended.
func TestSIGKILL(t *testing.T) {
	if (system{store.OS()}).BootID() == "" {
		t.Skip("the boot ID cannot be read here, so that only what was synced counts")
	}
	dir, least := t.TempDir(), 0
	for round := range 6 {
		parts := 20 + 13*round
		killAfter(t, dir, parts)
		least += parts * 5000
		f := attach(t, Options{Dir: dir})
		i, err := f.Resume("one")
		if err != nil || i.Progress() < int64(least) {
			t.Fatalf("round %d: less than %d bytes: %v", round, least, err)
		}
		got, err := os.ReadFile(f.Path())
		if err != nil || !bytes.Equal(got, content(5, killedSize)[:i.Progress()]) {
			t.Fatalf("round %d: not the image, %v", round, err)
		}
		least = len(got)
		kill(t, f)
	}
}

// killAfter runs a process until it has said that so many parts are there.
func killAfter(t *testing.T, dir string, parts int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killedDir+"="+dir)
	_, broken := cmd.StdinPipe() // stays open
	out, err := cmd.StdoutPipe()
	if err := errors.Join(broken, err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	for range parts {
		if !said.Scan() {
			t.Error("it has ended by itself")
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
}
