package netns

import (
	"testing"

	"github.com/holdfast-iot/holdfast"
)

// A packet filter answers every packet: that the port is closed, or that it
// does not let them through. Both are heard at once.
func TestRejected(t *testing.T) {
	t.Parallel()
	for _, with := range []string{"port-unreachable", "admin-prohibited"} {
		t.Run(with, func(t *testing.T) {
			outage{
				name: "nft reject with " + with, begin: atServer("input", toServer+"reject with icmpx "+with),
				end: healServer, want: []holdfast.ErrorCode{network, network, network}, perAttempt: whenRefused,
			}.both(t)
		})
	}
}

// Linux does not tell UDP sockets of a host that is unreachable: it is silence.
func TestHostUnreachable(t *testing.T) {
	outage{
		name: "nft reject with host-unreachable", begin: atServer("input", toServer+"reject with icmpx host-unreachable"),
		end: healServer, want: []holdfast.ErrorCode{network, timeout}, perAttempt: whenSilent,
	}.both(t)
}

// The gateway's own firewall makes the system call fail: EPERM.
func TestOwnFirewall(t *testing.T) {
	outage{
		name:  "own firewall drops (EPERM)",
		begin: func(s *site) { s.gateway.fault("output", toServer+"drop") },
		end:   func(s *site) { s.gateway.heal() },
		want:  []holdfast.ErrorCode{network, network}, perAttempt: whenRefused,
	}.both(t)
}

// A route that leads nowhere makes connecting a socket fail: with EHOSTUNREACH,
// EACCES and EINVAL. The socket that is open hears of it at the next packet.
func TestRouteNowhere(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"unreachable", "prohibit", "blackhole"} {
		t.Run(kind, func(t *testing.T) {
			outage{
				name:  "route of type " + kind,
				begin: func(s *site) { s.gateway.ip("route", "add", kind, serverAddr+"/32") },
				end:   func(s *site) { s.gateway.ip("route", "delete", kind, serverAddr+"/32") },
				want:  []holdfast.ErrorCode{network, network}, perAttempt: whenRefused,
			}.run(t)
		})
	}
}
