package systemtest

import (
	"context"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Kill ends a client as kill -9 does, as far as anybody can see: nothing that it
// sends arrives any more, and the directory stays as it is at this instant: what the
// client does to it afterwards is undone. It returns the configuration of the next
// process.
func (w *World) Kill(c *Client, cfg holdfast.Config) holdfast.Config {
	w.T.Helper()
	synctest.Wait()
	dead := map[netip.AddrPort]bool{}
	for _, p := range w.Network.Packets() {
		if p.From.Addr() == GatewayAddr {
			dead[p.From] = true
		}
	}
	w.Network.Impair(func(from, to netip.AddrPort) bool { return dead[from] || dead[to] }, lwm2mtest.Conditions{BlackHole: true})
	left := w.T.TempDir()
	if err := os.CopyFS(left, os.DirFS(cfg.StateDir)); err != nil {
		w.T.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.Close(ctx) // nobody hears its farewell
	w.putBack(cfg.StateDir, left)
	return cfg
}

// putBack gives a directory the records of another one. It stays the same directory, with
// the same lock, to those who tell a copy from it.
func (w *World) putBack(dir, left string) {
	w.T.Helper()
	const lock = "lock"
	for _, files := range []struct {
		in string
		do func(name string) error
	}{
		{dir, func(name string) error { return os.RemoveAll(filepath.Join(dir, name)) }},
		{left, func(name string) error { return os.Rename(filepath.Join(left, name), filepath.Join(dir, name)) }},
	} {
		entries, err := os.ReadDir(files.in)
		if err != nil {
			w.T.Fatal(err)
		}
		for _, entry := range entries {
			if entry.Name() == lock {
				continue
			}
			if err := files.do(entry.Name()); err != nil {
				w.T.Fatal(err)
			}
		}
	}
}

// HangingDisk is a file system on which the files of some records take a while to
// sync.
type HangingDisk struct {
	store.FS
	Records []string // how the names of those files begin
	Hangs   time.Duration
}

// NewHangingDisk returns the real file system, with such a fault.
func NewHangingDisk(hangs time.Duration, records ...string) *HangingDisk {
	return &HangingDisk{FS: store.OS(), Records: records, Hangs: hangs}
}

// OpenFile implements store.FS.
func (d *HangingDisk) OpenFile(path string, flag int, perm fs.FileMode) (store.File, error) {
	f, err := d.FS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	for _, record := range d.Records {
		if strings.HasPrefix(filepath.Base(path), record) {
			return hangingFile{File: f, hangs: d.Hangs}, nil
		}
	}
	return f, nil
}

type hangingFile struct {
	store.File
	hangs time.Duration
}

// Sync implements store.File.
func (f hangingFile) Sync() error {
	time.Sleep(f.hangs)
	return f.File.Sync()
}
