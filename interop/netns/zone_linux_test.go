package netns

import (
	"strings"
	"testing"
)

const linkLocal = "fe80::2" // of the server, on its link

// aside starts a second server, at the link-local address of its host.
func (s *site) aside() {
	s.gateway.t.Helper()
	s.serverHost.ip("address", "add", linkLocal+"/64", "dev", "lan", "nodad")
	server := &serverProcess{process: s.serverHost.launch(serverRole, linkLocal+"%lan")}
	server.await("listening")
}

// A server that has no other address than that of its link is named by the interface
// that leads there, which may come after the client.
func TestServerOnTheLink(t *testing.T) {
	t.Parallel()
	for _, link := range []struct {
		name    string
		account func(host string) string
	}{{"NoSec", noSec}, {"PSK", psk}} {
		t.Run(link.name, func(t *testing.T) {
			s := newSite(t, false)
			s.aside()
			c := s.start(link.account("[" + linkLocal + "%25modem0]"))
			for range 2 {
				if e := c.fails(network); !strings.Contains(e.Detail, `no interface "modem0"`) {
					t.Errorf("%s", describe(e))
				}
			}
			s.gateway.ip("link", "set", "lan", "down")
			s.gateway.ip("link", "set", "lan", "name", "modem0")
			s.gateway.ip("link", "set", "modem0", "up")
			if e := c.registered(); e.Server == "" || !strings.Contains(e.Server, "[fe80::2%25modem0]") {
				t.Errorf("registered with %s", e.Server)
			}
			c.updated()
			c.checkSchedule()
		})
	}
}

// Without a zone nobody knows where the address is, and the client says what to write.
func TestServerOnNoLink(t *testing.T) {
	s := newSite(t, false)
	c := s.start(noSec("[" + linkLocal + "]"))
	if e := c.fails(network); !strings.Contains(e.Detail, "%25eth0]") {
		t.Errorf("%s", describe(e))
	}
}
