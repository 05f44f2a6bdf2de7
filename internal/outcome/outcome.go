// Package outcome says what it means for an incarnation when a request of ours
// brings no answer, or not the one that was asked for: what actors/registration and
// actors/bootstrap judge alike. It makes failures out of what coapresend reports;
// which of them ends an attempt is decided by the actors. Everything is pure.
package outcome

import (
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// ConnectGrace is how long after its deadline an attempt ends while network still
// connects: network reports the finer cause at the deadline itself, and this only
// makes sure that no lost message strands the attempt.
const ConnectGrace = 5 * time.Second

// Unanswered makes a failure of an exchange that brought no answer; exhausted is
// the class of one whose resends were all in vain. A declared limit is named: a
// person can raise it.
func Unanswered(r messages.RequestFailure, exhausted messages.Class) messages.Failure {
	switch r {
	case messages.Exhausted:
		return messages.Failure{Class: exhausted}
	case messages.Reset:
		return messages.Failure{Class: messages.ClassReset}
	case messages.TooLarge, messages.QueueFull, messages.Unsendable:
		return messages.Failure{Class: messages.ClassBudget, Detail: r.String()}
	}
	return messages.Failure{Class: messages.ClassBadAnswer}
}

// Rejected makes a failure of an answer that refuses, with what it says of the
// reason and of when to come again.
func Rejected(in messages.Response) messages.Failure {
	f := messages.Failure{Class: messages.ClassRejected, Answer: in.Code, Detail: messages.Diagnostic(in.Payload)}
	if in.MaxAge != nil {
		f.MaxAge = new(time.Duration(*in.MaxAge) * time.Second)
	}
	return f
}

// Challenged reports whether an answer asks for the request once more, with its
// Echo option (RFC 9175 section 2.3).
func Challenged(in messages.Response) bool {
	return in.Code == messages.Unauthorized && len(in.Echo) > 0
}
