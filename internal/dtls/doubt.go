package dtls

import "time"

// refused is why a flight of the server is not good.
type refused struct{ err error }

// note keeps an alert in clear for a second, in which something better may come;
// resends go on. Another alert does not prolong it. Warnings say nothing, but
// for close_notify.
func (h *Handshake) note(now time.Time, body []byte) {
	if len(body) != 2 || body[0] != levelFatal && body[1] != alertCloseNotify {
		return
	}
	h.doubt(now)
	h.alert = &AlertError{Number: body[1], Answered: h.proven()}
}

// excuse keeps a flight that is not good for a second, in which a piece may come
// that contradicts it: anybody can have sent some of it. Where pieces have
// contradicted each other already, the flight is dropped, and the server will
// send its own again. Before a flight was answered it does so once; behind a
// good one a bad one is always dropped.
func (h *Handshake) excuse(now time.Time, err error) error {
	switch {
	case h.state == AwaitingFlight && h.excused:
		return err
	case h.state == AwaitingFlight && !h.inbox.Contradicted():
		h.doubt(now)
		h.refused = &refused{err: err}
		return nil
	}
	h.excused = true
	h.inbox.Empty()
	return nil
}

// doubted reports whether something waits for its contradiction.
func (h *Handshake) doubted() bool { return h.alert != nil || h.refused != nil }

// believe ends the handshake for what nothing has contradicted.
func (h *Handshake) believe() {
	if h.refused != nil {
		h.check(h.refused.err)
		return
	}
	h.check(h.alert)
}

// doubt begins the second in which something may be contradicted. What comes
// within it does not prolong it.
func (h *Handshake) doubt(now time.Time) {
	if !h.doubted() {
		h.believed = now.Add(patience)
	}
}
