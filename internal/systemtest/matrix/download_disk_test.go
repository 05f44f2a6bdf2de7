package matrix_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// diskFault is what befalls the disk under the folder of images.
type diskFault struct {
	errno      syscall.Errno
	operations []lwm2mtest.DiskOperation
	after      []int32 // so many of them are good; each is a cell
	class      firmware.Cause
}

var (
	writing  = []lwm2mtest.DiskOperation{lwm2mtest.DiskWrite}
	creating = []lwm2mtest.DiskOperation{lwm2mtest.DiskCreate}
	syncing  = []lwm2mtest.DiskOperation{lwm2mtest.DiskSync}
	changing = []lwm2mtest.DiskOperation{lwm2mtest.DiskCreate, lwm2mtest.DiskWrite, lwm2mtest.DiskRename, lwm2mtest.DiskRemove}
)

// largeImage is more than can be written at once, and than is made durable at once.
const largeImage = 300 << 10

// diskFaults by what the operating system says.
var diskFaults = map[string]diskFault{
	"no space":           {errno: syscall.ENOSPC, operations: writing, after: []int32{0, 2}, class: firmware.CauseNoSpace},
	"no space for files": {errno: syscall.ENOSPC, operations: creating, after: []int32{0}, class: firmware.CauseNoSpace},
	"no share left":      {errno: syscall.EDQUOT, operations: writing, after: []int32{0, 2}, class: firmware.CauseNoSpace},
	"no memory":          {errno: syscall.ENOMEM, operations: writing, after: []int32{0, 2}, class: firmware.CauseOutOfMemory},
	"write error":        {errno: syscall.EIO, operations: writing, after: []int32{0, 2}, class: firmware.CauseWriteFailed},
	"read-only":          {errno: syscall.EROFS, operations: changing, after: []int32{0, 2}, class: firmware.CauseWriteFailed},
	"not permitted":      {errno: syscall.EACCES, operations: creating, after: []int32{0}, class: firmware.CauseWriteFailed},
	"sync error":         {errno: syscall.EIO, operations: syncing, after: []int32{0, 1}, class: firmware.CauseWriteFailed},
	"no space in a sync": {errno: syscall.ENOSPC, operations: syncing, after: []int32{0, 1}, class: firmware.CauseNoSpace},
}

// disk is one with a fault, until it is mended.
type disk struct {
	diskFault
	after  int32
	files  func(path string) bool // that it befalls
	done   atomic.Int32
	mended atomic.Bool
}

// operate is a lwm2mtest.DiskFault.
func (d *disk) operate(operation lwm2mtest.DiskOperation, path string) error {
	if slices.Contains(d.operations, operation) && d.files(path) && !d.mended.Load() && d.done.Add(1) > d.after {
		return d.errno
	}
	return nil
}

// ofImage are the files of the image alone.
func ofImage(path string) bool { return filepath.Base(path) == "image" }

// TestMatrixOfDisks has the disk under an image fail in each way at each moment, however the
// update was begun: no attempt is made again, since none could change anything, and no error is
// one of a link. The server learns of the result, the registration is not touched, and once the
// disk is good again another update ends well.
func TestMatrixOfDisks(t *testing.T) {
	for name, f := range diskFaults {
		for _, after := range f.after {
			for _, order := range systemtest.Orders() {
				t.Run(fmt.Sprintf("%s after %d, by %s", name, after, order), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { playDisk(t, order, &disk{diskFault: f, after: after, files: ofImage}) })
				})
			}
		}
	}
}

func playDisk(t *testing.T, order systemtest.Order, d *disk) {
	c := systemtest.NewCampaign(systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), order, largeImage)
	defer c.Close()
	c.Run(lwm2mtest.WithStoreFaults(d.operate))
	c.Client.WaitFor(holdfast.Registered)
	c.Observe()
	c.Begin("2.0.0")
	demandResult(c, "2.0.0", d.class)
	if n := d.done.Load(); n <= d.after {
		t.Errorf("%d operations, and none has failed", n)
	}
	d.mended.Store(true)
	demandAnother(c)
	demandUntouched(c)
	c.Client.ExpectClose(nil)
}

// demandAnother demands that another update, of a small image, ends well.
func demandAnother(c *systemtest.Campaign) {
	c.T.Helper()
	c.DemandImage()
	c.Size = imageBytes
	c.Provide(c.Image)
	c.Anew()
	demandResult(c, "2.0.0", 0)
}

