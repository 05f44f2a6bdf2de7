package handshake

import "bytes"

const (
	// inboxMessages bounds message_seq: the longest flights of a server have
	// numbers below 8.
	inboxMessages = 12
	// inboxBytes bounds what the messages of an inbox have together, in bytes
	// of the lengths that they announce: the largest flight, and a message of
	// the greatest length that a forger has put ahead of it.
	inboxBytes = 2*MaxCertificates + MaxRequest + 16<<10

	// MaxCertificates bounds a Certificate message, in bytes.
	MaxCertificates = 64 << 10
	// MaxRequest bounds a CertificateRequest, whose list of authorities is
	// of no use to a client with one certificate, in bytes.
	MaxRequest = 64 << 10
	// maxOther bounds every other message, in bytes.
	maxOther = 8 << 10
)

// Inbox puts the messages of a server's flight together from fragments with any
// borders, overlap and order.
//
// Nothing in it is authenticated, so that anybody may have sent any piece of
// it. Where two pieces contradict each other (another type, another length,
// other bytes in the same place) the newer one is believed and the older ones
// of that message are forgotten: what a forger sent first is replaced by what
// the server sends, what he sent last by the server's next sending of its
// flight.
//
// An inbox holds at most 12 messages and their announced lengths. When there is
// no room, the messages with the highest numbers make way for lower ones, so
// that announcing many does not keep a flight out. The work of Add is linear in
// the fragment. The zero value is empty and ready.
type Inbox struct {
	messages     [inboxMessages]assembly
	bytes        int
	contradicted bool
}

// assembly is one message that is being put together.
type assembly struct {
	present bool
	kind    Type
	body    []byte
	have    []uint64 // a bit per byte of body
	missing int      // bytes
	filled  bool     // some fragment was added
}

// Add takes one fragment of epoch 0. It reports whether the inbox knows
// something new by it; a repeated fragment is no news, and neither is one that
// exceeds the bounds.
func (b *Inbox) Add(f Fragment) bool {
	if int(f.Sequence) >= len(b.messages) || f.Length > maxLength(f.Type) || f.Length > 0 && len(f.Data) == 0 {
		return false
	}
	a := &b.messages[f.Sequence]
	if a.present && a.contradicts(f) {
		b.contradicted = true
		b.forget(a)
	}
	if !a.present && !b.begin(int(f.Sequence), f) {
		return false
	}
	return a.fill(f)
}

func maxLength(t Type) int {
	switch t {
	case TypeCertificate:
		return MaxCertificates
	case TypeCertificateRequest:
		return MaxRequest
	}
	return maxOther
}

func (b *Inbox) begin(sequence int, f Fragment) bool {
	for last := len(b.messages) - 1; b.bytes+f.Length > inboxBytes; last-- {
		if last == sequence {
			return false
		}
		b.forget(&b.messages[last])
	}
	b.bytes += f.Length
	b.messages[sequence] = assembly{
		present: true, kind: f.Type, missing: f.Length,
		body: make([]byte, f.Length), have: make([]uint64, (f.Length+63)/64),
	}
	return true
}

func (b *Inbox) forget(a *assembly) {
	b.bytes -= len(a.body)
	*a = assembly{}
}

// contradicts reports whether a fragment cannot belong to the same message as
// what is there.
func (a *assembly) contradicts(f Fragment) bool {
	if a.kind != f.Type || len(a.body) != f.Length {
		return true
	}
	if a.missing == 0 {
		return !bytes.Equal(a.body[f.Offset:f.Offset+len(f.Data)], f.Data)
	}
	for i, v := range f.Data {
		if at := f.Offset + i; a.have[at/64]&(1<<(at%64)) != 0 && a.body[at] != v {
			return true
		}
	}
	return false
}

// fill adds the fragment's bytes. It reports whether one of them was missing,
// or the message is a new one.
func (a *assembly) fill(f Fragment) bool {
	before, first := a.missing, !a.filled
	a.filled = true
	for i, v := range f.Data {
		at := f.Offset + i
		if mask := uint64(1) << (at % 64); a.have[at/64]&mask == 0 {
			a.have[at/64] |= mask
			a.body[at] = v
			a.missing--
		}
	}
	return first || a.missing < before
}

// Message returns a whole message. Its body stays valid and unchanged.
func (b *Inbox) Message(sequence int) (Message, bool) {
	if sequence < 0 || sequence >= len(b.messages) {
		return Message{}, false
	}
	a := &b.messages[sequence]
	if !a.present || a.missing > 0 {
		return Message{}, false
	}
	return Message{Type: a.kind, Sequence: uint16(sequence), Body: a.body}, true
}

// Partial reports whether any piece of a message is there.
func (b *Inbox) Partial(sequence int) bool {
	return sequence >= 0 && sequence < len(b.messages) && b.messages[sequence].present
}

// Contradicted reports whether pieces have contradicted each other since the
// inbox was emptied.
func (b *Inbox) Contradicted() bool { return b.contradicted }

// Empty forgets everything. Bodies that were handed out stay valid.
func (b *Inbox) Empty() { *b = Inbox{} }
