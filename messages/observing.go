package messages

// Observing is what a server observes, and what has become of the notifications for it.
type Observing struct {
	Observations int // at present
	Stored       int // notifications that wait for the server to come back, or behind one that does

	// Notified counts the notifications that have left, those that are not confirmable
	// when they leave and the others when they are acknowledged or stay unanswered.
	Notified     uint64
	Acknowledged uint64 // of those
	Dropped      uint64 // stored ones for which there was no room
}

// After returns what a report says together with all before it: counts add up, and what
// there is at present is as it says last.
func (o Observing) After(before Observing) Observing {
	o.Notified += before.Notified
	o.Acknowledged += before.Acknowledged
	o.Dropped += before.Dropped
	return o
}

// ObservingChanged reports what a server observes, with what has been counted since the
// last report. Management to supervisor, at most once in 10 s for all servers together.
type ObservingChanged struct {
	Peer      Peer
	Observing Observing
}

// SendCount says how many Sends a server has been asked to take.
type SendCount struct {
	Accepted uint64 // the server has answered with success
	Failed   uint64 // it has refused, or not answered, or was not asked: it cannot be, now
}
