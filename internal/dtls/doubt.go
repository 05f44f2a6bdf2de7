package dtls

import "time"

// refused is why a flight of the server was refused.
type refused struct{ err error }

// note holds back an unprotected alert for a second, in which something better may
// come; resends go on. Another alert does not prolong it. Warnings are ignored,
// except for close_notify.
func (h *Handshake) note(now time.Time, body []byte) {
	if len(body) != 2 || body[0] != levelFatal && body[1] != alertCloseNotify {
		return
	}
	h.doubt(now)
	h.alert = &AlertError{Number: body[1], Answered: h.proven()}
}

// excuse holds back the refusal of a bad flight for a second, in which a fragment
// may come that contradicts it: anybody may have sent some of it. If fragments
// have contradicted each other already, the flight is dropped, and the server
// resends its own; before a flight was answered this happens once. After a good
// flight a bad one is always dropped.
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

// doubted reports whether an alert or a refusal is held back.
func (h *Handshake) doubted() bool { return h.alert != nil || h.refused != nil }

// believe ends the handshake with what was held back and not contradicted.
func (h *Handshake) believe() {
	if h.refused != nil {
		h.check(h.refused.err)
		return
	}
	h.check(h.alert)
}

// doubt begins the second in which something is held back. What comes within it
// does not prolong it.
func (h *Handshake) doubt(now time.Time) {
	if !h.doubted() {
		h.believed = now.Add(patience)
	}
}
