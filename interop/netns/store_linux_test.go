package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// Codes of a store that fails.
const (
	unstored = holdfast.CodeStoreCredentials
	unread   = holdfast.CodeReadCredentials
)

// smallDisk is the size of the file system for credentials.
const smallDisk = "64k"

// unstorable is one way in which credentials cannot be stored while a
// bootstrap delivers them. The paths are those of the state directory.
type unstorable struct {
	name       string
	mounted    bool // the directory is a file system of its own
	begin, end func(dir string) error
}

// run lets a client start while the bootstrap server refuses it, breaks its
// disk, lets it bootstrap, and mends the disk.
func (u unstorable) run(t *testing.T) {
	s := newSite(t, false)
	s.serverHost.fault("input", "udp dport "+bootstrapPort+" reject")
	c, dir := u.start(s)
	c.fails(network)
	if err := u.begin(dir); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.serverHost.heal()
	first := c.next("failure to store", func(e holdfast.Event) bool { return e.Code == unstored })
	if err := u.end(dir); err != nil {
		t.Fatal(err)
	}
	ended := time.Now()
	c.nextOf(holdfast.EventBootstrapped)
	back := c.registered()
	c.checkSchedule()
	s.server.reads()
	report(t, u.name, "NoSec", c, row{
		sent: s.gateway.sent(), first: first.Time.Sub(began), lasted: ended.Sub(began), back: back.Time.Sub(ended),
	})
}

// start returns the client, and the state directory as this process sees it.
func (u unstorable) start(s *site) (c *client, state string) {
	t := s.gateway.t
	t.Helper()
	dir := t.TempDir()
	state = filepath.Join(dir, "state")
	config := configuration(state, bootstrap(serverAddr))
	if !u.mounted {
		return s.launch(dir, config), state
	}
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	c = s.launch(dir, config, state)
	return c, filepath.Join("/proc", fmt.Sprint(c.command.Process.Pid), "root", state)
}

func TestDiskFull(t *testing.T) {
	const ballast = "ballast"
	unstorable{
		name: "file system of 64 KiB full", mounted: true,
		begin: func(dir string) error { return fill(filepath.Join(dir, ballast)) },
		end:   func(dir string) error { return os.Remove(filepath.Join(dir, ballast)) },
	}.run(t)
}

// fill writes a file until the file system has no room left.
func fill(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	page := make([]byte, os.Getpagesize())
	for range 1 << 10 {
		if _, err := f.Write(page); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: the file system is not small", path)
}

func TestDirectoryReplacedByFile(t *testing.T) {
	unstorable{
		name: "state directory replaced by a file",
		begin: func(dir string) error {
			return errors.Join(os.Rename(dir, dir+".gone"), os.WriteFile(dir, nil, 0o600))
		},
		end: func(dir string) error {
			return errors.Join(os.Remove(dir), os.Rename(dir+".gone", dir))
		},
	}.run(t)
}

// The newest credentials are cut off after a power failure, say: that is
// reported, the file stays, and the client gets new ones.
func TestCredentialsTruncated(t *testing.T) {
	t.Parallel()
	for _, keep := range []int64{0, 100} {
		t.Run(fmt.Sprintf("to %d bytes", keep), func(t *testing.T) {
			s := newSite(t, false)
			dir := t.TempDir()
			state := filepath.Join(dir, "state")
			config := configuration(state, bootstrap(serverAddr))
			c := s.launch(dir, config)
			c.registered()
			c.kill()
			damaged := newestRecord(t, state)
			if err := os.Truncate(damaged, keep); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			c = s.launch(dir, config)
			first := c.fails(unread)
			c.nextOf(holdfast.EventBootstrapped)
			back := c.registered()
			s.server.reads()
			report(t, fmt.Sprintf("credentials truncated to %d bytes", keep), "NoSec", c,
				row{sent: s.gateway.sent(), first: first.Time.Sub(began), back: back.Time.Sub(began)})
		})
	}
}

// newestRecord returns the path of the newest credentials. Their numbers have
// a fixed width, so that the names sort by age.
func newestRecord(t *testing.T, state string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(state, "credentials.*.rec"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no credentials in %s: %v", state, err)
	}
	return slices.Max(found)
}
