package netns

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// patientTimers are those of a client that waits for minutes after a failure: what it does
// sooner it does because it was told of the network. A request is sent for the last time after
// 3 s, and waited for until 6 s: a link that has come up drops what is sent for a second, and
// an address is asked for once a second.
const patientTimers = `reconnect: {initial_min: 2m, initial_max: 2m}
registration_timeout: 10s
coap: {ack_timeout: 200ms, ack_random_factor: 1, max_retransmit: 4}
log: {level: warn}`

// soon is by when a client that was told is registered again: a bound for a busy machine,
// far below the policy's delay.
const soon = 20 * time.Second

// explained is the type of what the command explain prints.
const explained holdfast.EventType = "explained"

// Addresses of a gateway with two ways to the server.
const (
	ethAddr, ethRouter   = "192.0.2.10", "192.0.2.254"
	wwanAddr, wwanRouter = "203.0.113.10", "203.0.113.254"
)

// newTwoWays makes a gateway that is joined to the server's host twice, eth and wwan, and has a
// default route through each. That through eth is the better one.
func newTwoWays(t *testing.T) *site {
	t.Helper()
	require(t)
	t.Parallel()
	s := &site{gateway: newHost(t), serverHost: newHost(t)}
	join(s.gateway, "eth", ethAddr, s.serverHost, "eth", ethRouter)
	join(s.gateway, "wwan", wwanAddr, s.serverHost, "wwan", wwanRouter)
	s.serverHost.ip("address", "add", serverAddr+"/32", "dev", "lo")
	s.routeThrough("eth")
	s.routeThrough("wwan")
	s.serve()
	return s
}

// routeThrough adds the default route of a link.
func (s *site) routeThrough(link string) {
	s.gateway.t.Helper()
	router, metric := ethRouter, "100"
	if link == "wwan" {
		router, metric = wwanRouter, "700"
	}
	s.gateway.ip("route", "add", "default", "via", router, "dev", link, "metric", metric)
}

// patient starts a client that is told of the network, and waits for long without.
func (s *site) patient(account, network string, args ...string) *client {
	t := s.gateway.t
	t.Helper()
	dir := t.TempDir()
	return s.launch(dir, configured(filepath.Join(dir, "state"), account, patientTimers, network), args...)
}

// comesFrom waits until the server has heard a Register or an Update from an address of the
// gateway.
func (s *serverProcess) comesFrom(address string) {
	s.t.Helper()
	s.count("update") // looks at what there is already
	for len(s.seen) == 0 || s.seen[len(s.seen)-1].Remote.Addr().String() != address {
		s.awaitAny()
	}
}

// awaitAny waits for one more record.
func (s *serverProcess) awaitAny() {
	s.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case line, open := <-s.lines:
		if !open {
			s.t.Fatalf("the server has ended: %s", &s.stderr)
		}
		s.note(line)
	case <-timeout.C:
		s.t.Fatalf("the server saw nothing within %v", patience)
	}
}

// back demands that the client is registered again soon after an instant, with an Update, and
// logs the row.
func (s *site) back(c *client, name, link string, since time.Time) {
	t := s.gateway.t
	t.Helper()
	again := c.registered()
	took := again.Time.Sub(since)
	if took > soon {
		t.Errorf("%s: registered again after %v", name, took)
	}
	s.server.reads()
	if n := s.server.count("register"); n != 1 {
		t.Errorf("the server saw %d Registers, want 1", n)
	}
	report(t, name, link, c, row{back: took})
}

func secured(secure bool) (account, link string) {
	if secure {
		return psk(serverAddr), "PSK"
	}
	return noSec(serverAddr), "NoSec"
}

func bothLinks(t *testing.T, run func(t *testing.T, account, link string)) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		account, link := secured(secure)
		t.Run(link, func(t *testing.T) { run(t, account, link) })
	}
}

