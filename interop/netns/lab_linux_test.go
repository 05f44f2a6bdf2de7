package netns

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// prefix begins the name of every namespace; the process and a number follow.
const prefix = "holdfast-"

// Addresses of the hosts (RFC 5737).
const (
	gatewayAddr  = "198.51.100.10" // directly beside the server
	gatewayMoved = "198.51.100.11"
	serverAddr   = "198.51.100.1"
	deadAddr     = "198.51.100.99" // nobody has it
	insideAddr   = "192.0.2.10"    // of a gateway behind the router
	routerInside = "192.0.2.254"
	routerAddr   = "198.51.100.254"
	prefixLength = "/24"
)

// hostRules are the packet filter of every host: what its own programs ask
// servers for is counted before a fault can touch it.
const hostRules = `
table inet watch {
  counter sent { }
  counter asked { }
  chain output {
    type filter hook output priority -200;
    udp dport { 5683, 5684, 5685 } counter name sent
    udp dport 53 counter name asked
  }
}
table inet faults {
  chain input {
    type filter hook input priority 0;
  }
  chain output {
    type filter hook output priority 0;
  }
}
`

// natRules are those of a router; random spreads the outside ports, so that a
// new mapping is another one.
const natRules = `
table ip nat {
  chain postrouting {
    type nat hook postrouting priority 100;
    oifname "wan" masquerade random
  }
}
`

// host is one machine: a network namespace.
type host struct {
	t    *testing.T
	name string
}

var made atomic.Uint64 // namespaces of this process

// newHost makes a host without links. It is removed at the end of the test.
func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, name: fmt.Sprintf("%s%d-%d", prefix, os.Getpid(), made.Add(1))}
	h.must("", "ip", "netns", "add", h.name)
	t.Cleanup(func() { h.must("", "ip", "netns", "delete", h.name) })
	h.ip("link", "set", "lo", "up")
	h.nft(hostRules)
	// Every refused packet is answered, however many there are.
	h.set("net/ipv4/icmp_ratelimit", "0")
	return h
}

// must runs a command with the text as its input and returns its output.
func (h *host) must(input, command string, args ...string) string {
	h.t.Helper()
	cmd := exec.Command(command, args...)
	cmd.Stdin = strings.NewReader(input)
	output, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Errorf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, output)
	}
	return string(output)
}

// inside runs a command on the host.
func (h *host) inside(args ...string) string {
	h.t.Helper()
	return h.must("", "ip", append([]string{"netns", "exec", h.name}, args...)...)
}

// set changes a parameter of the host's network, which is the namespace's own.
func (h *host) set(parameter, value string) {
	h.t.Helper()
	h.must(value, "ip", "netns", "exec", h.name, "tee", "/proc/sys/"+parameter)
}

// ip changes the host's links, addresses and routes.
func (h *host) ip(args ...string) {
	h.t.Helper()
	h.must("", "ip", append([]string{"-n", h.name}, args...)...)
}

// nft changes the host's packet filter.
func (h *host) nft(script string) {
	h.t.Helper()
	h.must(script, "ip", "netns", "exec", h.name, "nft", "-f", "-")
}

// join lays a link between two hosts; each end is a name and an address.
func join(a *host, aLink, aAddr string, b *host, bLink, bAddr string) {
	a.t.Helper()
	a.ip("link", "add", aLink, "type", "veth", "peer", "name", bLink, "netns", b.name)
	a.bring(aLink, aAddr)
	b.bring(bLink, bAddr)
}

func (h *host) bring(link, addr string) {
	h.t.Helper()
	h.ip("address", "add", addr+prefixLength, "dev", link)
	h.ip("link", "set", link, "up")
}

// fault adds rules to the chain input or output of the host.
func (h *host) fault(chain string, rules ...string) {
	h.t.Helper()
	var script strings.Builder
	for _, rule := range rules {
		fmt.Fprintf(&script, "add rule inet faults %s %s\n", chain, rule)
	}
	h.nft(script.String())
}

// heal removes all rules that fault added.
func (h *host) heal() {
	h.t.Helper()
	h.nft("flush chain inet faults input\nflush chain inet faults output\n")
}

// sent returns how many packets the host's programs have sent to servers,
// those included that never left it.
func (h *host) sent() int {
	h.t.Helper()
	return h.counter("sent")
}

// asked returns how many packets went to name servers.
func (h *host) asked() int {
	h.t.Helper()
	return h.counter("asked")
}

func (h *host) counter(name string) int {
	h.t.Helper()
	var listing struct {
		NFTables []struct {
			Counter *struct{ Packets int }
		}
	}
	output := h.inside("nft", "-j", "list", "counter", "inet", "watch", name)
	if err := json.Unmarshal([]byte(output), &listing); err != nil {
		h.t.Fatalf("counter %s: %v: %s", name, err, output)
	}
	for _, item := range listing.NFTables {
		if item.Counter != nil {
			return item.Counter.Packets
		}
	}
	h.t.Fatalf("no counter %s: %s", name, output)
	return 0
}

// removeLeftovers removes the namespaces of runs that were killed. Their
// processes have died with the test binary.
func removeLeftovers() {
	entries, err := os.ReadDir("/run/netns")
	if err != nil {
		return // there has never been a namespace
	}
	for _, entry := range entries {
		if pid, ours := owner(entry.Name()); ours && !alive(pid) {
			_ = exec.Command("ip", "netns", "delete", entry.Name()).Run() // another run may have done it
		}
	}
}

// owner returns the process that a namespace is named after.
func owner(name string) (pid int, ours bool) {
	rest, ours := strings.CutPrefix(name, prefix)
	if !ours {
		return 0, false
	}
	text, _, _ := strings.Cut(rest, "-")
	pid, err := strconv.Atoi(text)
	return pid, err == nil && pid > 0
}

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
