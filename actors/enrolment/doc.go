// Package enrolment is the actor that owns a link for the sake of a certificate: it asks an
// EST server for one (RFC 9148), or has a management server accept one that is new.
//
//	machine.go  the core: one attempt
//	answers.go  what the server answers, judged
//	actor.go    the shell: keys are made here
//
// An incarnation is one attempt. It reports once, a certificate, a proof or a failure, and
// is done: when to try again, with the same key or with a new one, and what becomes of a
// certificate, the supervisor decides. It owns nothing beyond its link. The package is
// internal to the runtime: only the supervisor starts it.
package enrolment
