package dtls

import "time"

// Flight is one of the client's flights (RFC 6347 section 4.2.4, RFC 5246 section
// 7.3).
type Flight uint8

// The flights of the client.
const (
	FlightHello      Flight = iota + 1 // ClientHello
	FlightHelloAgain                   // ClientHello with a cookie
	FlightProof                        // ClientKeyExchange to Finished; Finished alone in a resumed session
)

// Step is what a handshake waits for: what it has sent last, and what has been heard
// so far.
type Step struct {
	Flight Flight
	Begun  time.Time // when the flight was sent first
	Sent   time.Time // and last
	Resent int
	Progress
}

// Step returns what the handshake waits for.
func (h *Handshake) Step() Step {
	s := Step{
		Flight: FlightHello, Begun: h.flight.begun, Sent: h.flight.sent, Resent: h.flight.sendings - 1, Progress: h.progress,
	}
	switch {
	case h.state != AwaitingFlight:
		s.Flight = FlightProof
	case h.hellos[1].Body != nil:
		s.Flight = FlightHelloAgain
	}
	return s
}
