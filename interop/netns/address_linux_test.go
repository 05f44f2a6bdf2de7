package netns

import (
	"testing"

	"github.com/holdfast-iot/holdfast"
)

// The gateway loses its address, and gets another one after a while: a socket
// keeps the old one for ever, and has to be made anew.
func TestAddressRemovedAndAnotherAdded(t *testing.T) {
	outage{
		name:  "address removed, another added",
		begin: func(s *site) { s.gateway.ip("address", "delete", gatewayAddr+prefixLength, "dev", "lan") },
		end:   func(s *site) { s.gateway.ip("address", "add", gatewayMoved+prefixLength, "dev", "lan") },
		want:  []holdfast.ErrorCode{network, network}, perAttempt: whenRefused,
	}.both(t)
}

// The address is another one by the time that the client sends.
func TestAddressReplaced(t *testing.T) {
	outage{
		name: "address replaced at once",
		begin: func(s *site) {
			s.gateway.ip("address", "delete", gatewayAddr+prefixLength, "dev", "lan")
			s.gateway.ip("address", "add", gatewayMoved+prefixLength, "dev", "lan")
		},
		want: []holdfast.ErrorCode{network}, perAttempt: whenSilent,
	}.both(t)
}

// The gateway's own link is down: there is no route (ENETUNREACH).
func TestLinkDown(t *testing.T) {
	outage{
		name:  "own link down, up",
		begin: func(s *site) { s.gateway.ip("link", "set", "lan", "down") },
		end:   func(s *site) { s.gateway.ip("link", "set", "lan", "up") },
		want:  []holdfast.ErrorCode{network, network, network}, perAttempt: whenRefused,
	}.both(t)
}

// The other end of the link is down: the gateway has its address and its
// route, and no carrier.
func TestNoCarrier(t *testing.T) {
	outage{
		name:  "carrier lost, back",
		begin: func(s *site) { s.serverHost.ip("link", "set", "lan", "down") },
		end:   func(s *site) { s.serverHost.ip("link", "set", "lan", "up") },
		want:  silent, perAttempt: whenSilent,
	}.both(t)
}
