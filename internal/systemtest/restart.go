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
// sends arrives any more, and the directory stays as it is at this instant. It
// returns the configuration of the next process, with a copy of the directory.
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
	left := cfg.StateDir
	cfg.StateDir = w.T.TempDir()
	if err := os.CopyFS(cfg.StateDir, os.DirFS(left)); err != nil {
		w.T.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.Close(ctx) // nobody hears its farewell
	return cfg
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
