package supervisor

import "github.com/holdfast-iot/holdfast/messages"

// counts says what the server of an account observes, and what it was sent unasked.
type counts struct {
	observing messages.Observing
	sends     messages.SendCount
}

// counted returns the counts of an account, which most accounts never need.
func (a *account) counted() *counts {
	if a.counts == nil {
		a.counts = &counts{}
	}
	return a.counts
}

// observingChanged adds up what management reports of a server.
func (m *Machine) observingChanged(in messages.ObservingChanged) {
	if a := m.accounts.of(in.Peer); a != nil {
		c := a.counted()
		c.observing = in.Observing.After(c.observing)
	}
}

// observingUnknown forgets what there was at present before management crashed: the one
// that follows it reports what it finds.
func (m *Machine) observingUnknown() {
	for _, a := range m.accounts {
		if a.counts != nil {
			a.counts.observing.Observations, a.counts.observing.Stored = 0, 0
		}
	}
}

// countSend counts what has become of a Send to a server.
func (m *Machine) countSend(out messages.SendOutcome) {
	a := m.accounts.of(out.Peer)
	switch {
	case a == nil:
	case out.Refusal == 0:
		a.counted().sends.Accepted++
	default:
		a.counted().sends.Failed++
	}
}
