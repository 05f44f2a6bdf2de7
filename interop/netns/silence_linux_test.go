package netns

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// silent is how a black hole shows: the Update is given up (code 7), the ladder
// after it too (code 6), and so is the attempt after that.
var silent = []holdfast.ErrorCode{network, timeout, timeout}

func TestBlackHole(t *testing.T) {
	outage{
		name: "black hole, both ways",
		begin: func(s *site) {
			s.serverHost.fault("input", toServer+"drop")
			s.serverHost.fault("output", fromServer+"drop")
		},
		end: healServer, want: silent, perAttempt: whenSilent,
	}.both(t)
}

func TestBlackHoleToServer(t *testing.T) {
	outage{
		name: "black hole, to the server", begin: atServer("input", toServer+"drop"),
		end: healServer, want: silent, perAttempt: whenSilent,
	}.both(t)
}

// The server hears everything, and nothing that it says arrives.
func TestBlackHoleFromServer(t *testing.T) {
	outage{
		name: "black hole, from the server", begin: func(s *site) { s.gateway.fault("input", fromServer+"drop") },
		end: func(s *site) { s.gateway.heal() }, want: silent, perAttempt: whenSilent,
	}.both(t)
}

// A server that is stopped answers all that was asked, when it goes on.
func TestServerStopped(t *testing.T) {
	outage{
		name:  "server stopped by SIGSTOP",
		begin: func(s *site) { s.server.stop() },
		end:   func(s *site) { s.server.resume() },
		want:  silent, perAttempt: whenSilent,
	}.both(t)
}

// updates are asked for while packets are lost.
const updates = 10

// whenPatient is the most packets that leave within one attempt of a patient
// client: exchanges of five transmissions begin every 6.2 s.
const whenPatient = 15

// patient gives a configuration the number of resends of RFC 7252, and an
// attempt 15 s: enough for a handshake, which resends after 1, 2, 4 and 8 s.
func patient(config string) string {
	return strings.NewReplacer("max_retransmit: 2", "max_retransmit: 4",
		"registration_timeout: 3s", "registration_timeout: 15s").Replace(config)
}

// Of ten packets three are lost, each way, for as long as the test lasts.
func TestLoss(t *testing.T) {
	t.Parallel()
	for _, link := range []struct{ name, account string }{{"NoSec", noSec(serverAddr)}, {"PSK", psk(serverAddr)}} {
		t.Run(link.name, func(t *testing.T) {
			s := newSite(t, false)
			const lose = "numgen random mod 100 < 30 counter drop"
			s.serverHost.fault("input", toServer+lose)
			s.serverHost.fault("output", fromServer+lose)
			began := time.Now()
			dir := t.TempDir()
			c := s.launch(dir, patient(configuration(filepath.Join(dir, "state"), link.account)))
			first := c.registered().Time.Sub(began)
			for range updates {
				c.updated()
			}
			c.checkSchedule()
			r := row{sent: s.gateway.sent(), lasted: time.Since(began), back: first}
			if most := (len(c.errors()) + 1 + updates) * whenPatient; r.sent > most {
				t.Errorf("%d packets, want at most %d", r.sent, most)
			}
			report(t, "loss of 30 %, both ways, for ever; 10 Updates", link.name, c, r)
		})
	}
}