// The cable is pulled at the other end, and put back when the client waits for minutes.
func TestCablePulledAndPutBack(t *testing.T) {
	bothLinks(t, func(t *testing.T, account, link string) {
		s := newSite(t, false)
		c := s.patient(account, "")
		c.registered()
		s.serverHost.ip("link", "set", "lan", "down")
		c.update()
		c.fails(network)
		c.fails(timeout)
		began := time.Now()
		s.serverHost.ip("link", "set", "lan", "up")
		s.back(c, "carrier lost, back", link, began)
	})
}

// The gateway's own link is switched off and on.
func TestLinkSwitchedOffAndOn(t *testing.T) {
	bothLinks(t, func(t *testing.T, account, link string) {
		s := newSite(t, false)
		c := s.patient(account, "")
		c.registered()
		s.gateway.ip("link", "set", "lan", "down")
		c.update()
		c.fails(network)
		began := time.Now()
		s.gateway.ip("link", "set", "lan", "up")
		s.back(c, "own link down, up", link, began)
	})
}

// The gateway gets another address while nothing is sent: nobody waits for an Update to fail.
func TestAddressReplacedIsNoError(t *testing.T) {
	bothLinks(t, func(t *testing.T, account, link string) {
		s := newSite(t, false)
		c := s.patient(account, "")
		c.registered()
		began := time.Now()
		s.gateway.ip("address", "delete", gatewayAddr+prefixLength, "dev", "lan")
		s.gateway.ip("address", "add", gatewayMoved+prefixLength, "dev", "lan")
		if e := c.nextOf(holdfast.EventMoved); !strings.Contains(e.Detail, gatewayAddr+" of this machine is gone") || !strings.Contains(e.Detail, gatewayMoved) {
			t.Errorf("moved: %s", e.Detail)
		}
		s.server.comesFrom(gatewayMoved)
		s.back(c, "address replaced", link, began)
		c.movesWithoutError()
	})
}

func (c *client) movesWithoutError() {
	c.t.Helper()
	if all := c.errors(); len(all) > 0 {
		c.t.Errorf("%d errors, the first %s", len(all), describe(all[0]))
	}
}

// The default route goes from one link to another, whose address stays, and comes back.
func TestDefaultRouteMoves(t *testing.T) {
	bothLinks(t, func(t *testing.T, account, link string) {
		s := newTwoWays(t)
		c := s.patient(account, "")
		c.registered()
		s.server.comesFrom(ethAddr)
		began := time.Now()
		s.gateway.ip("route", "delete", "default", "dev", "eth")
		c.nextOf(holdfast.EventMoved)
		s.server.comesFrom(wwanAddr)
		s.back(c, "default route from eth to wwan", link, began)
		began = time.Now()
		s.routeThrough("eth")
		c.nextOf(holdfast.EventMoved)
		s.server.comesFrom(ethAddr)
		s.back(c, "default route back to eth", link, began)
		c.movesWithoutError()
	})
}

// Of a list the first interface is used that can be, also where the routes say otherwise; when
// it goes the next, and when it has been good for a while it again.
func TestInterfaceListFallsBackAndReturns(t *testing.T) {
	bothLinks(t, func(t *testing.T, account, link string) {
		s := newTwoWays(t)
		c := s.patient(account, "network: {interface: [usb0, wwan, eth]}")
		c.uses("wwan", "")
		c.registered()
		s.server.comesFrom(wwanAddr)
		began := time.Now()
		s.serverHost.ip("link", "set", "wwan", "down")
		c.uses("eth", "wwan is down, or has no carrier")
		s.server.comesFrom(ethAddr)
		s.back(c, "wwan loses its carrier, eth is used", link, began)
		s.serverHost.ip("link", "set", "wwan", "up")
		began = time.Now()
		e := c.uses("wwan", "wwan has been good for 30s")
		if took := e.Time.Sub(began); took < 29*time.Second {
			t.Errorf("returned after %v", took)
		}
		s.server.comesFrom(wwanAddr)
		s.back(c, "wwan is used again after 30 s", link, e.Time)
		c.movesWithoutError()
		if text := c.explain(); !strings.Contains(text, "network: wwan is used") || !strings.Contains(text, "usb0, wwan, eth") {
			t.Errorf("explain says:\n%s", text)
		}
	})
}

