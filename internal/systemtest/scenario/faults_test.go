package scenario

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

var conditions = map[string]lwm2mtest.Conditions{
	"black-hole":  {BlackHole: true},
	"refuse":      {Refuse: true},
	"unreachable": {Unreachable: syscall.ENETUNREACH},
	"busy":        {Unreachable: syscall.ENOBUFS},
	"delay":       {},
}

// changeNetwork puts a fault in force, or ends all of them.
func (s *stage) changeNetwork(c *command) {
	scope := s.scope(c)
	delay := c.duration("delay", 0)
	what := c.word()
	switch what {
	case "mended":
		s.mendNetwork()
	case "rebinds":
		s.running(c).host.Rebind()
	case "no-sockets":
		s.exhausted.Store(true)
	case "drop":
		s.drop(scope, c.number("next", 1))
	default:
		fault, known := conditions[what]
		if !known && delay == 0 {
			c.fatalf("there is no such fault")
		}
		fault.Latency = delay
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

// drop loses the next datagrams of a scope.
func (s *stage) drop(scope lwm2mtest.Scope, next int) {
	var count atomic.Int64
	s.network.OnPacket(func(p lwm2mtest.Packet) lwm2mtest.Verdict {
		return lwm2mtest.Verdict{Drop: scope(p.From, p.To) && count.Add(1) <= int64(next)}
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

// disk is what has been done to the state directory.
type disk struct{ gone string }

// changeDisk breaks the state directory: replaced by a file it cannot be used
// by anybody, whatever rights they have.
func (s *stage) changeDisk(c *command) {
	dir := s.settings.config.StateDir
	var err error
	switch what := c.word(); what {
	case "breaks":
		s.disk.gone = dir + ".gone"
		err = errors.Join(os.Rename(dir, s.disk.gone), os.WriteFile(dir, nil, 0o600))
	case "mended":
		err = errors.Join(os.Remove(dir), os.Rename(s.disk.gone, dir))
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
