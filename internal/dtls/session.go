package dtls

import (
	"errors"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// Session is an established session. It is pure, as everything here, and not
// safe for concurrent use.
type Session struct {
	protector *record.Protector
	suite     SuiteID
	proof     Proof
	resumed   bool
	resume    *Resumption
	movable   bool   // the server finds it by its Connection ID
	reserved  uint64 // the first sequence number that may not be used yet; 0 for no such

	// last is the client's last flight of an abbreviated handshake. It is
	// repeated when the server repeats its own (RFC 6347 section 4.2.4).
	last     []item
	repeats  int    // of last
	sequence uint64 // of the next record of epoch 0
	mtu      int
}

// session makes the session that a handshake leaves behind.
func (h *Handshake) session(x *exchange, last []item) *Session {
	s := &Session{
		protector: x.protector, suite: x.agreed.suite.id, resumed: x.agreed.offeredResume,
		last: last, sequence: h.sequence, mtu: h.config.MTU, proof: x.proof, movable: len(x.agreed.cid) > 0,
	}
	if len(x.agreed.sessionID) > 0 && x.agreed.extended && !s.movable {
		s.resume = &Resumption{ID: slices.Clone(x.agreed.sessionID), Suite: s.suite, Master: x.master, Proof: x.proof}
	}
	return s
}

// Suite returns the suite that was agreed on.
func (s *Session) Suite() SuiteID { return s.suite }

// Resumed reports whether the session is an earlier one, taken up again.
func (s *Session) Resumed() bool { return s.resumed }

// Resumption returns what it takes to resume the session; nil when the server
// gave it no ID, or it has no extended master secret, or a Connection ID takes
// the place of resumption.
func (s *Session) Resumption() *Resumption { return s.resume }

// Overhead returns how many bytes Seal adds to a content, at most.
func (s *Session) Overhead() int { return s.protector.Overhead() }

// Proof returns what has proven that the server is the right one.
func (s *Session) Proof() Proof { return s.proof }

// Movable reports whether the server finds the session by its Connection ID: it goes on
// from wherever the datagrams come, without a handshake.
func (s *Session) Movable() bool { return s.movable }

// Export returns the session as a value, with which it goes on elsewhere; ok is false
// where nothing can: the server has neither given it a Connection ID nor an ID to resume
// it by. Of a session that is movable, nothing may be sealed any more afterwards, unless
// the value goes on with [Exported.Beyond] what was reserved.
func (s *Session) Export() (state Exported, ok bool) {
	state = Exported{Suite: s.suite, Proof: s.proof, Resume: s.resume}
	if s.movable {
		state.Record = new(s.Protection())
	}
	return state, s.movable || s.resume != nil
}

// Protection returns a copy of the record protection, secrets included.
func (s *Session) Protection() record.State { return s.protector.Export() }

// Restore goes on with a session that was exported as movable.
func Restore(state Exported) (*Session, error) {
	if state.Record == nil {
		return nil, errExported
	}
	p, err := record.Restore(*state.Record)
	if err != nil {
		return nil, err
	}
	return &Session{protector: p, suite: state.Suite, proof: state.Proof, movable: true, mtu: defaultMTU}, nil
}

// ErrUnreserved says that a record was not made: its sequence number has not been
// reserved yet. That passes.
var ErrUnreserved = errors.New("dtls: the next sequence number has not been reserved")

// Reserve allows the sequence numbers below until, and no others: those that whoever
// restores the session from what was stored will not use. 0 allows all.
func (s *Session) Reserve(until uint64) { s.reserved = until }

// Reserved returns the first sequence number that is not allowed; 0 when all are.
func (s *Session) Reserved() uint64 { return s.reserved }

// NextSequence returns the sequence number of the next record to be sealed: no nonce
// from it on has been used.
func (s *Session) NextSequence() uint64 { return s.protector.NextSequence() }

// Seal appends a record with application data to dst. The errors are those of
// [record.Protector.Seal], and [ErrUnreserved].
func (s *Session) Seal(dst, data []byte) ([]byte, error) {
	return s.seal(dst, record.ApplicationData, data)
}

// Goodbye appends a record with close_notify to dst (RFC 5246 section 7.2.1).
func (s *Session) Goodbye(dst []byte) ([]byte, error) {
	return s.seal(dst, record.Alert, []byte{levelWarning, alertCloseNotify})
}

func (s *Session) seal(dst []byte, content record.Content, payload []byte) ([]byte, error) {
	if s.reserved > 0 && s.NextSequence() >= s.reserved {
		return dst, ErrUnreserved
	}
	return s.protector.Seal(dst, content, payload)
}

// Event is what the first record of a datagram contained. All fields are zero
// when it was dropped.
type Event struct {
	// Data is application data, a view of the datagram; Sequence is the number of its
	// record.
	Data     []byte
	Sequence uint64
	// Closed: the server has ended the session, with the alert.
	Closed bool
	Alert  uint8
	// Send has datagrams to be sent now.
	Send [][]byte
	// Err is [record.ErrExhausted] when the session must not be used any
	// further.
	Err error
}

// Next opens the first record of a datagram in place, and returns the rest of
// it. Records that are not authentic, in clear, repeated or not of this session
// are dropped, and so is what would begin a renegotiation.
func (s *Session) Next(datagram []byte) (e Event, rest []byte) {
	r, rest, ok := record.Next(datagram, s.protector.CIDLength())
	if !ok {
		return Event{}, nil
	}
	content, plain, err := s.protector.Open(r)
	switch {
	case err == record.ErrExhausted:
		return Event{Err: err}, nil
	case err != nil:
		return Event{}, rest
	}
	switch content {
	case record.ApplicationData:
		e.Data, e.Sequence = plain, r.Sequence
	case record.Alert:
		ends := len(plain) == 2 && (plain[0] == levelFatal || plain[1] == alertCloseNotify)
		if ends {
			e.Closed, e.Alert = true, plain[1]
		}
	case record.Handshake:
		e.Send, e.Err = s.repeated(plain)
	}
	return e, rest
}

// maxRepeats bounds how often the last flight is repeated: a server that resends
// after 1, 2, 4 ... s has given up long before.
const maxRepeats = 8

// repeated answers a repeated Finished of a server that has not seen the
// client's last flight.
func (s *Session) repeated(content []byte) ([][]byte, error) {
	f, _, ok := handshake.NextFragment(content)
	if s.last == nil || !ok || f.Type != handshake.TypeFinished || s.repeats == maxRepeats {
		return nil, nil
	}
	s.repeats++
	p := packer{mtu: s.mtu, sequence: &s.sequence, protector: s.protector}
	return p.pack(s.last)
}
