package network

import (
	"fmt"
	"io"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/messages"
)

// terms say what a link's session may go on from, and what is to be possible afterwards.
// They are immutable. Like a security, they keep what is secret behind a pointer.
type terms struct {
	cid     bool // offer a Connection ID
	reserve bool // use only as many sequence numbers as are reserved
	resume  *dtls.Exported
	from    messages.SecureSession // what resume was read from, without its secret
}

// newTerms reads the session to go on with. One that cannot be read, or that is proven by
// a certificate which has expired since, is left: a new one takes its place.
func newTerms(in messages.Connect, when times) *terms {
	t := &terms{cid: in.CID, reserve: in.Reserve}
	if in.Resume == nil {
		return t
	}
	state, err := dtls.ParseExported(in.Resume.State)
	ended := !in.Resume.Ends.IsZero() && !when.at(when.now).Now.Before(in.Resume.Ends)
	if err != nil || ended || in.Resume.Movable != (state.Record != nil) {
		return t
	}
	t.resume, t.from = &state, *in.Resume
	t.from.State = nil
	return t
}

// movable reports whether the link goes on without a handshake.
func (t *terms) movable() bool { return t != nil && t.resume != nil && t.resume.Record != nil }

// describe returns a session as the supervisor keeps it, and where it comes from. made is
// when this link got it.
func (t *terms) describe(s *dtls.Session, made time.Time) (messages.SecureSession, messages.SessionOrigin) {
	d := messages.SecureSession{
		Movable: s.Movable(), Suite: s.Suite().String(), Since: made, Ends: s.Proof().Ends, Reserved: s.Reserved(),
	}
	if state, ok := s.Export(); ok {
		d.State = state.Encode()
	}
	switch {
	case t.movable():
		d.Since = t.from.Since
		return d, messages.SessionKept
	case s.Resumed():
		d.Since = t.from.Since
		return d, messages.SessionResumed
	}
	return d, messages.SessionNew
}

// Format implements fmt.Formatter: whatever the verb, no secret is printed. Package fmt
// calls no method of what is in a field that is not exported.
func (c connected) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "connected, session "+c.origin.String()+", secrets not shown")
}

// Format implements fmt.Formatter: whatever the verb, no secret is printed.
func (s shut) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "shut, keep %t, lent %t, secrets not shown", s.keep, s.lent != nil)
}
