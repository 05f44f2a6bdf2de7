package update

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

const (
	// maxOutbox is how many reports there can be that no server has. One update makes about
	// ten; a further one is refused while there are so many that its own might not fit, and
	// so is what could make more of them again and again.
	maxOutbox = 128
	fullFrom  = maxOutbox - 32
	// sendAgain is when a Send is tried again that has not reached its server.
	sendAgain = 30 * time.Second
)

// report queues what the state has to say and was not said before. Results come before
// states: whoever sees that an update is over can read how it has ended. What is seen of an
// update through the other object is news only to those who observe that.
func (m *Machine) report() {
	values := m.record.values()
	for _, path := range []lwm2m.Path{firmware.PathManifestResult, firmware.PathResult, firmware.PathManifestState, firmware.PathState} {
		if m.last(path) == values[path] {
			continue
		}
		m.dirty = true
		if m.mine(path) || m.anybody(path) || m.queued(path) {
			m.record.Outbox = append(m.record.Outbox, entry{Path: path.String(), Value: values[path]})
		} else {
			m.record.Shown[path.String()] = values[path]
			m.showing = true
		}
	}
}

// full reports whether there are so many reports that no server has that nothing is begun.
func (m *Machine) full() bool { return len(m.record.Outbox) >= fullFrom }

// queued reports whether older values of a resource wait: a newer one is shown behind them.
func (m *Machine) queued(path lwm2m.Path) bool {
	return slices.ContainsFunc(m.record.Outbox, func(e entry) bool { return e.Path == path.String() })
}

// mine reports whether a resource is of the object through which the update was begun.
func (m *Machine) mine(path lwm2m.Path) bool { return path.Object() == m.record.Face.Object() }

// last is what a resource will show when everything queued has been delivered.
func (m *Machine) last(path lwm2m.Path) int64 {
	name := path.String()
	for _, e := range slices.Backward(m.record.Outbox) {
		if e.Path == name {
			return e.Value
		}
	}
	return m.record.Shown[name]
}

// pending reports whether a value is queued that no server has.
func (m *Machine) pending(path lwm2m.Path, value int64) bool {
	return slices.Contains(m.record.Outbox, entry{Path: path.String(), Value: value})
}

// settle shows the oldest report and finds out how it gets to a server. Where nobody can be
// told, the next one is shown: the last value of each resource waits for a Read.
func (m *Machine) settle() {
	for len(m.record.Outbox) > 0 {
		head := m.record.Outbox[0]
		path := pathOf(head.Path)
		if m.record.Shown[head.Path] != head.Value {
			m.record.Shown[head.Path] = head.Value
			m.forgetUnread(head.Path)
			m.dirty, m.showing = true, true
		}
		switch to, peer := m.addressee(path); to {
		case toSend:
			m.send(peer, path)
			return
		case toObserver, toWait:
			return
		}
		m.record.Outbox = m.record.Outbox[1:]
		m.record.Unread = append(m.record.Unread, head.Path)
		m.dirty = true
	}
	m.sendUnread()
}

func (m *Machine) forgetUnread(path string) {
	if at := slices.Index(m.record.Unread, path); at >= 0 {
		m.record.Unread = slices.Delete(m.record.Unread, at, at+1)
		m.dirty, m.showing = true, true
	}
}

// sendUnread sends what nobody has read, once there is a server that takes it.
func (m *Machine) sendUnread() {
	for _, name := range m.record.Unread {
		path := pathOf(name)
		if to, peer := m.addressee(path); to == toSend {
			m.send(peer, path)
			return
		}
	}
}

// delivered notes that a server has values. What it has of older values, on a notification
// that was overtaken, is not what it is waited for; and what it has read it may not have got:
// where it observes, it is waited for that it acknowledges.
func (m *Machine) delivered(in messages.ReportsDelivered) {
	if !m.counts(in.Peer) {
		return
	}
	for _, n := range in.Nodes {
		if !in.Asked || !m.watches(m.server(in.Peer), n.Path) {
			m.has(n.Path, n.Value.Int())
		}
	}
}

// has notes that the server has the value of a resource.
func (m *Machine) has(path lwm2m.Path, value int64) {
	name := path.String()
	if m.record.Shown[name] != value {
		return
	}
	m.forgetUnread(name)
	if len(m.record.Outbox) > 0 && m.record.Outbox[0] == (entry{Path: name, Value: value}) {
		m.record.Outbox = slices.Delete(m.record.Outbox, 0, 1)
		m.dirty, m.showing = true, true // what is owed is another
	}
}

// sending is a Send under way.
type sending struct {
	id    uint64
	peer  messages.Peer
	path  lwm2m.Path
	value int64
}

// send has a server sent the value that a resource shows.
func (m *Machine) send(peer messages.Peer, path lwm2m.Path) {
	if m.sending != nil || m.resting {
		return
	}
	m.lastID++
	m.sending = &sending{id: m.lastID, peer: peer, path: path, value: m.record.Shown[path.String()]}
	// The value is read when it is sent: it has to be shown by then.
	m.later(tell(messages.SendReports{ID: m.lastID, Peer: peer, Paths: []lwm2m.Path{path}}))
}

// sent takes what became of a Send.
func (m *Machine) sent(in messages.ReportsSent) {
	s := m.sending
	if s == nil || s.id != in.ID {
		return
	}
	m.sending = nil
	switch in.Outcome.Refusal {
	case 0:
		m.has(s.path, s.value)
	case messages.SendNotRegistered, messages.SendSilent, messages.SendPaused, messages.SendBusy, messages.SendUnreadable:
		m.rest()
	case messages.SendRefused:
		m.server(s.peer).refuses(in.Outcome.Code)
		m.rest()
	default:
		m.server(s.peer).mute = true
	}
}

// rest lets a while pass before the next Send.
func (m *Machine) rest() {
	m.resting = true
	m.do(core.SetTimer{Timer: timerSend, After: sendAgain})
}

// pathOf returns the reported resource that a record names.
func pathOf(name string) lwm2m.Path {
	path, _ := lwm2m.ParsePath(name) // a record names no others
	return path
}
