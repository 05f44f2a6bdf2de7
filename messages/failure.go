package messages

import (
	"fmt"
	"time"
)

// Epoch counts the incarnations of all links of one client. It never repeats
// within a process.
type Epoch uint64

// Class is the finest distinction between failures that some recovery
// depends on. The recovery table (actors/supervisor) maps a class and a
// [Phase] to an [ErrorCode] and an action.
type Class uint8

// The classes. Comments name the typical trigger.
const (
	ClassUnknown            Class = iota // nothing else classifies it
	ClassDNS                             // name not found, resolver trouble, no usable address
	ClassRefused                         // ICMP port unreachable (ECONNREFUSED)
	ClassUnreachable                     // no route, host or network unreachable, prohibited
	ClassSocket                          // any other local socket error
	ClassClosed                          // the peer closed the session (close_notify)
	ClassHandshakeTimeout                // handshake: the server's flight never came whole
	ClassHandshakeStalled                // handshake: a ServerHello came, then silence
	ClassAlert                           // handshake: fatal alert that blames neither certificate nor key
	ClassCredentialsRefused              // handshake: fatal alert that blames our own credentials
	ClassServerCertificate               // the server's certificate does not verify
	ClassOwnCertificate                  // our own certificate has expired (local proof)
	ClassClock                           // a certificate is not valid yet, or expired by a clock that is known to be wrong
	ClassBadCredentials                  // own credentials unusable: empty key, key mismatch, garbage
	ClassTimeout                         // the attempt's budget is used up and nothing explicit failed
	ClassSilence                         // all resends unanswered on a link that worked
	ClassReset                           // RST to a request
	ClassRejected                        // a CoAP error response; Failure.Answer has it
	ClassBadAnswer                       // an answer that breaks the protocol: 2.01 without Location-Path
	ClassBootstrapSilence                // no bootstrap command for EXCHANGE_LIFETIME
	ClassBootstrapTimeout                // the bootstrap session has no end
	ClassBootstrapData                   // what bootstrap delivered is inconsistent
	ClassMalformed                       // an undecodable message
	ClassStoreWrite                      // credentials could not be stored
	ClassStoreRead                       // credentials could not be read
	ClassBudget                          // a declared limit was exceeded
	ClassConfiguration                   // invalid parameters
	ClassCrash                           // an actor panicked
	ClassMoved                           // this machine reaches the peer from another address by now; no failure of anybody
	classCount
)

var classNames = [classCount]string{
	"unknown", "dns", "refused", "unreachable", "socket", "closed",
	"handshake-timeout", "handshake-stalled", "alert", "credentials-refused",
	"server-certificate", "own-certificate", "clock", "bad-credentials", "timeout",
	"silence", "reset", "rejected", "bad-answer", "bootstrap-silence",
	"bootstrap-timeout",
	"bootstrap-data", "malformed", "store-write", "store-read", "budget",
	"configuration", "crash", "moved",
}

// Classes returns every class, in order.
func Classes() []Class {
	all := make([]Class, 0, classCount)
	for c := ClassUnknown; c < classCount; c++ {
		all = append(all, c)
	}
	return all
}

// String returns the class's name in kebab case.
func (c Class) String() string {
	if c < classCount {
		return classNames[c]
	}
	return "invalid"
}

// Phase says what the client was doing when something happened.
type Phase uint8

// The phases, as events name them (docs/contract.md, Events).
const (
	PhaseAPI Phase = iota
	PhaseConfig
	PhaseStore
	PhaseBootstrap
	PhaseRegister
	PhaseUpdate
	PhaseRegistered
	PhaseClose
	PhaseFirmware
	PhaseEnrolment
)

// String returns the phase as events write it.
func (p Phase) String() string {
	names := [...]string{"api", "config", "store", "bootstrap", "register", "update", "registered", "close", "firmware", "enrolment"}
	if int(p) < len(names) {
		return names[p]
	}
	return "invalid"
}

// Failure is the value with which an expected failure reaches the supervisor.
// It implements error, so that it can be a cause in turn.
type Failure struct {
	Class  Class
	Phase  Phase
	Peer   Peer
	Epoch  Epoch
	Cause  error  // for people and errors.As; may be nil
	Detail string // diagnostic text of the peer, sanitised; may be empty

	Answer CoAPCode       // the response that was the cause, or Empty
	MaxAge *time.Duration // Max-Age of that response, when it carried one
	Alert  *uint8         // number of the fatal alert that was the cause
	// Foreign says that what came is another protocol: no DTLS where that was
	// expected, or DTLS where plain CoAP was.
	Foreign bool
	// ValidIn is how long it takes, with ClassClock, until what is not valid yet
	// becomes valid, by the clock as it is; 0 when that is not known.
	ValidIn time.Duration
}

// Error returns a sentence for a person.
func (f *Failure) Error() string {
	text := f.Class.String()
	if f.Answer != Empty {
		text += " " + f.Answer.String()
	}
	if f.Alert != nil {
		text += fmt.Sprintf(" (alert %d)", *f.Alert)
	}
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	if f.Cause != nil {
		text += ": " + f.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }
