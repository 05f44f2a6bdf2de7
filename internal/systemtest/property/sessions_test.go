package property_test

import (
	"sync"

	"github.com/holdfast-iot/holdfast/internal/dtls/record"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// lasting says what the management servers of a lab do for sessions that outlive a link.
type lasting uint8

const (
	movable   lasting = iota // they give Connection IDs
	resumable                // they resume sessions by their IDs
	brief                    // neither
	lastings
)

// lasts is drawn with the seed, so that a schedule is still what its text says.
func (p *schedule) lasts() lasting { return lasting(p.Seed / 2 % int64(lastings)) }

// sessions has a server do so.
func (l *lab) sessions(s lwm2mtest.Security) lwm2mtest.Security {
	s.ConnectionID, s.Resumption = l.plan.lasts() == movable, l.plan.lasts() == resumable
	return s
}

// cidSize is how long the Connection IDs of the test servers are, in bytes.
const cidSize = 8

// nonces watches the packets of a client, of all its lives: no sequence number of a session
// is used twice. Sessions without a Connection ID cannot be told apart here.
type nonces struct {
	mu      sync.Mutex
	used    map[string]map[uint64]bool // by the server's address and the Connection ID
	records int
	twice   int
}

// watchNonces begins to watch.
func (l *lab) watchNonces() {
	n := &nonces{used: map[string]map[uint64]bool{}}
	l.nonces = n
	l.Network.OnPacket(func(p lwm2mtest.Packet) (as lwm2mtest.Verdict) {
		for _, g := range l.managers {
			if p.To.Addr() == g.addr && g.secured {
				n.note(g.addr.String(), p.Data)
			}
		}
		return as
	})
}

func (n *nonces) note(server string, datagram []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for rest := datagram; len(rest) > 0; {
		r, tail, ok := record.Next(rest, cidSize)
		if !ok {
			return
		}
		if rest = tail; r.Epoch == 0 || len(r.CID) == 0 {
			continue
		}
		session := server + string(r.CID)
		if n.used[session] == nil {
			n.used[session] = map[uint64]bool{}
		}
		if n.records++; n.used[session][r.Sequence] {
			n.twice++
		}
		n.used[session][r.Sequence] = true
	}
}

// judgeNonces demands that no number was used twice, and that the judge has seen some where
// there are sessions with Connection IDs.
func (l *lab) judgeNonces() {
	n := l.nonces
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.twice > 0 {
		l.out.failf("%d of %d records have a sequence number that their session has used before", n.twice, n.records)
	}
	if secured := l.managers[0].secured; n.records == 0 && secured && l.plan.lasts() == movable && len(l.out.faults) == 0 {
		l.out.failf("the client has had no session with a Connection ID")
	}
	l.out.protected = n.records
}
