package control_test

import (
	"context"
	"io/fs"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// hangingDisk is a disk whose writes do not return while it is held.
type hangingDisk struct {
	store.FS
	hold <-chan struct{}
}

// OpenFile implements store.FS.
func (d hangingDisk) OpenFile(path string, flag int, perm fs.FileMode) (store.File, error) {
	f, err := d.FS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return hangingFile{f, d.hold}, nil
}

// SyncDir implements store.FS.
func (hangingDisk) SyncDir(string) error { return nil }

type hangingFile struct {
	store.File
	hold <-chan struct{}
}

// Sync implements store.File.
func (f hangingFile) Sync() error {
	<-f.hold
	return nil
}

// While a client ends, and its disk hangs, whoever asks is answered.
func TestAskingWhileTheDiskHangsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		hold := make(chan struct{})
		c := w.Start(w.NoSec(), systemtest.WithStoreFS(hangingDisk{store.OS(), hold}))
		c.WaitFor(holdfast.Registered) // what is known of it is being written
		api := c.API()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = c.Close(context.Background())
		}()
		time.Sleep(30 * time.Second) // the actors are gone, and the store waits for the disk
		for _, request := range []struct{ method, path string }{
			{http.MethodPost, "/v1/update"}, {http.MethodPost, "/v1/factory-reset"}, {http.MethodPost, "/v1/close"},
			{http.MethodGet, "/livez"}, {http.MethodGet, "/metrics"}, {http.MethodGet, "/v1/status"},
		} {
			began := time.Now()
			if recorder := c.Ask(request.method, request.path); recorder.Code == 0 || api == nil {
				t.Errorf("%s: %d", request.path, recorder.Code)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s took %v", request.path, took)
			}
		}
		close(hold)
		<-ended
	})
}
