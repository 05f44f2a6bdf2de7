package wording

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

var now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// attempt is one under way since 20 s, of which the message was sent 12 s ago.
func attempt(sent messages.Sent, heard messages.Heard, resent int, mode messages.SecurityMode) *messages.AttemptStatus {
	return &messages.AttemptStatus{
		Began: now.Add(-20 * time.Second), Host: "dm.example", Security: mode, Address: netip.MustParseAddrPort("192.0.2.1:5684"),
		Step: messages.Step{Sent: sent, Heard: heard, Resent: resent, Since: now.Add(-12 * time.Second), Last: now.Add(-4 * time.Second)},
	}
}

func TestAttemptAndHint(t *testing.T) {
	for _, test := range []struct {
		sent   messages.Sent
		heard  messages.Heard
		resent int
		mode   messages.SecurityMode
		text   string
		hint   string
	}{
		{messages.SentQuery, 0, 0, 0, `resolving "dm.example" for 12 s: no name server has answered yet`, "name servers"},
		{messages.SentClientHello, messages.HeardNothing, 3, 0, "handshake with 192.0.2.1:5684: ClientHello sent 12 s ago, resent 3 times, last 4 s ago; nothing has come back", "no DTLS"},
		{messages.SentClientHello, messages.HeardOther, 1, 0, "handshake with 192.0.2.1:5684: ClientHello sent 12 s ago, resent once; what came back is no answer to that", "plain CoAP"},
		{messages.SentClientHelloAgain, messages.HeardVerify, 1, 0, "handshake with 192.0.2.1:5684: ClientHello with cookie sent 12 s ago, resent once; HelloVerifyRequest came before, nothing since", "cipher suites"},
		{messages.SentClientHelloAgain, messages.HeardServerHello, 1, 0, "handshake with 192.0.2.1:5684: ClientHello with cookie sent 12 s ago, resent once; a part of the server's flight has come", "lost on the way"},
		{messages.SentProof, messages.HeardFlight, 3, messages.SecurityPSK, "handshake with 192.0.2.1:5684: ClientKeyExchange and Finished sent 12 s ago, resent 3 times, last 4 s ago; the server's flight came before, no answer since", "the server may not know the key"},
		{messages.SentProof, messages.HeardFlight, 3, messages.SecurityX509, "handshake with 192.0.2.1:5684: ClientKeyExchange and Finished sent 12 s ago, resent 3 times, last 4 s ago; the server's flight came before, no answer since", "certificate"},
		{messages.SentRegister, messages.HeardNothing, 2, messages.SecurityNoSec, "request to 192.0.2.1:5684: Register sent 12 s ago, resent 2 times, last 4 s ago; nothing has come back", "expect DTLS"},
		{messages.SentRegister, messages.HeardNothing, 2, messages.SecurityPSK, "request to 192.0.2.1:5684: Register sent 12 s ago, resent 2 times, last 4 s ago; nothing has come back", "the session stands"},
		{messages.SentRegister, messages.HeardAck, 0, messages.SecurityPSK, "request to 192.0.2.1:5684: Register sent 12 s ago; acknowledged, no answer since", "takes its time"},
		{messages.SentUpdate, messages.HeardNothing, 0, 0, "request to 192.0.2.1:5684: Update sent 12 s ago; nothing has come back", "silence leads to a new link"},
		{messages.SentBootstrapRequest, messages.HeardAccepted, 0, 0, "the bootstrap server has accepted the request 12 s ago; it is to write accounts, and to finish", ""},
		{messages.SentNothing, 0, 0, 0, "the link to 192.0.2.1:5684 is being made", ""},
	} {
		a := attempt(test.sent, test.heard, test.resent, test.mode)
		if got := Attempt(a, now); got != test.text {
			t.Errorf("%s, %s: %s", test.sent, test.heard, got)
		}
		if got := Hint(a, now); (test.hint == "") != (got == "") || !strings.Contains(got, test.hint) {
			t.Errorf("%s, %s: hint %q, want %q", test.sent, test.heard, got, test.hint)
		}
	}
}

// A server may take its time before its silence means anything.
func TestNoHintAtOnce(t *testing.T) {
	a := attempt(messages.SentClientHello, messages.HeardNothing, 0, 0)
	a.Step.Since = now.Add(-2 * time.Second)
	if hint := Hint(a, now); hint != "" {
		t.Error(hint)
	}
}
