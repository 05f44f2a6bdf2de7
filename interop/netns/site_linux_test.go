package netns

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The timers of the clients under test; docs/design.md, The reconnection policy,
// has the defaults.
const (
	firstDelay = 500 * time.Millisecond // r0
	budget     = 3 * time.Second        // of an attempt
	ackTimeout = 200 * time.Millisecond // a message is given up after 1+2+4 of them

	timers = `reconnect: {initial_min: 500ms, initial_max: 500ms}
registration_timeout: 3s
coap: {ack_timeout: 200ms, ack_random_factor: 1, max_retransmit: 2}
log: {level: warn}`
)

// The most packets that leave within one attempt.
const (
	// whenRefused: the first packet is the last, or, where the kernel says so
	// only at the next one, the last but one.
	whenRefused = 2
	// whenSilent: three transmissions of an Update, and the close_notify of a
	// session that is given up; or ClientHellos after 0, 1 s and 3 s.
	whenSilent = 4
	// whenReconnected: the same, and a handshake and an Update that succeed.
	whenReconnected = whenSilent + 5
)

// site is a gateway and a server, side by side or with a router between them.
type site struct {
	gateway, serverHost *host
	router              *host // nil when there is none
	server              *serverProcess
}

// newSite makes the hosts and starts the server.
func newSite(t *testing.T, nat bool) *site {
	t.Helper()
	require(t)
	t.Parallel()
	s := &site{gateway: newHost(t), serverHost: newHost(t)}
	if nat {
		s.layRouter()
	} else {
		join(s.gateway, "lan", gatewayAddr, s.serverHost, "lan", serverAddr)
	}
	s.serve()
	return s
}

func (s *site) layRouter() {
	s.router = newHost(s.gateway.t)
	join(s.gateway, "lan", insideAddr, s.router, "lan", routerInside)
	join(s.router, "wan", routerAddr, s.serverHost, "lan", serverAddr)
	s.gateway.ip("route", "add", "default", "via", routerInside)
	s.router.set("net/ipv4/ip_forward", "1")
	s.router.nft(natRules)
}

// serve starts the server, again when it was killed.
func (s *site) serve() {
	s.gateway.t.Helper()
	s.server = &serverProcess{process: s.serverHost.launch(serverRole)}
	s.server.await("listening")
}

// Accounts of the gateway.
func noSec(hostname string) string {
	return "server: {uri: 'coap://" + hostname + "', security: nosec}"
}

func psk(hostname string) string {
	return "server: {uri: 'coaps://" + hostname + "', security: psk, psk_identity: " + endpoint +
		", psk_key: " + hex.EncodeToString(testKey) + "}"
}

func bootstrap(hostname string) string {
	return "bootstrap: {uri: 'coap://" + hostname + ":" + bootstrapPort + "', security: nosec}"
}

// start starts a client on the gateway.
func (s *site) start(account string, more ...string) *client {
	s.gateway.t.Helper()
	dir := s.gateway.t.TempDir()
	return s.launch(dir, configuration(filepath.Join(dir, "state"), account, more...))
}

// launch starts a client with a configuration that it writes into dir.
func (s *site) launch(dir, config string, args ...string) *client {
	t := s.gateway.t
	t.Helper()
	path := filepath.Join(dir, "gw.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &client{process: s.gateway.launch(clientRole, append([]string{path}, args...)...), host: s.gateway}
	t.Cleanup(c.tell)
	return c
}

// serverProcess is a server with a record of what it said.
type serverProcess struct {
	*process
	seen []record
}

// await returns the next record of a kind.
func (s *serverProcess) await(kind string) record {
	s.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case line, open := <-s.lines:
			if !open {
				s.t.Fatalf("the server has ended without a %s: %s", kind, &s.stderr)
			}
			if r := s.note(line); r.Kind == kind {
				return r
			}
		case <-timeout.C:
			s.t.Fatalf("the server saw no %s within %v", kind, patience)
		}
	}
}

func (s *serverProcess) note(line []byte) record {
	s.t.Helper()
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		s.t.Fatalf("a line that is no record: %q: %v", line, err)
	}
	s.seen = append(s.seen, r)
	return r
}

// count returns how many records of a kind there have been.
func (s *serverProcess) count(kind string) int {
	s.t.Helper()
	for len(s.lines) > 0 {
		if line, open := <-s.lines; open {
			s.note(line)
		}
	}
	n := 0
	for _, r := range s.seen {
		if r.Kind == kind {
			n++
		}
	}
	return n
}

// reads demands that the server reaches the client.
func (s *serverProcess) reads() {
	s.t.Helper()
	s.do("read")
	if r := s.await("read"); r.Answer != "2.05" {
		s.t.Errorf("read: %+v, want 2.05", r)
	}
}
