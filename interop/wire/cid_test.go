package wire

import (
	"fmt"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// Connection IDs of both sides, of one side, and of none (RFC 9146): the session
// lives on when the client's address changes, if the server has one.
func TestCaliforniumConnectionID(t *testing.T) {
	t.Parallel()
	world := newWorld(t)
	for _, theirs := range []int{6, 0} {
		p := californium(t)
		if theirs == 0 {
			p = world.californium(t, "--cid", "0")
		}
		for _, ours := range [][]byte{{1, 2, 3}, {}} {
			t.Run(fmt.Sprintf("server %d, client %d bytes", theirs, len(ours)), func(t *testing.T) {
				client := world.pki.client(world.Client)
				client.CID = ours
				l := connect(t, p.addr, client)
				if err := p.talk(l); err != nil {
					t.Errorf("data: %v", err)
				}
				if theirs > 0 {
					l.moves(t, p)
				}
				l.carries(t, len(ours), theirs)
			})
		}
	}
}

// moves goes on from another port.
func (l *link) moves(t *testing.T, p *server) {
	t.Helper()
	for range 3 {
		l.tap.Conn = socket(t, p.addr)
		if err := p.talk(l); err != nil {
			t.Errorf("from another port: %v", err)
		}
	}
}

// carries demands Connection IDs of these lengths in the records of both sides.
func (l *link) carries(t *testing.T, ours, theirs int) {
	t.Helper()
	seen := counter{}
	for _, d := range l.tap.datagrams() {
		length := theirs
		if d.fromServer {
			length = ours
		}
		r, _, ok := record.Next(d.data, length)
		if !ok || r.Epoch == 0 {
			continue
		}
		seen.at(d.fromServer)
		if with := r.Content == record.ConnectionID; with != (length > 0) {
			t.Errorf("from server %v: a record of type %d", d.fromServer, r.Content)
		}
	}
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("datagrams with protected records: %v", seen)
	}
}
