package supervisor

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// sessions are those that management knows to be up. What has changed is found by
// comparison at the end of each step, so that every session is announced once
// when it is up and once when it is lost, whatever has led there.
type sessions []messages.SessionUp // in the order of the peers

// at returns the session of a peer; one of epoch 0 where there is none.
func (s sessions) at(p messages.Peer) messages.SessionUp {
	if i := slices.IndexFunc(s, func(up messages.SessionUp) bool { return up.Peer == p }); i >= 0 {
		return s[i]
	}
	return messages.SessionUp{}
}

// changed returns what has to be said so that up is known, in the order of the
// peers, and notes it. still reports whether the server of a session that is lost
// keeps the registration.
func (s *sessions) changed(up sessions, still func(messages.Peer) bool) (news []any) {
	if slices.Equal(*s, up) {
		return nil
	}
	for _, peer := range peersOf(*s, up) {
		was, now := s.at(peer), up.at(peer)
		if was == now {
			continue
		}
		if was.Epoch != 0 {
			news = append(news, messages.SessionLost{Peer: peer, Epoch: was.Epoch, StillRegistered: still(peer)})
		}
		if now.Epoch != 0 {
			news = append(news, now)
		}
	}
	*s = up
	return news
}

func peersOf(lists ...sessions) (peers []messages.Peer) {
	for _, up := range slices.Concat(lists...) {
		peers = append(peers, up.Peer)
	}
	slices.SortFunc(peers, messages.Peer.Compare)
	return slices.Compact(peers)
}

// announceSessions tells management, and update, which sessions are up and which are lost.
func (m *Machine) announceSessions() {
	for _, message := range m.sessions.changed(m.sessionsUp(), m.stillRegistered) {
		m.tellSiblings(message)
	}
}

// announceServers tells update which servers there are accounts for. While there are none, a
// bootstrap is to bring some: perhaps those of before.
func (m *Machine) announceServers() {
	if !m.config.Update {
		return
	}
	var peers []messages.Peer
	for _, a := range m.servers() {
		peers = append(peers, a.Peer)
	}
	if len(peers) > 0 && !slices.Equal(peers, m.audience) {
		m.audience = peers
		m.tellServers()
	}
}

func (m *Machine) tellServers() {
	m.do(core.Tell{To: core.Update, Message: messages.ServersChanged{Servers: slices.Clone(m.audience)}})
}

// tellSiblings tells the shared actors that have to do with servers.
func (m *Machine) tellSiblings(message any) {
	m.do(core.Tell{To: core.Management, Message: message})
	if m.config.Update {
		m.do(core.Tell{To: core.Update, Message: message})
	}
}

// announceAgain announces everything that is up, to an actor that was started anew.
func (m *Machine) announceAgain(to core.Role) {
	if to == core.Update && m.audience != nil {
		m.tellServers()
	}
	for _, up := range m.sessions {
		up.Again = true
		m.do(core.Tell{To: to, Message: up})
	}
}

// observationsLost has a server registered with anew that counts on being told what
// nobody knows any more.
func (m *Machine) observationsLost(now time.Time, in messages.ObservationsLost) {
	if a := m.live(in.Epoch); a != nil && a.stage == stageRegistered {
		m.do(Order{Epoch: a.epoch, To: core.Owner, Message: messages.SendRegister{Epoch: a.epoch}})
	}
}

// registrationDoubted has an Update tell whether the server of a session knows the client
// still: where it does not, a Register follows.
func (m *Machine) registrationDoubted(now time.Time, epoch messages.Epoch) {
	if a := m.live(epoch); a != nil && a.stage == stageRegistered && !now.Before(a.pending.floor) {
		m.updateNow(now, a, messages.SendUpdate{Epoch: a.epoch})
	}
}

// observationsKept notes what there is on the disk of what a server observes. Where the
// disk does not have what there is to say, the state goes: to start with a Register is
// dear, but to start with less than the server counts on would never be noticed.
func (m *Machine) observationsKept(in messages.ObservationsKept) {
	a := m.accounts.of(in.Peer)
	if a == nil {
		return
	}
	d := m.durableOf(in.Peer)
	if d.observed == in.Record && d.behind == in.Behind {
		return
	}
	d.observed, d.behind = in.Record, in.Behind
	if in.Behind {
		m.forgetState(in.Peer)
		return
	}
	m.writeState(a)
}

// owed reports, once after a start, whether the server of a registration that goes on
// observed something before.
func (m *Machine) owed(p messages.Peer, goesOn bool) bool {
	d := m.durableOf(p)
	owed := d.owed
	d.owed = false
	return owed && goesOn
}

func (m *Machine) sessionsUp() (up sessions) {
	for _, a := range m.accounts {
		if a.management() && a.registration != nil && (a.stage == stageRegistered || a.stage == stageLeaving) {
			up = append(up, messages.SessionUp{
				Peer: a.Peer, Epoch: a.epoch, Version: a.registration.Version, Host: a.URI.Host, Port: a.URI.Port,
				Resumed: a.resumed, Observed: a.observed,
			})
		}
	}
	return up
}

func (m *Machine) stillRegistered(peer messages.Peer) bool {
	a := m.accounts.of(peer)
	return a != nil && a.registration != nil
}
