package messages

import "time"

// EnrolmentRequest is a key that was made on this device, and the PKCS #10 request for its
// certificate, DER.
type EnrolmentRequest struct {
	Key Secret // PKCS #8, DER
	CSR []byte
}

// BeginEnrolment starts an incarnation whose link is for a certificate, before the link is
// up: to an EST server, or to the management server that is to accept a new one. Supervisor
// to enrolment.
type BeginEnrolment struct {
	Peer     Peer // of the link
	Epoch    Epoch
	Endpoint string
	// Deadline ends the attempt, or this address's share of it.
	Deadline time.Time
	// Known is an instant that has passed, whatever the clock shows; zero when none is.
	Known time.Time
	// Prove says that nothing is asked for: a server that completes the handshake has
	// accepted the certificate of the link's credentials.
	Prove bool
	// Root is the path below which the server has its resources; empty where that is not
	// known: then it is the well-known one, or found by discovery.
	Root []string
	// Present is the certificate that is to be replaced, DER: with it the link's own server
	// is asked to re-enrol. Nil for the first one.
	Present []byte
	// Request is one that the server has asked time for; nil for a new one.
	Request *EnrolmentRequest
}

// EnrolmentRequested says which request is about to be sent: it is to be repeated as it is
// where the server asks for time. Enrolment to supervisor.
type EnrolmentRequested struct {
	Epoch   Epoch
	Request EnrolmentRequest
}

// Enrolled brings a new certificate, which fits the key and what was asked for. Enrolment to
// supervisor, which ends the incarnation.
type Enrolled struct {
	Epoch Epoch
	Key   Secret   // PKCS #8, DER
	Chain [][]byte // DER, the new certificate first
}

// Proven says that a server has completed a handshake with new credentials. Enrolment to
// supervisor, which ends the incarnation.
type Proven struct{ Epoch Epoch }
