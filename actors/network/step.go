package network

import (
	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/messages"
)

// handshakeStep puts a step of the DTLS core into the words of the supervisor.
func handshakeStep(s dtls.Step) messages.HandshakeStep {
	sent := map[dtls.Flight]messages.Sent{
		dtls.FlightHello: messages.SentClientHello, dtls.FlightHelloAgain: messages.SentClientHelloAgain,
		dtls.FlightProof: messages.SentProof,
	}
	return messages.HandshakeStep{Sent: sent[s.Flight], Since: s.Begun, Last: s.Sent, Resent: s.Resent, Heard: heard(s)}
}

// heard returns how much of its flight the server has sent.
func heard(s dtls.Step) messages.Heard {
	switch {
	case s.Complete || s.Flight == dtls.FlightProof:
		return messages.HeardFlight
	case s.ServerHello:
		return messages.HeardServerHello
	case s.Flight == dtls.FlightHelloAgain:
		return messages.HeardVerify
	case s.Datagrams > 0:
		return messages.HeardOther
	}
	return messages.HeardNothing
}
