package coapresend

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// entryState is how far the answer to a message of the peer has come.
//
//	            half of ACK_TIMEOUT has passed
//	enWorking --------------------------------> enAcknowledged
//	    |                                             |
//	    | Reply: piggybacked response,                | Reply: separate
//	    | or a NON one                                | response
//	    v                                             v
//	enDone <------------------------------------------+
type entryState uint8

const (
	enWorking      entryState = iota // the handler is working on it; nothing has been sent
	enAcknowledged                   // the handler is working on it; an empty ACK has been sent
	enDone                           // answered
)

// String returns the state's name, for test failures.
func (s entryState) String() string {
	names := [...]string{"working", "acknowledged", "done"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// entry is the deduplication entry of one message of the peer (RFC 7252 section
// 4.5). A message with the same ID and other content is a duplicate too.
type entry struct {
	mid         uint16
	confirmable bool
	safe        bool // to be executed a second time (RFC 7252 section 5.1)
	state       entryState
	token       keptToken
	expires     time.Time
	due         time.Time // when an empty ACK goes out if the handler has not answered
	answer      []byte    // what a duplicate of a CON is answered with; nil for nothing
	job         *job      // what the handler was asked; nil when it was not, or has answered
}

func (e *entry) deadline() time.Time { return e.expires }

// keptToken is a copy of a message's token: a part of the datagram would keep all of
// it in memory.
type keptToken struct {
	bytes  [coap.MaxTokenLength]byte
	length uint8
}

func keepToken(msg coap.Message) keptToken {
	t := keptToken{length: uint8(len(msg.Token))}
	copy(t.bytes[:], msg.Token)
	return t
}

func (t *keptToken) slice() []byte { return t.bytes[:t.length] }

// remembered returns the entry of a message ID, or nil.
func (m *Machine) remembered(mid uint16) *entry {
	for i, e := range m.entries {
		if e.mid != mid {
			continue
		}
		if m.now.Before(e.expires) {
			return e
		}
		m.forget(i)
		return nil
	}
	return nil
}

// remember makes an entry for a message that is not a duplicate. It returns nil
// when every entry of its kind belongs to a request that the handler has not
// answered yet.
func (m *Machine) remember(msg coap.Message) *entry {
	confirmable := msg.Type == coap.CON
	if !m.hasRoom(confirmable) && !m.evict(confirmable) {
		return nil
	}
	e := &entry{
		mid:         msg.MID,
		confirmable: confirmable,
		safe:        msg.IsResponse() || msg.Code == messages.GET || msg.Code == messages.FETCH,
		token:       keepToken(msg),
		expires:     m.now.Add(m.lifetime(msg.Type)),
	}
	m.entries = append(m.entries, e)
	m.sweepLater()
	return e
}

func (m *Machine) lifetime(t coap.Type) time.Duration {
	if t == coap.CON {
		return m.cfg.ExchangeLifetime()
	}
	return m.cfg.NonLifetime()
}

func (m *Machine) hasRoom(confirmable bool) bool {
	n := 0
	for _, e := range m.entries {
		if e.confirmable == confirmable {
			n++
		}
	}
	return n < m.cfg.remembered(confirmable)
}

// evict makes room by forgetting one entry of the kind: the oldest of a safe
// request, else the oldest that has been answered. One that has not would be
// executed twice.
func (m *Machine) evict(confirmable bool) bool {
	victim := -1
	for i, e := range m.entries {
		switch {
		case e.confirmable != confirmable:
		case !m.now.Before(e.expires), e.job == nil && e.safe:
			m.forget(i)
			return true
		case e.job == nil && victim < 0:
			victim = i
		}
	}
	if victim >= 0 {
		m.forget(victim)
	}
	return victim >= 0
}

func (m *Machine) forget(i int) { m.entries = slices.Delete(m.entries, i, i+1) }

// repeat answers a duplicate as the first was answered. A NON is not answered
// again (RFC 7252 section 4.5).
func (m *Machine) repeat(e *entry) {
	if e.confirmable && e.answer != nil {
		m.transmit(e.answer)
	}
}
