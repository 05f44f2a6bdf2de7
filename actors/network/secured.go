package network

import (
	"errors"
	"sync"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/messages"
)

// errLeft ends the use of a session that has been handed on.
var errLeft = errors.New("the session has been handed on")

// dtlsSession is an established session on its socket.
type dtlsSession struct {
	socket *socket
	origin messages.SessionOrigin

	// mu guards what follows, and holds from a record's sequence number until
	// the record is sent: records leave in their order. Nothing waits under it.
	mu      sync.Mutex
	session *dtls.Session
	is      messages.SecureSession // what session was when the link came up
	over    error                  // why the session has ended; nil as long as it has not
	low     func(next uint64)      // is told when few of the reserved ones are left; may be nil

	// The reader's own.
	rest   []byte // of a datagram with several records
	record uint64 // number of the last one with data
}

// Read returns the next application data. Other records are dropped, or end the
// session.
func (s *dtlsSession) Read() (data []byte, err error) {
	for data == nil && err == nil {
		if rest := s.rest; len(rest) > 0 {
			data, err = s.open(rest)
			continue
		}
		data, err = s.receive()
	}
	return data, err
}

// Record returns the number of the record that the last Read has returned.
func (s *dtlsSession) Record() uint64 { return s.record }

func (s *dtlsSession) receive() ([]byte, error) {
	b, n, err := s.socket.receive()
	if err != nil {
		return nil, err
	}
	defer buffers.Put(b)
	return s.open(b[:n])
}

// open processes the records of a datagram up to the first one with data. It
// keeps no reference to it.
func (s *dtlsSession) open(datagram []byte) ([]byte, error) {
	s.rest = nil
	for len(datagram) > 0 {
		e, rest, err := s.next(datagram)
		switch {
		case err != nil:
			return nil, err
		case e.Err != nil:
			return nil, s.end(&ClosedError{Err: e.Err})
		case e.Closed:
			return nil, s.end(&ClosedError{Alert: e.Alert})
		case e.Data != nil:
			s.record = e.Sequence
			s.rest = append([]byte(nil), rest...) // seldom more than nothing
			return append([]byte(nil), e.Data...), nil
		}
		datagram = rest
	}
	return nil, nil
}

func (s *dtlsSession) next(datagram []byte) (dtls.Event, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		return dtls.Event{}, nil, s.over
	}
	e, rest := s.session.Next(datagram)
	return e, rest, s.socket.sendAll(e.Send)
}

// end makes every later Write fail with the error of this Read.
func (s *dtlsSession) end(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = err
	return err
}

// Write encrypts and sends one datagram. One for which no sequence number is reserved is
// lost, as the network may lose it.
func (s *dtlsSession) Write(datagram []byte) error {
	low, next, err := s.write(datagram)
	if low != nil {
		low(next)
	}
	return err
}

// write returns whom to tell that few sequence numbers are left; nil while there are
// enough.
func (s *dtlsSession) write(datagram []byte) (low func(uint64), next uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		return nil, 0, s.over
	}
	sealed, err := s.session.Seal(make([]byte, 0, len(datagram)+s.session.Overhead()), datagram)
	switch {
	case err == dtls.ErrUnreserved:
		return s.low, s.session.NextSequence(), errNoRoom
	case err != nil:
		s.over = &ClosedError{Err: err}
		return nil, 0, s.over
	}
	if s.scarce() {
		low = s.low
	}
	return low, s.session.NextSequence(), s.socket.send(sealed)
}

// lowEvery is how often more sequence numbers are asked for, once half of those that are
// reserved are used: the first time may have been in vain.
const lowEvery = messages.SequenceBlock / 8

// scarce reports whether it is time to ask for more sequence numbers.
func (s *dtlsSession) scarce() bool {
	next, reserved := s.session.NextSequence(), s.session.Reserved()
	return reserved > 0 && reserved-min(next, reserved) <= messages.SequenceBlock/2 && next%lowEvery == 0
}

// watch sets who is told when reserved sequence numbers are scarce, and returns what the
// session is. low must not block.
func (s *dtlsSession) watch(low func(next uint64)) (is messages.SecureSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	is, s.low = s.is, low
	s.is.State = nil // the session changes from now on
	return is
}

// reserve allows the sequence numbers below until.
func (s *dtlsSession) reserve(until uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session.Reserve(until)
}

// nonces returns how many sequence numbers have been used.
func (s *dtlsSession) nonces() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session.NextSequence()
}

// leave hands the session on, unless it has ended or nothing can go on with it. Nothing
// is sent or read any more.
func (s *dtlsSession) leave() (messages.SecureSession, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, ok := s.session.Export()
	if s.over != nil || !ok {
		return messages.SecureSession{}, false
	}
	s.over = errLeft
	left := s.is
	left.State, left.Reserved = state.Encode(), s.session.Reserved()
	return left, true
}

// Close sends close_notify, unless the session has been handed on, and closes the socket.
func (s *dtlsSession) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != errLeft {
		if goodbye, err := s.session.Goodbye(nil); err == nil {
			_ = s.socket.send(goodbye)
		}
	}
	return s.socket.Close()
}
