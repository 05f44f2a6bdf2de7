package update

import (
	"maps"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/download"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// observeGrace is how long a server that observed a resource has to do so again, when its
// registration is a new one or it has ended the observation, before it counts as one that does
// not observe.
const observeGrace = 30 * time.Second

// server is what is known of a management server.
type server struct {
	peer     messages.Peer
	epoch    messages.Epoch // of the session; 0 while there is none
	host     download.Host  // of the latest session
	version  string
	said     messages.Epoch // of the session of which management has said what it observes
	known    bool           // that is the present one
	mute     bool           // it takes no Send, in this session
	doubtful bool           // it has answered one that it does not know the client, in this session
	observes []lwm2m.Path
	grace    bool // it may be about to observe again
}

// refuses takes an error that a server has answered to a Send. With 4.04 it may not know the
// client any more. The supervisor finds that out, and a new session follows, in which the
// report is due; where none does, the server has no Send.
func (s *server) refuses(code messages.CoAPCode) {
	doubt := code == messages.NotFound && !s.doubtful
	s.doubtful, s.mute = doubt, code.Class() == 4 && !doubt
}

// server finds a server, or begins to know it.
func (m *Machine) server(peer messages.Peer) *server {
	for _, s := range m.servers {
		if s.peer == peer {
			return s
		}
	}
	s := &server{peer: peer}
	m.servers = append(m.servers, s)
	slices.SortFunc(m.servers, func(a, b *server) int { return a.peer.Compare(b.peer) })
	return s
}

func (m *Machine) sessionUp(in messages.SessionUp) {
	s := m.server(in.Peer)
	s.epoch, s.version, s.mute, s.doubtful, s.known = in.Epoch, in.Version, false, false, false
	s.host = download.Host{Name: in.Host, Port: in.Port}
	if m.loaded {
		m.noteHost(s)
	}
	m.know(s) // management may have been quicker than the supervisor
}

// noteHost keeps where a server is for the next start.
func (m *Machine) noteHost(s *server) {
	if s.host.Name != "" && m.record.Hosts[s.peer.ID] != s.host {
		m.record.Hosts[s.peer.ID], m.dirty = s.host, true
	}
}

// serversChanged takes which servers there are accounts for.
func (m *Machine) serversChanged(in messages.ServersChanged) {
	m.accounts = slices.Clone(in.Servers)
	if m.loaded {
		m.forgetServers()
	}
}

// forgetServers forgets the servers that there are no accounts for any more: nothing waits
// for them, and no image is fetched from them because of what they were.
func (m *Machine) forgetServers() {
	if len(m.accounts) == 0 {
		return
	}
	gone := func(id uint16) bool { return !slices.Contains(m.accounts, messages.ManagementPeer(id)) }
	m.servers = slices.DeleteFunc(m.servers, func(s *server) bool {
		if gone(s.peer.ID) && s.grace {
			m.do(core.StopTimer{Timer: graceTimer(s.peer)})
		}
		return gone(s.peer.ID)
	})
	expected, hosts := len(m.record.Observe), len(m.record.Hosts)
	m.record.Observe = slices.DeleteFunc(m.record.Observe, func(e expectation) bool { return gone(e.Server) })
	maps.DeleteFunc(m.record.Hosts, func(id uint16, _ download.Host) bool { return gone(id) })
	m.dirty = m.dirty || len(m.record.Observe) < expected || len(m.record.Hosts) < hosts
}

// policy says where an image may be fetched from: from the client's own servers, too,
// wherever they are.
func (m *Machine) policy() download.Policy {
	p := m.config.Policy
	p.Own = slices.Collect(maps.Values(m.record.Hosts))
	return p
}

func (m *Machine) sessionLost(in messages.SessionLost) {
	s := m.server(in.Peer)
	if s.epoch != in.Epoch {
		return
	}
	if s.grace {
		m.do(core.StopTimer{Timer: graceTimer(s.peer)})
	}
	s.epoch, s.known, s.grace = 0, false, false
	if m.sending != nil && m.sending.peer == in.Peer {
		m.sending = nil
	}
	m.pushLost(in.Epoch)
}

// observed takes which reported resources a server observes. Before the record has been read
// it is not known what it observed before.
func (m *Machine) observed(in messages.ReportsObserved) {
	s := m.server(in.Peer)
	s.observes, s.said = in.Paths, in.Epoch
	m.know(s)
}

// know takes what a server observes for that of its session, where it is.
func (m *Machine) know(s *server) {
	if s.said == 0 || s.said != s.epoch {
		return
	}
	s.known = true
	if m.loaded {
		m.expect(s)
	}
}

// expect gives a server that observed more a while to do so again: in its new session, or where
// it has rejected a notification. It may have forgotten the client, which registers anew then.
func (m *Machine) expect(s *server) {
	switch {
	case !m.missing(s):
		m.graceOver(s)
	case !s.grace:
		s.grace = true
		m.do(core.SetTimer{Timer: graceTimer(s.peer), After: observeGrace})
	}
}

// missing reports whether a server observed more, when that was last known.
func (m *Machine) missing(s *server) bool {
	return slices.ContainsFunc(m.expected(s.peer), func(path string) bool {
		return !slices.ContainsFunc(s.observes, func(p lwm2m.Path) bool { return p.String() == path })
	})
}

// graceOver takes what a server observes for what it is going to observe.
func (m *Machine) graceOver(s *server) {
	if s.grace {
		s.grace = false
		m.do(core.StopTimer{Timer: graceTimer(s.peer)})
	}
	names := make([]string, 0, len(s.observes))
	for _, path := range s.observes {
		names = append(names, path.String())
	}
	if slices.Equal(names, m.expected(s.peer)) {
		return
	}
	m.dirty = true
	m.record.Observe = slices.DeleteFunc(m.record.Observe, func(e expectation) bool { return e.Server == s.peer.ID })
	if len(names) > 0 {
		m.record.Observe = append(m.record.Observe, expectation{Server: s.peer.ID, Paths: names})
	}
}

// expected lists what a server observed when that was last known.
func (m *Machine) expected(peer messages.Peer) []string {
	for _, e := range m.record.Observe {
		if e.Server == peer.ID {
			return e.Paths
		}
	}
	return nil
}

// addressed is how a report gets to a server.
type addressed uint8

const (
	toNobody   addressed = iota // no server can be told: it may read
	toObserver                  // by a notification
	toSend                      // by a Send
	toWait                      // that is not known at present
)

// addressee says how the value of a resource gets to the server that it is for.
func (m *Machine) addressee(path lwm2m.Path) (addressed, messages.Peer) {
	if m.observes(path) {
		return toObserver, messages.Peer{}
	}
	waits, up := false, false
	for _, s := range m.candidates() {
		switch {
		case s.epoch == 0:
		case !s.known:
			waits = true
		case !s.mute && s.version != "1.0":
			return toSend, s.peer
		default:
			up = true
		}
	}
	if waits || !up {
		return toWait, messages.Peer{}
	}
	return toNobody, messages.Peer{}
}

// observes reports whether a server that counts observes a resource, or may be about to.
func (m *Machine) observes(path lwm2m.Path) bool {
	for _, s := range m.candidates() {
		if m.watches(s, path) {
			return true
		}
	}
	return false
}

func (m *Machine) watches(s *server, path lwm2m.Path) bool {
	return slices.Contains(s.observes, path) || slices.Contains(m.expected(s.peer), path.String())
}

// anybody reports whether any server observes a resource, or may be about to.
func (m *Machine) anybody(path lwm2m.Path) bool {
	return slices.ContainsFunc(m.servers, func(s *server) bool { return m.watches(s, path) })
}

// candidates lists the servers that are waited for: the one that has begun the update, where
// it is known, else all.
func (m *Machine) candidates() []*server {
	at := slices.IndexFunc(m.servers, func(s *server) bool { return s.peer.ID == m.record.Server })
	if m.record.Server != 0 && at >= 0 {
		return m.servers[at : at+1]
	}
	return m.servers
}

// counts reports whether a report is delivered when this server has it.
func (m *Machine) counts(peer messages.Peer) bool {
	return slices.ContainsFunc(m.candidates(), func(s *server) bool { return s.peer == peer })
}