// uses waits until the client uses an interface.
func (c *client) uses(name, reason string) holdfast.Event {
	c.t.Helper()
	e := c.nextOf(holdfast.EventNetwork)
	if e.Interface != name || !strings.Contains(e.Detail, reason) {
		c.t.Errorf("%q is used: %s; want %q: %s", e.Interface, e.Detail, name, reason)
	}
	return e
}

func (c *client) explain() string {
	c.t.Helper()
	c.do("explain")
	return c.nextOf(explained).Detail
}

// An interface that is not there is waited for, and reported. Nothing of it takes a privilege.
func TestInterfaceIsWaitedForWithoutPrivilege(t *testing.T) {
	bothLinks(t, func(t *testing.T, account, link string) {
		s := newTwoWays(t)
		c := s.patient(account, "network: {interface: wwan9}", asNobody)
		c.uses("", "wwan9 is not there")
		if e := c.fails(network); !strings.Contains(e.Detail, "wwan9 is not there") {
			t.Errorf("the error says %s", e.Detail)
		}
		if text := c.explain(); !strings.Contains(text, "no interface can be used") || !strings.Contains(text, "wwan9 is not there") {
			t.Errorf("explain says:\n%s", text)
		}
		began := time.Now()
		s.gateway.ip("link", "set", "wwan", "down")
		s.gateway.ip("link", "set", "wwan", "name", "wwan9")
		s.gateway.ip("link", "set", "wwan9", "up")
		c.awaitUse("wwan9")
		s.server.comesFrom(wwanAddr)
		s.back(c, "the one interface comes", link, began)
	})
}

// awaitUse waits for an interface that may come in steps: the carrier, the address.
func (c *client) awaitUse(name string) {
	c.t.Helper()
	c.next("use of "+name, func(e holdfast.Event) bool { return e.Type == holdfast.EventNetwork && e.Interface == name })
}

// A client with a watch listens by one netlink descriptor, whatever happens.
func TestWatchTakesOneDescriptor(t *testing.T) {
	s := newSite(t, false)
	c := s.patient(noSec(serverAddr), "")
	c.registered()
	count := func() int { return netlinkSockets(t, c.command.Process.Pid) }
	if n := count(); n != 1 {
		t.Errorf("%d netlink sockets", n)
	}
	for range 3 {
		s.gateway.ip("address", "add", gatewayMoved+prefixLength, "dev", "lan")
		s.gateway.ip("address", "delete", gatewayMoved+prefixLength, "dev", "lan")
	}
	s.gateway.ip("address", "delete", gatewayAddr+prefixLength, "dev", "lan")
	s.gateway.ip("address", "add", gatewayMoved+prefixLength, "dev", "lan")
	c.nextOf(holdfast.EventMoved)
	c.registered()
	if n := count(); n != 1 {
		t.Errorf("%d netlink sockets after changes", n)
	}
}

// netlinkSockets counts the netlink sockets of a process that listen to groups. One that asks
// is there for a moment only.
func netlinkSockets(t *testing.T, pid int) int {
	t.Helper()
	process := filepath.Join("/proc", strconv.Itoa(pid))
	table, err := os.ReadFile(filepath.Join(process, "net", "netlink"))
	if err != nil {
		t.Fatal(err)
	}
	var inodes []string
	for line := range strings.Lines(string(table)) {
		if columns := strings.Fields(line); len(columns) > 9 && columns[3] != "00000000" {
			inodes = append(inodes, "socket:["+columns[9]+"]")
		}
	}
	descriptors, err := os.ReadDir(filepath.Join(process, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range descriptors {
		if target, err := os.Readlink(filepath.Join(process, "fd", d.Name())); err == nil && slices.Contains(inodes, target) {
			n++
		}
	}
	return n
}