// demandResult demands that the server learns of a result: of a cause, or of success.
func demandResult(c *systemtest.Campaign, version string, cause firmware.Cause) {
	c.T.Helper()
	if !c.Pursue(version, 20*time.Minute) {
		c.T.Fatalf("the update does not end: %s; %s", c, c.Client.Story())
	}
	want := int64(firmware.ResultSuccess)
	switch {
	case cause != 0 && c.Order.Manifest():
		want = int64(cause.Result())
	case cause != 0:
		want = cause.Object5()
	case !c.Order.Manifest():
		want = firmware.Object5Success
	}
	if results := c.Values(c.Order.Result()); results[len(results)-1] != want {
		c.T.Errorf("the server is told the results %v, want %d at the end; %s", results, want, c.Client.Story())
	}
}

// demandUntouched demands that the client has stayed registered, had no error, and installed
// nothing but the image.
func demandUntouched(c *systemtest.Campaign) {
	c.T.Helper()
	c.Client.Story() // takes what is left
	for _, e := range c.Client.Seen {
		if e.Type == holdfast.EventError {
			c.T.Errorf("an error: %+v", e)
		}
	}
	if n := c.Server.Seen(systemtest.Endpoint, lwm2mtest.Register); n != 1 || c.Client.Status().State != holdfast.Registered {
		c.T.Errorf("registered %d times, and now %s", n, c.Client.Status().State)
	}
	c.DemandImage()
}

// TestMatrixOfFullDisks has all of the disk fail, under the state of the update, too: what it
// has come to cannot be stored, so it is not told yet. Once there is room again, it is: of an
// update that had begun to write, that it has failed, and of one that had not, that it has not.
func TestMatrixOfFullDisks(t *testing.T) {
	everything := func(string) bool { return true }
	for _, order := range systemtest.Orders() {
		t.Run("before it begins, by "+string(order), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &disk{diskFault: diskFault{errno: syscall.ENOSPC, operations: writing}, files: everything}
				d.mended.Store(true)
				c := systemtest.NewCampaign(systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), order, largeImage)
				defer c.Close()
				c.Run(lwm2mtest.WithStoreFaults(d.operate))
				c.Client.WaitFor(holdfast.Registered)
				c.Observe()
				d.mended.Store(false)
				c.Begin("2.0.0")
				time.Sleep(time.Hour)
				d.mended.Store(true)
				demandResult(c, "2.0.0", 0)
				demandUntouched(c)
				c.Client.ExpectClose(nil)
			})
		})
		t.Run("half way, by "+string(order), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				half := &disk{diskFault: diskFault{errno: syscall.ENOSPC, operations: writing}, after: 2, files: ofImage}
				d := &disk{diskFault: half.diskFault, files: func(path string) bool {
					return half.operate(lwm2mtest.DiskWrite, path) != nil || half.done.Load() > half.after
				}}
				c := systemtest.NewCampaign(systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), order, largeImage)
				defer c.Close()
				c.Run(lwm2mtest.WithStoreFaults(d.operate))
				c.Client.WaitFor(holdfast.Registered)
				c.Observe()
				c.Begin("2.0.0")
				time.Sleep(time.Hour)
				if c.Over() {
					t.Errorf("told what is not stored: %s", c)
				}
				d.mended.Store(true)
				demandResult(c, "2.0.0", firmware.CauseNoSpace)
				demandAnother(c)
				demandUntouched(c)
				c.Client.ExpectClose(nil)
			})
		})
	}
}

// A disk that the image itself fills, and that has the state of the update, too, is no dead end:
// without the image there is room to store that it has failed.
func TestMatrixOfSmallDisks(t *testing.T) {
	for _, order := range systemtest.Orders() {
		t.Run(string(order), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := systemtest.NewCampaign(systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), order, largeImage)
				defer c.Close()
				d := &smallDisk{folders: []string{c.Config.StateDir, c.Config.Firmware.Dir}, room: largeImage / 2}
				c.Run(lwm2mtest.WithStoreFaults(d.operate))
				c.Client.WaitFor(holdfast.Registered)
				c.Observe()
				c.Begin("2.0.0")
				demandResult(c, "2.0.0", firmware.CauseNoSpace)
				demandUntouched(c)
				c.Client.ExpectClose(nil)
			})
		})
	}
}

// smallDisk takes nothing more when the files in its folders have so many bytes.
type smallDisk struct {
	folders []string
	room    int64
}

func (d *smallDisk) operate(operation lwm2mtest.DiskOperation, _ string) error {
	var used int64
	for _, folder := range d.folders {
		files, _ := os.ReadDir(folder) // a folder that is not there yet has none
		for _, f := range files {
			if info, err := f.Info(); err == nil {
				used += info.Size()
			}
		}
	}
	if operation == lwm2mtest.DiskWrite && used >= d.room {
		return syscall.ENOSPC
	}
	return nil
}
