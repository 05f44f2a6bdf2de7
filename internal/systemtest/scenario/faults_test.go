package scenario

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// clientMoved is an address that the client's machine may get.
var clientMoved = netip.MustParseAddr("198.51.100.77")

var conditions = map[string]lwm2mtest.Conditions{
	"black-hole":  {BlackHole: true},
	"unreachable": {Unreachable: syscall.ENETUNREACH},
	"busy":        {Unreachable: syscall.ENOBUFS},
}

// changeNetwork puts a fault in force, or ends all of them.
func (s *stage) changeNetwork(c *command) {
	scope := s.scope(c)
	switch what := c.word(); what {
	case "mended":
		s.mendNetwork()
	case "rebinds":
		s.running(c).host.Rebind()
	case "readdressed":
		h := s.running(c).host
		h.Move(h.Addr(), clientMoved)
	case "unplugged":
		s.running(c).host.Unplug()
	case "plugged":
		s.running(c).host.Plug()
	case "no-sockets":
		s.exhausted.Store(true)
	case "drop":
		s.drop(scope, c.number("after", 0), c.number("next", 1))
	default:
		fault, known := conditions[what]
		if !known {
			c.fatalf("there is no such fault")
		}
		s.faults = append(s.faults, s.network.Impair(scope, fault))
	}
}

func (s *stage) mendNetwork() {
	for _, fault := range s.faults {
		fault.Lift()
	}
	s.faults = nil
	s.network.OnPacket(nil)
	s.exhausted.Store(false)
}

// scope selects the packets to or from a server, or both.
func (s *stage) scope(c *command) lwm2mtest.Scope {
	to, from := c.text("to", ""), c.text("from", "")
	switch {
	case to != "":
		return lwm2mtest.ToHost(s.servers[to].host)
	case from != "":
		return lwm2mtest.FromHost(s.servers[from].host)
	}
	return lwm2mtest.Everywhere()
}

// drop loses some datagrams of a scope, after others that pass.
func (s *stage) drop(scope lwm2mtest.Scope, after, next int) {
	var count atomic.Int64
	s.network.OnPacket(func(p lwm2mtest.Packet) (v lwm2mtest.Verdict) {
		if scope(p.From, p.To) {
			n := int(count.Add(1))
			v.Drop = n > after && n <= after+next
		}
		return v
	})
}

// changeDNS is about server.test.
func (s *stage) changeDNS(c *command) {
	name := management + ".test"
	switch what := c.word(); what {
	case "not-found":
		s.network.FailDNS(name, lwm2mtest.NameNotFound)
	case "fails":
		s.network.FailDNS(name, lwm2mtest.ServerFailure)
	case "silent":
		s.network.FailDNS(name, lwm2mtest.NoAnswerFromDNS)
	case "moves":
		s.network.SetDNS(name, s.servers[second].host.Addr())
	case "both":
		s.network.SetDNS(name, netip.MustParseAddr("192.0.2.99"), s.servers[management].host.Addr())
	default:
		s.network.SetDNS(name, s.servers[management].host.Addr())
	}
}

// disk is the disk under the state directory, with its faults.
type disk struct {
	mu    sync.Mutex
	fault diskFault
	hangs time.Duration // how long the next write takes
	// room is how many bytes the folders may have in all; 0 is no bound.
	room    int64
	folders []string
}

// diskFault is what some operations fail with; the zero value is none.
type diskFault struct {
	errno      syscall.Errno
	operations []lwm2mtest.DiskOperation
}

// diskFaults by their names.
var diskFaults = map[string]diskFault{
	"full": {syscall.ENOSPC, []lwm2mtest.DiskOperation{lwm2mtest.DiskWrite}},
	"read-only": {syscall.EROFS, []lwm2mtest.DiskOperation{
		lwm2mtest.DiskCreate, lwm2mtest.DiskWrite, lwm2mtest.DiskRename, lwm2mtest.DiskRemove,
	}},
	"unreadable": {syscall.EIO, []lwm2mtest.DiskOperation{
		lwm2mtest.DiskOpen, lwm2mtest.DiskRead, lwm2mtest.DiskList, lwm2mtest.DiskLock,
	}},
	"forbidden": {syscall.EACCES, []lwm2mtest.DiskOperation{
		lwm2mtest.DiskOpen, lwm2mtest.DiskCreate, lwm2mtest.DiskRead, lwm2mtest.DiskWrite,
		lwm2mtest.DiskRename, lwm2mtest.DiskRemove, lwm2mtest.DiskList, lwm2mtest.DiskLock,
	}},
	"mended": {},
}

// changeDisk is about the state directory.
func (s *stage) changeDisk(c *command) {
	what := c.word()
	if fault, known := diskFaults[what]; known {
		s.disk.change(fault, 0)
		return
	}
	dir := s.settings.config.StateDir
	var err error
	switch what {
	case "room":
		s.disk.limit(int64(c.number("bytes", 0)), s.settings.config)
	case "hangs":
		s.disk.change(diskFault{}, c.duration("for", time.Minute))
	case "damages":
		err = damage(dir, c.word())
	case "key-file":
		err = os.WriteFile(filepath.Join(filepath.Dir(dir), "psk"), []byte(hexKey(management)), 0o600)
	default:
		c.fatalf("there is no such fault")
	}
	if err != nil {
		c.fatalf("%v", err)
	}
}

func (d *disk) change(fault diskFault, hangs time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault, d.hangs, d.room = fault, hangs, 0
}

// limit leaves so much room on the disk, which has both the state and the images.
func (d *disk) limit(left int64, cfg holdfast.Config) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.folders = []string{cfg.StateDir}
	if cfg.Firmware != nil {
		d.folders = append(d.folders, cfg.Firmware.Dir)
	}
	d.room = d.used() + left
}

// used is how many bytes there are. The lock is held.
func (d *disk) used() (used int64) {
	for _, folder := range d.folders {
		files, _ := os.ReadDir(folder) // one that is not there yet has none
		for _, f := range files {
			if info, err := f.Info(); err == nil {
				used += info.Size()
			}
		}
	}
	return used
}

// operate is a lwm2mtest.DiskFault.
func (d *disk) operate(operation lwm2mtest.DiskOperation, _ string) error {
	fault, takes := d.outcome(operation)
	time.Sleep(takes)
	if slices.Contains(fault.operations, operation) {
		return fault.errno
	}
	return nil
}

func (d *disk) outcome(operation lwm2mtest.DiskOperation) (fault diskFault, takes time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if operation == lwm2mtest.DiskWrite {
		takes, d.hangs = d.hangs, 0
		if d.room > 0 && d.used() >= d.room {
			return diskFaults["full"], takes
		}
	}
	return d.fault, takes
}

// damage flips a bit in every generation of a record.
func damage(dir, record string) error {
	files, err := filepath.Glob(filepath.Join(dir, record+".*"))
	if err != nil || len(files) == 0 {
		return errors.Join(err, os.ErrNotExist)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
