package supervisor

import (
	"maps"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// sessions are those that management knows to be up. What has changed is found by
// comparison at the end of each step, so that every session is announced once
// when it is up and once when it is lost, whatever has led there.
type sessions map[messages.Peer]messages.SessionUp

// forget makes the next step announce everything that is up, to an actor that
// was started anew.
func (s sessions) forget() { clear(s) }

// changed returns what has to be said so that up is known, in the order of the
// peers, and notes it. still reports whether the server of a session that is lost
// keeps the registration.
func (s sessions) changed(up map[messages.Peer]messages.SessionUp, still func(messages.Peer) bool) (news []any) {
	all := maps.Clone(s)
	maps.Copy(all, up)
	for _, peer := range slices.SortedFunc(maps.Keys(all), messages.Peer.Compare) {
		was, now := s[peer], up[peer]
		if was == now {
			continue
		}
		if was.Epoch != 0 {
			news = append(news, messages.SessionLost{Peer: peer, Epoch: was.Epoch, StillRegistered: still(peer)})
			delete(s, peer)
		}
		if now.Epoch != 0 {
			news = append(news, now)
			s[peer] = now
		}
	}
	return news
}

// announceSessions tells management which sessions are up and which are lost.
func (m *Machine) announceSessions() {
	for _, message := range m.sessions.changed(m.sessionsUp(), m.stillRegistered) {
		m.do(core.Tell{To: core.Management, Message: message})
	}
}

func (m *Machine) sessionsUp() map[messages.Peer]messages.SessionUp {
	up := map[messages.Peer]messages.SessionUp{}
	for peer, a := range m.accounts {
		if a.management() && (a.stage == stageRegistered || a.stage == stageLeaving) {
			up[peer] = messages.SessionUp{
				Peer: peer, Epoch: a.epoch, Version: a.registration.Version, Resumed: a.resumed,
			}
		}
	}
	return up
}

func (m *Machine) stillRegistered(peer messages.Peer) bool {
	a := m.accounts[peer]
	return a != nil && a.registration != nil
}
