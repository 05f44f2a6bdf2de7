package scenario

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// latency is how long every datagram is under way, so that a cause and its
// effect at the other end never stand at one instant; and the ways to the
// servers differ, so that what happens with one does not happen at the very
// instant at which something happens with another.
const latency = 10 * time.Millisecond

// farther is what comes on top of it.
var farther = map[string]time.Duration{bootstrap: 2 * time.Millisecond, second: 5 * time.Millisecond}

// patience is how long a command waits for something to happen: longer than the
// longest delay of the policy.
const patience = 15 * 24 * time.Hour

const endpoint = "gw"

// Names of the hosts.
const (
	management = "server"
	second     = "server-2"
	bootstrap  = "bootstrap"
)

// stage is everything that a script plays on.
type stage struct {
	t        *testing.T
	network  *lwm2mtest.Network
	servers  map[string]*server
	ca       *testpki.Authority
	issuer   *lwm2mtest.Authority // of the bootstrap server, for enrolment; nil without
	narrator *narrator
	faults   []*lwm2mtest.Impairment
	disk     disk
	clock    *lwm2mtest.WallClock // of the client

	settings settings
	client   *client
	lives    int          // processes of the client so far
	living   atomic.Int64 // the one that lives; 0 for none
	needle   needle
	sensor   *object.Values // that the client serves; nil without
	// installer outlives the processes; nil without updates of the firmware.
	installer *lwm2mtest.Installer
	web       *systemtest.HTTP // nil until something is said of it
	// exhausted says that the client's system has no sockets left.
	exhausted atomic.Bool
}

func newStage(t *testing.T) *stage {
	n := lwm2mtest.NewNetwork(lwm2mtest.NetworkOptions{Seed: 1})
	n.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: latency})
	s := &stage{t: t, network: n, servers: map[string]*server{}, narrator: newNarrator(), clock: lwm2mtest.NewWallClock(time.Now())}
	ca, err := testpki.NewAuthority("Test CA")
	if err != nil {
		t.Fatal(err)
	}
	s.ca = ca
	s.addServer(management, netip.MustParseAddr("192.0.2.1"), "server.test")
	s.addServer(bootstrap, netip.MustParseAddr("192.0.2.2"), "bootstrap.test")
	s.addServer(second, netip.MustParseAddr("192.0.2.3"), "server-2.test")
	n.Trace(s.narrator.packet)
	return s
}

// end ends whatever still runs; an hour lets protoactor's dead-letter throttle
// go, and actors that hang.
func (s *stage) end() {
	s.narrator.mute()
	if s.client != nil {
		s.kill()
	}
	for _, v := range s.servers {
		v.end()
	}
	if s.web != nil {
		s.web.Close()
	}
	_ = s.network.Close() // it never fails
	time.Sleep(time.Hour)
}

// perform carries a command out and returns what is narrated of it.
func (s *stage) perform(c *command) string {
	c.t = s.t
	do, known := commands[c.verb]
	if !known {
		c.fatalf("there is no such command")
	}
	briefly := c.has("briefly")
	do(s, c)
	c.spent()
	synctest.Wait()
	s.collect()
	return s.narrator.tell(briefly)
}

// collect takes what is not narrated as it happens.
func (s *stage) collect() {
	if s.client != nil {
		s.client.drain()
	}
	for _, v := range s.servers {
		v.collect(s.narrator)
	}
}

// commands of the language; doc.go says what they do.
var commands = map[string]func(*stage, *command){
	"config":    (*stage).configure,
	"start":     (*stage).start,
	"kill":      func(s *stage, _ *command) { s.kill() },
	"close":     (*stage).closeClient,
	"call":      (*stage).call,
	"advance":   func(_ *stage, c *command) { time.Sleep(c.parseDuration(c.word())) },
	"await":     (*stage).await,
	"answer":    (*stage).answer,
	"server":    (*stage).changeServer,
	"deliver":   (*stage).deliver,
	"enrolment": (*stage).enrolment,
	"network":   (*stage).changeNetwork,
	"dns":       (*stage).changeDNS,
	"clock":     (*stage).setClock,
	"disk":      (*stage).changeDisk,
	"crash":     (*stage).crash,
	"hang":      (*stage).hang,
	"sensor":    func(s *stage, c *command) { s.show(s.sensor, c.number("shows", 0)) },
	"image":     (*stage).changeImage,
	"web":       (*stage).changeWeb,
	"installer": (*stage).changeInstaller,
	"status":    (*stage).status,
}

// setClock sets the wall clock of the client.
func (s *stage) setClock(c *command) {
	if c.has("right") {
		s.clock.Set(time.Now())
		return
	}
	shows, err := time.Parse(time.RFC3339, c.text("shows", ""))
	if err != nil {
		c.fatalf("%v", err)
	}
	s.clock.Set(shows)
}

// at returns the server that a command is about.
func (s *stage) at(c *command) *server {
	v := s.servers[c.text("at", management)]
	if v == nil {
		c.fatalf("there is no such server")
	}
	return v
}
