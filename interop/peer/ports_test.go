package peer

import (
	"net"
	"testing"
)

// Of 2,000 sockets, each closed before the next, several would have the port of one before.
func TestDialTakesNoPortTwice(t *testing.T) {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	seen := map[string]bool{}
	for range 2000 {
		conn, err := Dial(server.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		from := conn.LocalAddr().String()
		if seen[from] {
			t.Fatalf("%s again", from)
		}
		seen[from] = true
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
